"""Which images a repair is trained on, under which labels, and whether mirrored."""

import math

import pytest
import torch

from backburn.burn.finetune import labels_and_weights
from backburn.types import LabeledImages, Suspects


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
