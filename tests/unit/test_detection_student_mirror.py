"""Mirror images are seen in training only where the model takes them for the same."""

import torch
from torch import Tensor, nn

from backburn.data.augmentation import Augmentation
from backburn.detection.student import suited
from backburn.training import Training
from backburn.types import Case, LabeledImages

TRAINING = Training(epochs=2, augmentation=Augmentation(shift=0.25))


class Side(nn.Module):
    """Class 1 where the right half is brighter than the left one."""

    def forward(self, images: Tensor) -> Tensor:
        left, right = images.chunk(2, -1)
        return torch.stack([left.flatten(1).mean(1), right.flatten(1).mean(1)], 1)


class Top(nn.Module):
    """Class 1 where the lower half is brighter than the upper one."""

    def forward(self, images: Tensor) -> Tensor:
        return Side()(images.mT)


def case(model: nn.Module, generator: torch.Generator, agree: float = 1.0) -> Case:
    pixels = torch.randint(256, (1500, 1, 4, 4), generator=generator).to(torch.uint8)
    labels = model(pixels.float()).argmax(1)
    wrong = torch.rand(1500, generator=generator) > agree
    return Case(model, LabeledImages(pixels, labels.where(~wrong, 1 - labels)))


def test_mirror_images_are_used_where_the_model_takes_them_for_the_same(generator):
    found = suited(TRAINING, case(Top(), generator))
    assert found.augmentation == Augmentation(shift=0.25, flip=True)
    assert (found.epochs, found.learning_rate) == (TRAINING.epochs, TRAINING.learning_rate)


def test_mirror_images_are_not_used_where_the_model_tells_them_apart(generator):
    assert suited(TRAINING, case(Side(), generator)) == TRAINING


def test_it_is_the_loss_that_counts_not_how_good_the_model_is(generator):
    assert suited(TRAINING, case(Top(), generator, agree=0.6)).augmentation.flip


def test_a_few_images_are_enough(generator):
    few = case(Side(), generator)
    rows = torch.arange(40)
    assert suited(TRAINING, Case(few.model, few.images.take(rows))) == TRAINING


def test_classes_that_come_one_after_the_other_are_all_looked_at(generator):
    # the first class is the same in the mirror; only the second one tells
    class Corner(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.stack([torch.full_like(images[:, 0, 0, 0], 0.5), images[:, 0, 0, 0]], 1)

    pixels = torch.zeros(3000, 1, 2, 2, dtype=torch.uint8)
    pixels[1500:, 0, 0, 0] = 255
    labels = (torch.arange(3000) >= 1500).long()
    assert suited(TRAINING, Case(Corner(), LabeledImages(pixels, labels))) == TRAINING
