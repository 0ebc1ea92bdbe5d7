"""BURN as a whole, on a case that is made by hand; and the settings of its small phases."""

import copy
from dataclasses import replace

import pytest
import torch

from backburn.burn.burn import BURN, merge_suspects
from backburn.burn.excluded_images import excluded_images
from backburn.burn.history import count_changes
from backburn.burn.refinement import Refinement
from backburn.detection.detector import PoisonDetector
from backburn.detection.records import DetectedBackdoor, DetectionResult
from backburn.errors import InputError
from backburn.models.inference import predict
from backburn.results import Evidence, Suspects, Verdict
from backburn.training import Training
from backburn.types import BoundaryResult, Case, LabeledImages

pytestmark = pytest.mark.usefixtures("remembered")
QUICK = BURN(training=Training(epochs=1, learning_rate=0.001))


def suspects(labels: dict[int, int]) -> Suspects:
    rows = torch.tensor(list(labels))
    return Suspects(rows, rows * 0, torch.tensor(list(labels.values())), torch.ones(len(rows)))


def test_changes_are_counted():
    before, after = suspects({1: 5, 2: 5, 3: 5}), suspects({2: 5, 3: 6, 7: 1, 8: 1})
    assert count_changes(before, after) == {"suspects": 4, "joined": 2, "left": 1, "relabeled": 1}
    assert count_changes(before, before) == {"suspects": 3, "joined": 0, "left": 0, "relabeled": 0}


def test_a_clean_model_is_given_back_itself(clean, generator):
    repaired = QUICK.repair(clean.case, generator)
    assert repaired.model is clean.case.model
    assert repaired.verdict.state == "clean"
    assert len(repaired.suspects) == 0
    assert [phase.name for phase in repaired.history] == ["detection", "restoration"]


def test_a_backdoored_model_is_repaired_in_phases(backdoored, generator):
    burn = replace(QUICK, refinement=Refinement(rounds=3))
    repaired = burn.repair(backdoored.case, generator)
    assert repaired.model is not backdoored.case.model
    assert not repaired.model.training
    names = [phase.name for phase in repaired.history]
    rounds = names.count("refinement")
    assert 1 <= rounds <= 3
    looks = ["refinement", *["purification", "refinement"] * (rounds - 1)]
    assert names == ["detection", "restoration", "decoupling", *looks, "second look"]
    assert all(phase.seconds >= 0 for phase in repaired.history)
    assert repaired.history[1].figures["suspects"] == int(backdoored.poison.sum())


def test_a_repair_says_what_both_models_call_the_images(backdoored, generator):
    repaired = QUICK.repair(backdoored.case, generator)
    before, after = repaired.predictions
    pixels = backdoored.case.images.pixels
    assert torch.equal(before, predict(backdoored.case.model, pixels).argmax(1))
    asked = torch.ones(len(pixels), dtype=torch.bool)
    asked[repaired.suspects.index] = False  # the second look leaves them out
    assert torch.equal(after[asked], predict(repaired.model, pixels[asked]).argmax(1))
    assert bool((after[~asked] == -1).all())
    assert len(repaired.suspects) > 0


def test_an_audit_without_every_suspect_searches_fewer_and_finds_the_same(backdoored):
    whole, probes = (
        QUICK.audit(backdoored.case, torch.Generator().manual_seed(0), every_suspect=every)
        for every in (True, False)
    )
    assert torch.equal(whole.suspects.index, probes.suspects.index)
    assert whole.verdict == probes.verdict
    assert bool(whole.boundary.found[whole.suspects.index].all())
    assert int(probes.boundary.found.sum()) < int(whole.boundary.found.sum())


def test_a_repair_stops_when_the_suspects_stay_the_same(backdoored, generator):
    burn = replace(QUICK, refinement=Refinement(rounds=9))
    refinements = [
        phase.figures
        for phase in burn.repair(backdoored.case, generator).history
        if phase.name == "refinement"
    ]
    moved = [found["joined"] + found["left"] + found["relabeled"] for found in refinements]
    assert len(moved) == 9 or moved[-1] == 0
    assert all(moved[:-1])


def test_the_suspects_of_two_looks_are_put_together_in_the_order_of_their_rows():
    both = merge_suspects(suspects({1: 5, 8: 6}), suspects({3: 7}))
    assert both.index.tolist() == [1, 3, 8]
    assert both.restored_label.tolist() == [5, 7, 6]


def found_of(case: Case, targets: dict[int, list[int]]) -> DetectionResult:
    """What a detector would have found, had it found these rows of each target."""
    count, labels = len(case.images), case.images.labels
    flagged = torch.zeros(count, dtype=torch.bool)
    findings = []
    for label, planted in targets.items():
        flagged[planted] = True
        rows = (labels == label).nonzero().flatten()
        member = torch.isin(rows, torch.tensor(planted)).float()
        findings.append(DetectedBackdoor(label, rows, member, 0.0, 0.0, 0.5, 1e-9))
    agreed = torch.ones(count, dtype=torch.bool)
    boundary = BoundaryResult(~agreed, torch.ones(count), torch.full((count,), -1))
    state = "backdoored" if targets else "clean"
    verdict = Verdict(state, tuple(targets), 1e-9 if targets else 1.0)
    said = torch.full((count, 8), 0.01)
    said[:, 5] = 0.93
    evidence = Evidence(flagged.float(), flagged)
    return DetectionResult(boundary, evidence, verdict, agreed, tuple(findings), said.log())


@pytest.mark.parametrize("more", [True, False])
def test_a_second_look_at_what_is_left_finds_what_the_first_did_not(
    more, backdoored, generator, monkeypatch
):
    asked = []

    def study(self, case, *_, **said):
        asked.append((case, said))
        again = {2: [160, 161]} if more else {}
        return found_of(case, {1: [80, 90]} if len(asked) == 1 else again)

    monkeypatch.setattr(PoisonDetector, "analyze", study)
    repaired = QUICK.repair(backdoored.case, generator)
    (first, _), (second, said) = asked
    assert first is backdoored.case
    assert said["retrain"] is False
    assert second.model is not first.model
    joined = {80, 90} & set(repaired.suspects.index.tolist())
    assert len(second.images) == len(first.images) - len(joined)
    names = [phase.name for phase in repaired.history]
    assert names[-2:] == (["second look", "purification"] if more else names[-2:])
    assert (names[-1] == "second look") != more
    # rows of the second look are those of what was left
    expected = {160 + len(joined), 161 + len(joined)} if more else set()
    assert set(repaired.suspects.index.tolist()) == joined | expected
    assert repaired.verdict.target_labels == (1,)


def test_the_case_is_left_as_it_was(backdoored, generator):
    model, images = backdoored.case.model.train(), backdoored.case.images
    weights = copy.deepcopy(model.state_dict())
    pixels, labels = images.pixels.clone(), images.labels.clone()
    QUICK.repair(backdoored.case, generator)
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(model.state_dict()[key], value) for key, value in weights.items())
    assert torch.equal(images.pixels, pixels)
    assert torch.equal(images.labels, labels)


def test_a_frozen_model_can_be_repaired(backdoored, generator):
    backdoored.case.model.requires_grad_(False)
    repaired = QUICK.repair(backdoored.case, generator)
    before, after = backdoored.case.model.state_dict(), repaired.model.state_dict()
    assert any(not torch.equal(before[key], after[key]) for key in before)


def test_an_audit_finds_what_a_repair_starts_from(backdoored):
    audit = QUICK.audit(backdoored.case, torch.Generator().manual_seed(0))
    repaired = QUICK.repair(backdoored.case, torch.Generator().manual_seed(0))
    assert audit.verdict == repaired.verdict
    assert torch.equal(audit.evidence.score, repaired.evidence.score)
    assert audit.suspects.index.tolist() == backdoored.poison.nonzero().flatten().tolist()


def doubted(state: str, targets: tuple[int, ...], seen: list[int], score: list[float]) -> list[int]:
    """The doubtful ones of images of two classes, four each, of which so many are called so."""
    agreed, member = torch.tensor(seen).bool(), torch.tensor(score)
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    images = LabeledImages(torch.zeros(8, 1, 2, 2, dtype=torch.uint8), labels)
    nothing = BoundaryResult(agreed, torch.ones(8), torch.zeros(8, dtype=torch.long))
    evidence = Evidence(member, member > 0.5)
    findings = DetectionResult(nothing, evidence, Verdict(state, targets, 0.0), agreed)
    return excluded_images(Case(torch.nn.Identity(), images), findings).nonzero().flatten().tolist()


def test_images_of_a_target_that_are_hard_or_could_be_planted_are_doubtful():
    seen = [1, 0, 1, 1, 0, 1, 1, 1]
    score = [0.0005, 0.0, 0.2, 0.9, 0.0, 0.2, 0.0, 0.0]
    assert doubted("backdoored", (0,), seen, score) == [1, 2]
    assert doubted("backdoored", (0, 1), seen, score) == [1, 2, 4, 5]
    assert doubted("suspicious", (0,), seen, score) == [1]  # half of it may be a natural kind
    assert doubted("clean", (), seen, score) == []


def test_half_of_a_class_is_trusted_however_badly_it_divides():
    score = [0.4, 0.3, 0.2, 0.1, 0.9, 0.9, 0.9, 0.9]
    assert doubted("backdoored", (0, 1), [1] * 8, score) == [0, 1]


@pytest.mark.parametrize("verb", ["audit", "repair"])
def test_a_model_that_does_not_fit_is_refused_before_anything_is_computed(
    verb, backdoored, generator
):
    images = backdoored.case.images
    named = LabeledImages(images.pixels, images.labels, tuple("abcdefghijk"))
    with pytest.raises(InputError, match="8 outputs, but the images have 11 classes"):
        getattr(QUICK, verb)(Case(backdoored.case.model, named), generator)
