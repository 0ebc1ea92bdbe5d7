"""The second opinion: a linear classifier in folds over features that know no trigger."""

import pytest
import torch

from backburn.detection.records import CandidateGroup
from backburn.detection.witness import fit_witness
from backburn.metrics import share_of_true

CLASSES, EACH, POISONED, TARGET = 4, 60, 20, 3


def features(seed: int = 0, classes: int = CLASSES) -> tuple[torch.Tensor, torch.Tensor]:
    """Classes a few standard deviations apart, and what they are."""
    generator = torch.Generator().manual_seed(seed)
    shown = torch.arange(classes).repeat_interleave(EACH)
    centers = 3 * torch.randn(classes, 12, generator=generator)
    return centers[shown] + torch.randn(len(shown), 12, generator=generator), shown


@pytest.fixture
def poisoned():
    """Features, given labels, what is shown, and the rows whose label is the target's."""
    table, shown = features()
    rows = torch.arange(0, TARGET * EACH, TARGET * EACH // POISONED)
    labels = shown.clone()
    labels[rows] = TARGET
    return table, labels, shown, rows


def test_an_image_is_called_what_it_shows_whatever_it_is_labeled(poisoned):
    table, labels, shown, rows = poisoned
    said = fit_witness(table, labels, 0)
    assert float((said.predictions[rows] == shown[rows]).float().mean()) > 0.9
    assert float((said.predictions == shown).float().mean()) > 0.95


def test_the_statistic_is_by_how_much_more_of_a_group_than_of_the_rest(poisoned):
    table, labels, _, rows = poisoned
    said = fit_witness(table, labels, 0)
    rest = torch.arange(TARGET * EACH, CLASSES * EACH)
    asked = said.test_group(CandidateGroup(TARGET, rows, rest))
    other = said.test_group(CandidateGroup(TARGET, rest, rows))
    assert asked.excess > 0.85
    assert other.excess == pytest.approx(-asked.excess)
    assert asked.predicted.shape == rows.shape
    assert share_of_true(asked.predicted != TARGET) > 0.85
    halves = said.test_group(CandidateGroup(TARGET, rest[:30], rest[30:]))
    assert abs(halves.excess) < 0.1


def test_what_suspects_show_is_told_by_the_others(poisoned):
    table, labels, shown, rows = poisoned
    said = fit_witness(table, labels, 0)
    known = torch.ones(len(labels), dtype=torch.bool)
    known[rows] = False
    shares = said.probabilities(rows, known)
    assert shares.shape == (len(rows), CLASSES)
    assert torch.allclose(shares.sum(1), torch.ones(len(rows)))
    assert float((shares.argmax(1) == shown[rows]).float().mean()) > 0.9
    assert float(shares.amax(1).mean()) > 0.8


def test_what_is_known_of_nothing_has_no_probability(poisoned):
    table, labels, _, rows = poisoned
    said = fit_witness(table, labels, 0)
    assert said.probabilities(rows, labels < 2)[:, 2:].sum() == 0


def test_two_classes_and_a_class_of_one_image_are_told_too():
    table, shown = features(classes=2)
    said = fit_witness(table, shown, 0)
    assert float((said.predictions == shown).float().mean()) > 0.95
    alone = torch.cat([shown, torch.tensor([2])])
    table = torch.cat([table, torch.zeros(1, 12)])
    assert fit_witness(table, alone, 0).probabilities(torch.arange(3), alone < 2).shape == (3, 3)


def test_the_same_seed_says_the_same_and_features_are_left_as_they_were(poisoned):
    table, labels, _, _ = poisoned
    before = table.clone()
    first, second = (fit_witness(table, labels, 5) for _ in range(2))
    assert torch.equal(first.predictions, second.predictions)
    assert (first.penalty, first.logit_scale) == (second.penalty, second.logit_scale)
    assert torch.equal(table, before)


def test_noise_has_no_opinion_that_sets_a_group_apart():
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(CLASSES).repeat_interleave(EACH)
    said = fit_witness(torch.randn(len(labels), 12, generator=generator), labels, 0)
    rows = (labels == 0).nonzero().flatten()
    assert abs(said.test_group(CandidateGroup(0, rows[:30], rows[30:])).excess) < 0.4
