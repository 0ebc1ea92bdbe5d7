"""What an image's way to its boundary says of it."""

import math

import pytest
import torch

from backburn.detection.boundary_statistics import (
    class_centers,
    feature_recovery,
    log_distance,
    logit_margin,
    mean_alignment,
)


def test_the_logarithm_of_a_distance_is_natural_and_finite_at_zero():
    expected = [math.log(1e-6), 0.0, 1.0]
    assert log_distance(torch.tensor([0.0, 1.0, math.e])).tolist() == pytest.approx(expected)


def test_the_margin_is_the_label_above_the_largest_other():
    logits = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, -1.0]])
    assert logit_margin(logits, torch.tensor([0, 0])).tolist() == [1.0, -5.0]


def test_ways_along_the_mean_of_all_have_cosines_with_it():
    ways = torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 0.0], [0.0, 3.0]])
    along = mean_alignment(ways)
    assert along.tolist() == pytest.approx([2 / 5**0.5, 2 / 5**0.5, 0, 1 / 5**0.5])


def test_ways_of_no_length_have_nothing_in_common():
    assert mean_alignment(torch.zeros(3, 4)).tolist() == [0, 0, 0]


def test_features_are_restored_by_how_much_nearer_they_come():
    centers = torch.tensor([[4.0, 0.0]] * 4)
    before = torch.tensor([[0.0, 0.0]] * 4)
    after = torch.tensor([[4.0, 0.0], [2.0, 0.0], [0.0, 0.0], [-4.0, 0.0]])
    assert feature_recovery(before, after, centers).tolist() == pytest.approx([1, 0.5, 0, -1])


def test_centers_are_means_and_zeros_without_images():
    features = torch.tensor([[1.0, 1.0], [3.0, 1.0], [7.0, 0.0]])
    centers = class_centers(features, torch.tensor([0, 0, 2]), torch.tensor([2, 0, 1, -1]))
    assert centers.tolist() == [[7, 0], [2, 1], [0, 0], [0, 0]]
