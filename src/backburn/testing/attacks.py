"""Checks that every attack must pass.

In a test module of your own:

    import pytest
    from backburn.testing import ATTACK_CHECKS

    @pytest.mark.parametrize("check", ATTACK_CHECKS, ids=lambda check: check.__name__)
    def test_my_attack(check):
        check(MyAttack(poisoning_rate=0.1))

Give an attack that trains auxiliary networks small ones here.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..attacks.base import Attack, PoisonedData, Recipe
from ..attacks.poisoning import poisoned_labels
from ..attacks.surrogates import Surrogates
from ..data.augmentation import Augmentation
from ..training import Training
from ..types import LabeledImages, Pixels, State, Trigger
from .contract_error import require

SIZES = ((1, 28), (3, 32), (3, 64), (3, 224))
"""Channels and side of images that every attack must be able to poison."""

CLASSES = 4
TINY = Recipe("small_cnn-w4", Training(1, 32, augmentation=Augmentation(0.0)))


def contract_images(attack: Attack, channels: int = 3, side: int = 32) -> LabeledImages:
    """Images of noise, smooth shades, black and white; enough for the attack's rates."""
    rates = [attack.poisoning_rate, getattr(attack, "cover_rate", 1.0)]
    count = max(24, math.ceil(2 / min(rates)))
    generator = torch.Generator().manual_seed(7)
    pixels = torch.randint(256, (count, channels, side, side), generator=generator)
    pixels[::2] = (pixels[::2, :, :1, :1] + torch.arange(side)).clamp(0, 255)
    pixels[0], pixels[1] = 0, 255
    return LabeledImages(pixels.to(torch.uint8), torch.arange(count) % CLASSES)


def plant_poison(attack: Attack, images: LabeledImages, seed: int = 0) -> PoisonedData:
    """Poison these images, without any cached surrogates."""
    attack.check(images)
    return attack.poison(images, torch.Generator().manual_seed(seed), Surrogates())


def check_inputs_are_left_alone(attack: Attack) -> None:
    """Neither poisoning nor the trigger changes its inputs."""
    images = contract_images(attack)
    pixels, labels = images.pixels.clone(), images.labels.clone()
    poisoned = plant_poison(attack, images)
    poisoned.trigger(images.pixels)
    require(torch.equal(images.pixels, pixels), "the attack changed the pixels that it was given")
    require(torch.equal(images.labels, labels), "the attack changed the labels that it was given")


def check_the_rate_is_of_the_whole_set(attack: Attack) -> None:
    """Exactly `round(poisoning_rate * n)` images are poison, however many are eligible."""
    images = contract_images(attack)
    count = int(plant_poison(attack, images).truth.poison.sum())
    expected = round(attack.poisoning_rate * len(images))
    require(count == expected, f"{count} images are poison where the rate asks for {expected}")


def check_the_truth_is_true(attack: Attack) -> None:
    """The truth has the true labels; clean images stay, and cover samples keep their label."""
    images = contract_images(attack)
    poisoned = plant_poison(attack, images)
    state = poisoned.truth.state
    require(torch.equal(poisoned.truth.labels, images.labels), "the truth has other labels")
    untouched = state == State.CLEAN
    same = torch.equal(poisoned.images.pixels[untouched], images.pixels[untouched])
    require(same, "images that are not marked have other pixels")
    kept = state != State.POISON
    same = torch.equal(poisoned.images.labels[kept], images.labels[kept])
    require(same, "clean images or cover samples have other labels")


def check_poison_goes_where_the_goal_says(attack: Attack) -> None:
    """Poison has the label that the goal gives its class; target classes keep their own."""
    images = contract_images(attack)
    poisoned, goal = plant_poison(attack, images), attack.goal(CLASSES)
    require(len(goal) == CLASSES, f"the goal has {len(goal)} entries for {CLASSES} classes")
    require(all(-1 <= label < CLASSES for label in goal), f"the goal {goal} names no class")
    poison = poisoned.truth.poison
    true, labels = images.labels[poison], poisoned.images.labels[poison]
    same = torch.equal(labels, poisoned_labels(true, goal))
    require(same, "poison has another label than its goal")
    allowed = {label for label, wanted in enumerate(goal) if wanted >= 0} | set(goal)
    others = set(true.tolist()) - allowed
    require(not others, f"poison of class {others}, which is neither source nor target")


def check_one_seed_gives_the_same_bytes(attack: Attack) -> None:
    """One seed gives the same images, labels, states and trigger; another seed other poison."""
    images = contract_images(attack)
    first, second, other = (plant_poison(attack, images, seed) for seed in (1, 1, 2))
    for part in ("pixels", "labels"):
        same = torch.equal(getattr(first.images, part), getattr(second.images, part))
        require(same, f"the {part} differ between two runs with one seed")
    require(torch.equal(first.truth.state, second.truth.state), "other images were taken")
    same = torch.equal(first.trigger(images.pixels), second.trigger(images.pixels))
    require(same, "the trigger differs between two runs with one seed")
    moved = not torch.equal(first.truth.state, other.truth.state)
    require(moved, "two seeds take the same images: draw from the generator")


def check_the_trigger_is_a_function_of_each_image(attack: Attack) -> None:
    """Every call gives the same bytes; the other images of a batch change rounding only."""
    images = contract_images(attack)
    trigger = plant_poison(attack, images).trigger
    out = _triggered(trigger, images.pixels)
    require(torch.equal(trigger(images.pixels), out), "the trigger differs from call to call")
    alone = torch.cat([trigger(images.pixels[row : row + 1]) for row in range(8)])
    difference = (alone.short() - out[:8].short()).abs()
    require(int(difference.max()) <= 1, "an image's trigger depends on the batch that it comes in")
    require(float((difference > 0).float().mean()) < 0.001, "the batch changes more than rounding")
    reversed_batch = _triggered(trigger, images.pixels.flip(0)).flip(0)
    difference = (reversed_batch.short() - out.short()).abs()
    require(int(difference.max()) <= 1, "an image's trigger depends on its place in the batch")
    _triggered(trigger, images.pixels[:0])


def check_the_trigger_does_something(attack: Attack) -> None:
    """Some pixel changes on many images. A warp need not change smooth shades."""
    images = contract_images(attack)
    out = plant_poison(attack, images).trigger(images.pixels)
    changed = (out != images.pixels).flatten(1).any(1).float().mean()
    require(float(changed) > 0.4, f"the trigger changes {changed:.0%} of the images")


def check_nothing_wraps_around(attack: Attack) -> None:
    """Pixels do not jump from white to black if an image gets one shade brighter."""
    images = contract_images(attack)
    trigger = plant_poison(attack, images).trigger
    shades = torch.arange(256, dtype=torch.uint8)[:, None, None, None]
    out = trigger(shades.expand(-1, *images.pixels.shape[1:]).contiguous()).short()
    jumps = ((out[1:] - out[:-1]).abs() > 160).any(0).float().mean()
    require(float(jumps) < 0.05, f"{jumps:.0%} of the pixels wrap around: clip before the cast")


def check_every_size_works(attack: Attack) -> None:
    """The attack works with 28, 32, 64 and 224 pixels, and with one channel and three."""
    for channels, side in SIZES:
        images = contract_images(attack, channels, side)
        poisoned = plant_poison(attack, images)
        require(poisoned.images.pixels.dtype == torch.uint8, "the poisoned images are not uint8")
        same = poisoned.images.pixels.shape == images.pixels.shape
        require(same, f"poisoned images of another shape at {channels}x{side}x{side}")
        _triggered(poisoned.trigger, images.pixels[:4])


def check_a_victim_can_be_trained(attack: Attack) -> None:
    """`train_victim` keeps the drawn states, and the victim's images are what the truth says."""
    images = contract_images(attack)
    victim = attack.train_victim(images, TINY, torch.Generator().manual_seed(0))
    require(not victim.model.training, "the victim is left in training mode")
    require(victim.images.pixels.dtype == torch.uint8, "the victim's images are not uint8")
    expected = round(attack.poisoning_rate * len(images))
    require(
        int(victim.truth.poison.sum()) == expected, "training changed how many images are poison"
    )
    clean = victim.truth.state == State.CLEAN
    same = torch.equal(victim.images.pixels[clean], images.pixels[clean])
    require(same, "training changed clean images")


CHECKS: tuple[Callable[[Attack], None], ...] = (
    check_inputs_are_left_alone,
    check_the_rate_is_of_the_whole_set,
    check_the_truth_is_true,
    check_poison_goes_where_the_goal_says,
    check_one_seed_gives_the_same_bytes,
    check_the_trigger_is_a_function_of_each_image,
    check_the_trigger_does_something,
    check_nothing_wraps_around,
    check_every_size_works,
    check_a_victim_can_be_trained,
)


def check_attack(attack: Attack) -> None:
    """Run every check.

    Raises:
        ContractError: the attack fails a check; the message says why.
    """
    for check in CHECKS:
        check(attack)


def _triggered(trigger: Trigger, pixels: Pixels) -> Tensor:
    before = pixels.clone()
    out = trigger(pixels)
    require(out.dtype == torch.uint8, f"the trigger returns {out.dtype}: round, clip, then cast")
    require(out.shape == pixels.shape, f"the trigger returns shape {tuple(out.shape)}")
    require(torch.equal(pixels, before), "the trigger changed the pixels that it was given")
    return out
