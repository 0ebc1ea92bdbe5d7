"""A repair honours a review: whatever a phase finds, a person's decisions go above it."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from backburn.burn.burn import BURN
from backburn.burn.paper import PaperBURN
from backburn.burn.refinement import Refinement
from backburn.burn.review import apply_review, apply_review_to_detection, exclude_unreviewed
from backburn.data.review import Review
from backburn.detection.detector import PoisonDetector
from backburn.detection.records import DetectionResult
from backburn.errors import InputError
from backburn.executor.interface import LocalExecutor
from backburn.results import Evidence, Suspects, Verdict
from backburn.training import Training, TrainingTask
from backburn.types import BoundaryResult, Case, LabeledImages

SHORT = Training(epochs=1, learning_rate=0.001)
QUICK = BURN(training=SHORT, refinement=Refinement(rounds=3))
pytestmark = pytest.mark.usefixtures("remembered")
METHODS = [QUICK, PaperBURN(training=SHORT)]
NOTHING = Review(*[torch.zeros(0, dtype=torch.long)] * 3)


def review_of(*rows: tuple[int, int, int]) -> Review:
    return Review(*torch.tensor(rows).T)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def labels_of(suspects: Suspects) -> dict[int, int]:
    return dict(zip(suspects.index.tolist(), suspects.restored_label.tolist(), strict=True))


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    ours, theirs = first.state_dict(), second.state_dict()
    return all(torch.equal(ours[key], theirs[key]) for key in ours)


def poison_rows(backdoored) -> list[int]:
    return backdoored.poison.nonzero().flatten().tolist()


def test_decided_suspects_go_above_what_was_found():
    images = LabeledImages(torch.zeros(9, 1, 2, 2, dtype=torch.uint8), torch.zeros(9).long())
    rows = torch.tensor([2, 4, 6])
    found = Suspects(rows, rows * 0, torch.tensor([5, 5, 5]), torch.tensor([0.5, 0.6, 0.7]))
    after = apply_review(found, images, review_of((6, 2, 3), (4, 0, 0), (1, 1, 8)))
    assert labels_of(after) == {1: 8, 2: 5, 6: 3}
    assert after.index.tolist() == [1, 2, 6]
    assert after.confidence.tolist() == [1, 0.5, 1]
    assert after.given_label.tolist() == [0, 0, 0]
    assert apply_review(found, images, None) is found
    assert apply_review(found, images, NOTHING) is found


def test_a_rejected_image_is_an_ordinary_one_to_the_phases_and_the_detector_is_left_alone():
    seen = torch.ones(3, dtype=torch.bool)
    evidence = Evidence(torch.tensor([0.9, 0.1, 0.8]), torch.tensor([True, False, True]))
    boundary = BoundaryResult(seen, torch.ones(3), torch.zeros(3, dtype=torch.long))
    found = DetectionResult(boundary, evidence, Verdict("backdoored", (0,), 0.0), seen)
    known = apply_review_to_detection(found, review_of((0, 0, 0), (1, 1, 2)))
    assert known.evidence.score.tolist() == pytest.approx([0, 1, 0.8])
    assert known.evidence.flagged.tolist() == [False, False, True]
    assert found.evidence.flagged.tolist() == [True, False, True]
    assert apply_review_to_detection(found, None) is found


def test_decided_images_are_never_left_out():
    left_out = torch.tensor([True, True, False])
    assert exclude_unreviewed(left_out, review_of((1, 0, 0))).tolist() == [True, False, False]
    assert exclude_unreviewed(left_out, None) is left_out


@pytest.mark.parametrize("method", METHODS, ids=["default", "paper"])
def test_a_review_without_decisions_changes_nothing(backdoored, method):
    plain = method.repair(backdoored.case, seeded())
    again = method.repair(backdoored.case, seeded(), review=NOTHING)
    assert same(plain.model, again.model)
    assert torch.equal(plain.suspects.confidence, again.suspects.confidence)
    assert labels_of(plain.suspects) == labels_of(again.suspects)


@pytest.mark.parametrize("method", METHODS, ids=["default", "paper"])
def test_every_decision_is_honoured_and_the_same_again(backdoored, method):
    first, second, third, *_ = poison_rows(backdoored)
    asked = review_of((first, 0, 0), (second, 2, 6), (third, 1, 5), (0, 1, 4))
    repaired = method.repair(backdoored.case, seeded(), review=asked)
    labels = labels_of(repaired.suspects)
    assert first not in labels
    assert (labels[second], labels[third], labels[0]) == (6, 5, 4)
    sure = dict(zip(labels, repaired.suspects.confidence.tolist(), strict=True))
    assert [sure[row] for row in (0, second, third)] == [1, 1, 1]
    assert same(repaired.model, method.repair(backdoored.case, seeded(), review=asked).model)


def test_verdict_and_evidence_stay_what_they_were(backdoored):
    first = poison_rows(backdoored)[0]
    plain = QUICK.repair(backdoored.case, seeded())
    asked = QUICK.repair(backdoored.case, seeded(), review=review_of((first, 0, 0)))
    assert asked.verdict == plain.verdict
    assert torch.equal(asked.evidence.flagged, plain.evidence.flagged)
    assert asked.evidence.flagged[first]


@pytest.mark.parametrize("method", METHODS, ids=["default", "paper"])
def test_rejecting_everything_gives_the_given_model_back(backdoored, method):
    labels = backdoored.case.images.labels.tolist()
    everything = review_of(*((row, 0, label) for row, label in enumerate(labels)))
    repaired = method.repair(backdoored.case, seeded(), review=everything)
    assert repaired.model is backdoored.case.model
    assert len(repaired.suspects) == 0


@pytest.mark.parametrize("state", ["clean", "suspicious"])
def test_what_a_person_accepts_is_unlearned_whatever_the_verdict(clean, monkeypatch, state):
    if state == "suspicious":
        study = PoisonDetector.analyze

        def doubtful(*given, **said) -> DetectionResult:
            verdict = Verdict("suspicious", (0,), 0.03)
            return replace(study(*given, **said), verdict=verdict, backdoors=())

        monkeypatch.setattr(PoisonDetector, "analyze", doubtful)
    asked = review_of((0, 1, 3), (100, 2, 5))
    repaired = QUICK.repair(clean.case, seeded(), review=asked)
    assert repaired.verdict.state == state
    assert labels_of(repaired.suspects) == {0: 3, 100: 5}
    assert not same(repaired.model, clean.case.model)
    assert [each.name for each in repaired.history] == ["detection", "restoration", "decoupling"]


def taught(case: Case, review: Review) -> tuple[dict[int, int], Tensor]:
    """Labels by row and weights that the first fine-tuning trains on."""
    seen: list[TrainingTask] = []

    class Noting(LocalExecutor):
        def fit(self, model, task, generator, **_) -> list[float]:
            if task.phase == "decoupling":
                seen.append(task)
            return []

    replace(QUICK, refinement=Refinement()).repair(case, seeded(), executor=Noting(), review=review)
    task = seen[0]
    return {row: int(task.labels[row]) for row in task.rows.tolist()}, task.weights


def test_rejected_images_are_trained_on_as_clean_and_accepted_ones_fully(backdoored):
    first, second, third, *_ = poison_rows(backdoored)
    # the third keeps its label: clean-label poison is left out of training
    asked = review_of((first, 0, 0), (second, 1, 6), (third, 2, 0))
    labels, weights = taught(backdoored.case, asked)
    assert (labels[first], float(weights[first])) == (0, 1)
    assert (labels[second], float(weights[second])) == (6, 1)
    assert third not in labels


def test_a_review_that_does_not_fit_is_refused_before_anything_is_computed(backdoored):
    for method in METHODS:
        with pytest.raises(InputError, match="label is out of range"):
            method.repair(backdoored.case, seeded(), review=review_of((0, 1, 99)))
