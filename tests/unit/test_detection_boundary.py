"""The boundary detector on a case that is made by hand."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from backburn.detection import examination
from backburn.detection.boundary_detector import BoundaryDetector
from backburn.detection.examination import Laboratory
from backburn.detection.groups import Division, turned
from backburn.detection.populations import TwoPopulations
from backburn.detection.trials import Trial
from backburn.detection.tried import Tried
from backburn.errors import InputError
from backburn.metrics import rate
from backburn.types import Case, State


def study(case: Case, seed: int = 0, **settings):
    return BoundaryDetector(**settings).study(case, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "settings",
    [
        {"budget": "slow"},
        {"batch_size": 0},
        {"probes": 0},
        {"false_alarm": 0.0},
        {"false_alarm": 0.1, "suspicion": 0.05},
        {"suspicion": 1.0},
        {"false_alarm": float("nan")},
        {"suspicion": float("nan")},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(InputError, match=r"give|unknown"):
        BoundaryDetector(**settings)


def test_poison_that_shares_a_way_out_is_found_and_nothing_else(backdoored):
    found = study(backdoored.case)
    assert (found.verdict.state, found.verdict.target_labels) == ("backdoored", (0,))
    assert torch.equal(found.evidence.flagged, backdoored.poison)


def test_scores_lie_between_zero_and_one_and_flag_what_is_above_a_half(backdoored):
    evidence = study(backdoored.case).evidence
    assert evidence.score.shape == evidence.flagged.shape == backdoored.poison.shape
    assert 0 <= evidence.score.min() <= evidence.score.max() <= 1
    assert torch.equal(evidence.flagged, evidence.score > 0.5)


def test_a_clean_case_has_no_suspects(clean):
    found = study(clean.case)
    assert (found.verdict.state, found.verdict.target_labels) == ("clean", ())
    assert not found.evidence.flagged.any()


def test_an_examination_is_the_evidence_of_the_study(backdoored, generator):
    evidence = BoundaryDetector().examine(backdoored.case, generator)
    expected = study(backdoored.case).evidence
    assert torch.equal(evidence.score, expected.score)
    assert torch.equal(evidence.flagged, expected.flagged)


def test_images_that_the_model_disagrees_on_have_no_boundary_and_are_not_flagged(backdoored):
    images = backdoored.case.images
    labels = images.labels.clone()
    wrong = torch.tensor([0, 60, 120])
    labels[wrong] = torch.tensor([3, 4, 5])
    found = study(Case(backdoored.case.model, images.relabeled(images.pixels, labels)))
    assert not found.evidence.flagged[wrong].any()
    assert not found.boundary.found[wrong].any()
    assert found.boundary.distance[wrong].isinf().all()
    assert found.boundary.crossed_label[wrong].tolist() == [-1, -1, -1]


def test_a_model_that_agrees_with_no_label_is_refused(backdoored):
    images = backdoored.case.images
    shifted = images.relabeled(images.pixels, (images.labels + 1) % 8)
    with pytest.raises(InputError, match="label"):
        study(Case(backdoored.case.model, shifted))


def test_a_model_that_never_changes_its_mind_is_no_model_of_these_images(backdoored):
    flat = copy.deepcopy(backdoored.case.model)
    with torch.no_grad():
        flat.scale.zero_()
        flat.trigger_weight.zero_()
    found = study(Case(flat, backdoored.case.images))
    assert found.verdict.state == "abstained"
    assert "of the images by their label" in found.verdict.reason
    assert not found.evidence.score.any()


def test_images_that_a_model_does_not_know_are_not_searched_for_hours(backdoored, monkeypatch):
    monkeypatch.setattr(BoundaryDetector, "_tried", None)
    strangers = replace(backdoored.case.images, labels=1 - backdoored.case.images.labels)
    strangers.labels[:20] = backdoored.case.images.labels[:20]
    assert study(Case(backdoored.case.model, strangers)).verdict.state == "abstained"


def test_the_case_is_left_as_it_was(backdoored):
    model, images = backdoored.case.model.train(), backdoored.case.images
    weights = copy.deepcopy(model.state_dict())
    pixels, labels = images.pixels.clone(), images.labels.clone()
    study(backdoored.case)
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(model.state_dict()[key], value) for key, value in weights.items())
    assert torch.equal(images.pixels, pixels)
    assert torch.equal(images.labels, labels)


def test_the_same_seed_finds_the_same(backdoored):
    first, second = study(backdoored.case, 3), study(backdoored.case, 3)
    assert torch.equal(first.evidence.score, second.evidence.score)
    assert first.verdict == second.verdict


def test_the_batch_size_does_not_matter(backdoored):
    first, second = study(backdoored.case), study(backdoored.case, batch_size=37)
    assert torch.allclose(first.boundary.distance, second.boundary.distance, atol=1e-4)
    assert torch.equal(first.evidence.flagged, second.evidence.flagged)


def test_the_boundary_is_searched_for_the_suspects_and_a_sample_of_every_class(backdoored):
    found = study(backdoored.case, probes=5)
    searched, labels = found.boundary.found, backdoored.case.images.labels
    assert bool(searched[backdoored.poison].all())
    assert all(int(searched[labels == label].sum()) >= 5 for label in range(8))
    assert bool(found.boundary.certified[searched].all())


def test_where_the_ways_mislead_students_tell_the_planted_side(badnets_digits, monkeypatch):
    victim = badnets_digits.victim
    poison = victim.truth.state == State.POISON

    def mislead(division: Division, _ways: torch.Tensor) -> Division:
        right = poison[division.inside].sum() > poison[division.outside].sum()
        return turned(division) if right else division

    monkeypatch.setattr(Laboratory, "_needing", lambda *_: None)
    monkeypatch.setattr(examination, "oriented", mislead)
    flagged = study(Case(victim.model, victim.images)).evidence.flagged
    assert rate(flagged[poison]) > 0.95
    assert rate(flagged[~poison]) < 0.02


class Guess(Laboratory):
    """A laboratory of two classes, the first of which may be planted, on a side guessed wrongly.

    By its activations nothing carries over; by its ways as much as `carried`, of the last image.
    """

    def __init__(self, planted: list[int], carried: float = 0.0):
        known = {"planted": planted, "carried": carried, "asked": [], "looked_at": []}
        known["rows"] = {0: torch.arange(3), 1: torch.arange(3, 6)}
        for name, value in known.items():
            object.__setattr__(self, name, value)  # the record is frozen

    def divided_by_activations(self):
        found = TwoPopulations(torch.tensor([0.9, 0.8, 0.1]), 0.5, 5.0, 0.6)
        return {0: Division(self.rows[0], found)}

    def divided_by_ways(self, among):
        self.looked_at.append(tuple(among))
        found = TwoPopulations(torch.tensor([0.1, 0.1, 0.9]), 0.5, 5.0, 0.3)
        return {0: Division(self.rows[0], found)}

    def by_transfer(self, divisions):
        carried = self.carried if self.looked_at else 0.0
        return Tried(divisions, dict.fromkeys(divisions, Trial({1: carried})))

    def by_student(self, tried, _settings):
        inside = {label: d.inside.tolist() for label, d in tried.divisions.items()}
        self.asked.append(inside)
        trials = {k: Trial({1: 0.0}, 0.9 * (rows == self.planted)) for k, rows in inside.items()}
        return Tried(tried.divisions, trials, dict.fromkeys(trials, nn.Identity()))


@pytest.mark.parametrize(
    ("planted", "asked", "looked_at"),
    [([0, 1], [[0, 1]], (0,)), ([2], [[0, 1], [2]], (0,)), ([], [[0, 1], [2]], (0, 1))],
    ids=["guessed right", "guessed wrong", "clean"],
)
def test_where_a_student_convicts_nobody_one_is_asked_about_the_other_side(
    planted, asked, looked_at
):
    laboratory = Guess(planted)
    tried = BoundaryDetector()._tried(laboratory)
    assert laboratory.asked == [{0: rows} for rows in asked]
    assert laboratory.looked_at == [looked_at]
    assert (tried.trials[0].reversion > 0.5) == bool(planted)
    assert not planted or tried.divisions[0].inside.tolist() == planted
    assert (0 in tried.students) or not planted


def test_a_trigger_that_carries_over_by_the_ways_is_preferred_to_what_a_student_says():
    laboratory = Guess([0, 1], carried=0.9)
    tried = BoundaryDetector()._tried(laboratory)
    assert tried.trials[0].transfer == 0.9
    assert tried.divisions[0].inside.tolist() == [2]
    assert not tried.students
