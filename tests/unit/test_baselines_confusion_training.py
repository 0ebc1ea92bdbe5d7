"""Confusion training: wrong labels, the images that are kept, and the classes that are suspect."""

import math

import numpy as np
import pytest
import torch

from attacked import attacked_digits
from backburn.attacks.badnets import BadNets
from backburn.baselines.detectors.confused_classes import likelihood_ratio
from backburn.baselines.detectors.confusing_batches import (
    class_weights,
    lowest_losses,
    wrong_labels,
)
from backburn.baselines.detectors.confusion_training import ConfusionTraining
from backburn.benchmark.cell import case_for_method
from backburn.metrics import auroc, share_of_true


def test_wrong_labels_are_never_right(generator):
    labels = torch.arange(4).repeat(50)
    mislabeled = torch.zeros(200, dtype=torch.bool)
    mislabeled[100:] = True
    transform = wrong_labels(mislabeled, 4, generator)
    pixels = torch.zeros(200, 1, 1, 1, dtype=torch.uint8)
    _, first = transform(pixels, labels, torch.arange(200))
    _, second = transform(pixels, labels, torch.arange(200))
    assert torch.equal(first[:100], labels[:100])
    assert not (first[100:] == labels[100:]).any()
    assert not torch.equal(first, second)
    assert set(first.tolist()) == {0, 1, 2, 3}


def test_larger_classes_weigh_less():
    weights = class_weights(torch.tensor([0, 0, 0, 0, 2]))
    assert weights.mean() == pytest.approx(1)
    assert weights[4] / weights[0] == pytest.approx((0.801 / 0.201) ** 0.5, rel=1e-3)


def test_the_lowest_losses_are_kept_and_some_of_every_class():
    loss = torch.tensor([0.9, 0.1, 0.2, 0.3, 7.0, 5.0])
    labels = torch.tensor([0, 0, 0, 0, 1, 1])
    assert lowest_losses(loss, labels, 0.5, 0.1).tolist() == [1, 2, 3, 5]


def test_two_groups_are_more_likely_than_one():
    random = np.random.default_rng(0)
    features, loss = random.standard_normal((100, 5)), np.linspace(0, 1, 100)
    held = np.arange(100) < 20
    assert likelihood_ratio(features, loss, held) < 1.5
    features[held] += 8
    assert likelihood_ratio(features, loss, held) > math.e
    assert likelihood_ratio(features, loss, np.arange(100) < 1) == 1
    assert likelihood_ratio(np.ones((100, 5)), loss, held) == 1


def test_poison_keeps_its_label_among_confused_digits(generator):
    victim = attacked_digits(BadNets(poisoning_rate=0.05)).victim
    method = ConfusionTraining(steps=80, keep=(0.2, 0.05), weights=(20.0, 40.0, 20.0))
    case = case_for_method(victim.case(), victim.truth, method.inputs, generator)
    evidence = method.examine(case, generator)
    poison = victim.truth.poison
    assert auroc(evidence.score, poison) > 0.95
    assert share_of_true(evidence.flagged[poison]) > 0.9
    assert share_of_true(evidence.flagged[~poison]) < 0.4
