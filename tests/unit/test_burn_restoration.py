"""Labels of suspects, finding by finding, on digits with triggers that are known."""

from dataclasses import replace

import pytest
import torch

from attacked import attacked_digits
from backburn.attacks.sig import SIG
from backburn.burn.burn import BURN
from backburn.burn.restoration import (
    Restoration,
    RestoredSuspects,
    _estimate,
    keeps_given_label,
    relabel,
    restore,
)
from backburn.burn.trigger_estimate import AffineTrigger
from backburn.detection.interventions.affine_pixels import AffineChange
from backburn.detection.interventions.base import Change
from backburn.detection.interventions.quantization import QuantizationChange
from backburn.detection.records import DetectedBackdoor, DetectionResult
from backburn.executor.interface import LOCAL
from backburn.results import Evidence, Verdict
from backburn.types import BoundaryResult, Case, LabeledImages, Victim, no_progress

AFFINE = AffineChange(torch.ones(1, 8, 8), torch.zeros(1, 8, 8))


def convicted(
    victim: Victim, transfer: float, change: Change | None = AFFINE, parts: int = 1
) -> DetectionResult:
    """What a detector would have found, had it found exactly the poison, in so many parts."""
    poison, labels = victim.truth.poison, victim.images.labels
    everything = torch.ones_like(poison)
    boundary = BoundaryResult(everything, torch.ones(len(poison)), torch.full((len(poison),), 7))
    rows = (labels == 0).nonzero().flatten()
    planted = poison.nonzero().flatten()
    found = tuple(
        DetectedBackdoor(
            0, rows, torch.isin(rows, planted[n::parts]).float(), transfer, 1, 0.5, 1e-9, change
        )
        for n in range(parts)
    )
    verdict = Verdict("backdoored", (0,), 0.001)
    return DetectionResult(boundary, Evidence(poison.float(), poison), verdict, everything, found)


def restored_of(
    case: Case, found: DetectionResult, generator: torch.Generator, **settings: float
) -> RestoredSuspects:
    burn = BURN(restoration=Restoration(**settings))
    return restore(
        burn.restoration,
        case,
        found,
        burn._make_tuner(case, found, generator, no_progress, LOCAL),
    )


def right(restored: RestoredSuspects, victim: Victim) -> float:
    suspects = restored.suspects
    return float((suspects.restored_label == victim.truth.labels[suspects.index]).float().mean())


def saying(found: DetectionResult, label: torch.Tensor, sure: float = 0.9) -> DetectionResult:
    """With a retrained model that calls the images so."""
    said = torch.full((len(label), 10), (1 - sure) / 9)
    said[torch.arange(len(label)), label] = sure
    return replace(found, held_out_log_probs=said.log())


def test_labels_come_back_where_the_trigger_can_be_taken_off(blended_digits, generator):
    victim = blended_digits.victim
    restored = restored_of(victim.case(), convicted(victim, 0.9), generator)
    assert right(restored, victim) > 0.9
    assert restored.clean_label == (False,)
    (trigger,) = restored.triggers
    assert isinstance(trigger, AffineTrigger)


def test_clean_label_poison_keeps_all_its_labels(generator):
    victim = attacked_digits(SIG()).victim
    found = convicted(victim, 0.9)
    restored = restored_of(victim.case(), found, generator)
    assert restored.clean_label == (True,)
    assert set(restored.suspects.restored_label.tolist()) == {0}
    assert isinstance(restored.triggers[0], AffineTrigger)
    # also where a model that never saw them takes them for something else
    other = saying(found, torch.full((len(victim.images),), 3))
    assert set(restored_of(victim.case(), other, generator).suspects.restored_label.tolist()) == {0}


def test_images_that_show_several_classes_are_no_clean_label_poison(generator):
    victim = attacked_digits(SIG()).victim
    many = saying(convicted(victim, 0.9), 1 + torch.arange(len(victim.images)) % 9)
    assert restored_of(victim.case(), many, generator).clean_label == (False,)


def test_what_hardly_carries_over_is_not_taken_off(blended_digits, generator):
    victim = blended_digits.victim
    weak = restored_of(victim.case(), convicted(victim, 0.2), generator)
    assert weak.triggers == (None,)
    # the model is asked about the images as they are, and calls them by the given label
    assert set(weak.suspects.restored_label.tolist()) == {0}
    found = saying(convicted(victim, 0.2), victim.truth.labels)
    assert right(restored_of(victim.case(), found, generator), victim) == 1
    strict = restored_of(victim.case(), convicted(victim, 0.9), generator, transferred=1.0)
    assert strict.triggers == (None,)


def test_poison_of_one_source_class_is_no_clean_label_poison_if_a_larger_finding_is_none(
    badnets_digits, generator, monkeypatch
):
    victim = badnets_digits.victim
    found = saying(convicted(victim, 0.9), victim.truth.labels)
    (whole,) = found.backdoors
    ones = victim.truth.poison[whole.rows] & (victim.truth.labels[whole.rows] == 1)
    small = replace(whole, member=ones.float())
    large = replace(whole, member=whole.member * ~ones)

    def estimate(settings, case, detection, backdoor, rows, tuner):
        trigger, _ = _estimate(settings, case, detection, backdoor, rows, tuner)
        return trigger, backdoor is small  # as on a victim that torch 2.6 trained

    monkeypatch.setattr("backburn.burn.restoration._estimate", estimate)
    alone = restored_of(victim.case(), replace(found, backdoors=(small,)), generator)
    assert alone.clean_label == (True,)
    both = restored_of(victim.case(), replace(found, backdoors=(small, large)), generator)
    assert both.clean_label == (False, False)
    assert both.triggers[0] is both.triggers[1]
    assert right(both, victim) > 0.95


def test_of_a_quantization_only_a_retrained_model_knows_labels(blended_digits, generator):
    victim = blended_digits.victim
    change = QuantizationChange((torch.arange(256) // 64 * 64).byte()[None])
    found = saying(convicted(victim, 0.9, change), torch.full((len(victim.images),), 3))
    restored = restored_of(victim.case(), found, generator)
    assert set(restored.suspects.restored_label.tolist()) == {3}
    assert restored.triggers == (change,)
    assert restored.clean_label == (False,)
    assert restored.suspects.confidence.tolist() == pytest.approx(
        [0.9] * len(restored.suspects), abs=1e-3
    )


def test_the_given_label_of_single_images_may_stand(blended_digits, generator):
    victim = blended_digits.victim
    planted = victim.truth.poison.nonzero().flatten()
    label = torch.full((len(victim.images),), 3)
    label[planted[:10]] = 0  # triggered images of the target class
    restored = restored_of(victim.case(), saying(convicted(victim, 0.0), label), generator)
    assert restored.suspects.restored_label.tolist() == [0] * 10 + [3] * (len(planted) - 10)


def test_every_finding_has_its_own_trigger(blended_digits, generator):
    victim = blended_digits.victim
    found = convicted(victim, 0.9, parts=2)
    first, second = found.backdoors
    restored = restored_of(victim.case(), found, generator)
    assert all(isinstance(each, AffineTrigger) for each in restored.triggers)
    assert restored.triggers[0] is not restored.triggers[1]
    assert right(restored, victim) > 0.85
    half = replace(found, backdoors=(first, replace(second, transfer=0.0)))
    triggers = restored_of(victim.case(), half, generator).triggers
    assert isinstance(triggers[0], AffineTrigger)
    assert triggers[1] is None


SAYS = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.6, 0.0, 0.4]])


def test_the_likeliest_label_counts_by_its_probability():
    images = LabeledImages(torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 0, 1]))
    found = relabel(images, torch.arange(3), SAYS, torch.zeros(3, dtype=torch.bool))
    assert found.restored_label.tolist() == [0, 2, 0]
    assert found.confidence.tolist() == pytest.approx([0.7, 0.6, 0.6])
    kept = relabel(images, torch.arange(3), SAYS, torch.tensor([False, True, True]))
    assert kept.restored_label.tolist() == [0, 0, 1]
    assert kept.confidence.tolist() == pytest.approx([0.7, 0.1, 0.0])
    assert kept.given_label.tolist() == [0, 0, 1]


def test_images_stand_by_their_finding():
    owner = torch.tensor([0, 1, 2, -1, 1])
    assert keeps_given_label(owner, (False, True, False)).tolist() == [
        False,
        True,
        False,
        False,
        True,
    ]
    assert keeps_given_label(owner, ()).tolist() == [False] * 5
