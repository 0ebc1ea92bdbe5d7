"""Which images a repair is trained on, under which labels, and whether mirrored."""

import math

import pytest
import torch
from torch import Tensor, nn

from backburn.burn.finetune import labels_and_weights, suited
from backburn.data.augmentation import Augmentation
from backburn.training import Training
from backburn.types import Case, LabeledImages, Suspects

TRAINING = Training(epochs=1, augmentation=Augmentation(shift=0.25))


@pytest.fixture
def images() -> LabeledImages:
    labels = torch.tensor([0, 0, 0, 1, 2, 0])
    return LabeledImages(torch.zeros(6, 1, 2, 2, dtype=torch.uint8), labels)


@pytest.fixture
def suspects() -> Suspects:
    """Confident, doubtful, exactly at the bound, and clean-label."""
    return Suspects(
        index=torch.tensor([0, 1, 2, 5]),
        given_label=torch.tensor([0, 0, 0, 0]),
        restored_label=torch.tensor([2, 1, 1, 0]),
        confidence=torch.tensor([0.9, 0.4, 0.5, 0.99]),
    )


def test_suspects_are_trained_on_under_restored_labels_by_their_confidence(images, suspects):
    labels, weights = labels_and_weights(images, suspects, 0.5)
    assert labels.tolist() == [2, 1, 1, 1, 2, 0]
    assert weights.tolist() == pytest.approx([0.9, 0, 0.5, 1, 1, 0])


def test_any_confidence_is_enough_where_none_is_asked_for(images, suspects):
    _, weights = labels_and_weights(images, suspects, 0.0)
    assert weights.tolist() == pytest.approx([0.9, 0.4, 0.5, 1, 1, 0])


def test_no_suspect_is_trained_on_where_certainty_is_out_of_reach(images, suspects):
    _, weights = labels_and_weights(images, suspects, math.inf)
    assert weights.tolist() == [0, 0, 0, 1, 1, 0]


def test_without_suspects_every_image_counts_under_its_own_label(images):
    nobody = torch.zeros(0, dtype=torch.int64)
    labels, weights = labels_and_weights(
        images, Suspects(nobody, nobody, nobody, torch.zeros(0)), 0.5
    )
    assert torch.equal(labels, images.labels)
    assert weights.tolist() == [1] * 6


def test_the_given_labels_stay_as_they_are(images, suspects):
    labels_and_weights(images, suspects, 0.5)
    assert images.labels.tolist() == [0, 0, 0, 1, 2, 0]


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
