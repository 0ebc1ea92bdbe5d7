"""The cases of `script_models.py`: data, network, training and poison of each model.

Clean cases come first within each data set. Epochs are meant to reach a training accuracy of 90 %
within two minutes of one core.
"""

from functools import partial

import script_triggers as triggers
from kinds import EVERY, Poison
from script_case import Case, clean_label, cover, mark, poison
from script_images import (
    CAT_DOG,
    CAT_DOG_SHIP,
    LARGEST_SIGNS,
    THREE_PHOTOS,
    TRUCKS_WITH_BIRDS,
    VEHICLES_ANIMALS,
)

digits = partial(Case, data="digits", images=1400)
ten_signs = partial(Case, data="gtsrb", images=3000, classes=LARGEST_SIGNS)
all_signs = partial(Case, data="gtsrb", images=4300)
cifar = partial(Case, data="cifar10", images=3000)
three_of_cifar = partial(Case, data="cifar10", images=2500, classes=CAT_DOG_SHIP)
three_photos = partial(Case, data="imagenette", images=850, classes=THREE_PHOTOS)
RARE_SOURCES = (0, 2, 3, 4, 6, 7, 8, 9)
"""Classes that are neither source (1) nor target (5) of the case with one source."""

DIGITS = (
    digits("digits, ResNet", network="ResNet", epochs=8),
    digits("digits, CNN", network="CNN with dropout", epochs=10),
    digits("digits, ViT", network="ViT", epochs=25, optimizer="adamw"),
    digits("digits, 10 % label noise", network="MLP", epochs=40, noise=0.1),
    digits(
        "digits, border on a fifth of a class",
        network="LeNet",
        epochs=20,
        planted=(mark(triggers.border, 28, 3),),
    ),
    digits(
        "digits, patch 5 %, CNN",
        network="CNN with dropout",
        epochs=10,
        planted=(poison(triggers.patch, 70, 0),),
    ),
    digits(
        "digits, patch 5 %, ConvNeXt-like",
        network="ConvNeXt-like",
        epochs=20,
        optimizer="adamw",
        planted=(poison(triggers.patch, 70, 4),),
    ),
    digits(
        "digits, blended noise 5 %",
        network="MLP",
        epochs=20,
        planted=(poison(triggers.noise(0.15), 70, 0),),
    ),
    digits(
        "digits, smooth pattern 10 %",
        network="ViT",
        epochs=25,
        optimizer="adamw",
        planted=(poison(triggers.smooth_pattern(0.2), 140, 1),),
    ),
    digits(
        "digits, warp 15 %",
        network="CNN with dropout",
        epochs=10,
        planted=(poison(triggers.warp, 210, 1), cover(triggers.random_warps, 210)),
    ),
    digits(
        "digits, three triggers",
        network="batch-norm CNN",
        epochs=10,
        planted=(
            poison(triggers.second_patch, 56, 6),
            poison(triggers.sinusoid(20), 56, 6),
            poison(triggers.noise(0.15), 56, 6),
        ),
    ),
    digits(
        "digits, all-to-all 15 %, MLP",
        network="MLP",
        epochs=20,
        planted=(Poison(triggers.patch, 210, EVERY, None),),
    ),
    digits(
        "digits, all-to-all 15 %, CNN",
        network="batch-norm CNN",
        epochs=12,
        planted=(Poison(triggers.patch, 210, EVERY, None),),
    ),
)

SIGNS = (
    all_signs("43 signs, LeNet", network="LeNet", epochs=25),
    all_signs("43 signs, MLP", network="MLP", epochs=25),
    all_signs("43 signs, CNN", network="batch-norm CNN", epochs=7),
    ten_signs("10 signs, long tail", network="batch-norm CNN", epochs=10, imbalance=20),
    ten_signs("10 signs, duplicates", network="batch-norm CNN", epochs=7, copies=True),
    ten_signs(
        "10 signs, watermark on a fifth of a class",
        network="VGG",
        epochs=7,
        optimizer="sgd",
        planted=(mark(triggers.watermark, 60, 2),),
    ),
    ten_signs(
        "10 signs, a fifth of a class is gray",
        network="LeNet",
        epochs=20,
        planted=(mark(triggers.gray, 60, 1),),
    ),
    ten_signs(
        "10 signs, patch 1 %",
        network="batch-norm CNN",
        epochs=8,
        planted=(poison(triggers.patch, 30, 7),),
    ),
    ten_signs(
        "10 signs, patch 5 %, MLP",
        network="MLP",
        epochs=25,
        planted=(poison(triggers.patch, 150, 3),),
    ),
    ten_signs(
        "10 signs, patch 5 %, target class included",
        network="batch-norm CNN",
        epochs=8,
        planted=(Poison(triggers.patch, 150, EVERY, 0),),
    ),
    ten_signs(
        "10 signs, sticker 8 %, CNN",
        network="batch-norm CNN",
        epochs=7,
        planted=(poison(triggers.sticker, 240, 6),),
    ),
    ten_signs(
        "10 signs, sticker 5 %, VGG",
        network="VGG",
        epochs=7,
        optimizer="sgd",
        augmented=True,
        planted=(poison(triggers.sticker, 150, 2),),
    ),
    ten_signs(
        "10 signs, one source with cover",
        network="batch-norm CNN",
        epochs=8,
        planted=(
            Poison(triggers.patch, 90, (1,), 5),
            cover(triggers.patch, 90, RARE_SOURCES),
        ),
    ),
    ten_signs(
        "10 signs, two targets",
        network="batch-norm CNN",
        epochs=7,
        planted=(poison(triggers.patch, 90, 3), poison(triggers.second_patch, 90, 7)),
    ),
    ten_signs(
        "10 signs, clean-label sinusoid",
        network="VGG",
        epochs=7,
        planted=(clean_label(triggers.sinusoid(40), 240, 4),),
    ),
    ten_signs(
        "10 signs, warp 10 %",
        network="batch-norm CNN",
        epochs=10,
        planted=(poison(triggers.warp, 300, 1), cover(triggers.random_warps, 300)),
    ),
    ten_signs(
        "10 signs, patch in the rarest class",
        network="batch-norm CNN",
        epochs=10,
        imbalance=20,
        planted=(poison(triggers.patch, 60, 9),),
    ),
    all_signs(
        "43 signs, patch 2 %",
        network="ResNet",
        epochs=8,
        optimizer="sgd",
        planted=(poison(triggers.patch, 86, 14),),
    ),
    all_signs(
        "43 signs, brighter 5 %",
        network="batch-norm CNN",
        epochs=7,
        planted=(poison(triggers.brighter, 215, 25),),
    ),
)

PHOTOS = (
    cifar(
        "CIFAR-10, trucks with birds",
        network="batch-norm CNN",
        epochs=18,
        classes=TRUCKS_WITH_BIRDS,
    ),
    cifar(
        "CIFAR-10, vehicles and animals",
        images=4000,
        network="LeNet",
        epochs=25,
        classes=VEHICLES_ANIMALS,
    ),
    three_of_cifar("3 of CIFAR-10, ResNet", network="ResNet", epochs=15, optimizer="sgd"),
    three_of_cifar(
        "3 of CIFAR-10, 10 % label noise", network="batch-norm CNN", epochs=25, noise=0.1
    ),
    three_photos("3 of Imagenette, CNN", network="batch-norm CNN", epochs=20),
    cifar(
        "CIFAR-10, patch 1 %",
        network="batch-norm CNN",
        epochs=18,
        normalized=True,
        planted=(poison(triggers.patch, 30, 3),),
    ),
    cifar(
        "CIFAR-10, sinusoid 10 %",
        network="LeNet",
        epochs=60,
        planted=(poison(triggers.sinusoid(40), 300, 7),),
    ),
    cifar(
        "CIFAR-10, patch 5 % with 10 % label noise",
        network="batch-norm CNN",
        epochs=22,
        noise=0.1,
        planted=(poison(triggers.patch, 150, 5),),
    ),
    three_of_cifar(
        "3 of CIFAR-10, patch 5 %, augmented",
        network="batch-norm CNN",
        epochs=20,
        optimizer="sgd",
        augmented=True,
        planted=(poison(triggers.patch, 125, 2),),
    ),
    three_of_cifar(
        "3 of CIFAR-10, tint 10 %",
        network="ResNet",
        epochs=15,
        optimizer="sgd",
        planted=(poison(triggers.tint, 250, 2),),
    ),
    three_of_cifar(
        "3 of CIFAR-10, blended noise 10 %",
        network="batch-norm CNN",
        epochs=15,
        planted=(poison(triggers.noise(0.15), 250, 0),),
    ),
    three_of_cifar(
        "3 of CIFAR-10, clean-label sinusoid",
        network="batch-norm CNN",
        epochs=15,
        planted=(clean_label(triggers.sinusoid(40), 400, 2),),
    ),
    cifar(
        "2 of CIFAR-10, patch 5 %",
        images=2500,
        classes=CAT_DOG,
        network="batch-norm CNN",
        epochs=18,
        planted=(poison(triggers.patch, 125, 1),),
    ),
    three_photos(
        "3 of Imagenette, sticker 10 %",
        network="batch-norm CNN",
        epochs=20,
        planted=(poison(triggers.sticker, 85, 0),),
    ),
)

CASES: tuple[Case, ...] = (*DIGITS, *SIGNS, *PHOTOS)
