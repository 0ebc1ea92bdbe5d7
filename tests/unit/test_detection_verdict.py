"""From the strength of trials to the verdict: relations and extremes, not the constant."""

import pytest
import torch

from backburn.detection.verdict import (
    UNTOLD,
    doubt_about,
    p_value,
    p_values,
    reach_verdict,
    withheld,
)
from backburn.types import ClassEvidence, Verdict

FALSE_ALARM, SUSPICION = 0.01, 0.05


def verdict(strengths: dict[int, float], looks: int = 10):
    classes = [
        ClassEvidence(label, 0.5, 5.0, strength, 0.0, p_value(25 * strength, looks))
        for label, strength in strengths.items()
    ]
    return reach_verdict(classes, FALSE_ALARM, SUSPICION)


def test_nothing_tried_is_clean():
    assert (verdict({}).state, verdict({}).p_value) == ("clean", 1.0)


def test_a_strong_trial_names_its_class_and_a_weak_one_does_not():
    found = verdict({3: 0.9, 7: 0.01})
    assert (found.state, found.target_labels) == ("backdoored", (3,))
    assert 0 <= found.p_value < FALSE_ALARM


def test_every_class_can_be_a_target():
    found = verdict(dict.fromkeys(range(10), 0.8))
    assert (found.state, found.target_labels) == ("backdoored", tuple(range(10)))


def test_so_can_one_of_two_classes():
    assert verdict({1: 0.8}, looks=2).target_labels == (1,)


def test_between_both_thresholds_a_case_is_suspicious():
    classes = verdict({4: 0.25}).classes
    least = classes[0].p_value
    found = reach_verdict(classes, least / 2, least * 2)
    assert (found.state, found.target_labels, found.p_value) == ("suspicious", (4,), least)


def test_what_was_tried_is_told_in_order():
    found = verdict({7: 0.1, 2: 0.9, 5: 0.0})
    assert [(tried.label, tried.transfer) for tried in found.classes] == [
        (2, 0.9),
        (5, 0.0),
        (7, 0.1),
    ]


@pytest.mark.parametrize("looks", [1, 10, 1000])
def test_p_values_are_probabilities_and_fall_with_strength(looks):
    values = [p_value(strength, looks) for strength in (0.0, 2.0, 8.0, 20.0)]
    assert all(0 <= value <= 1 for value in values)
    assert values == sorted(values, reverse=True)
    assert values[0] == 1


def test_every_look_is_paid_for():
    assert p_value(12, 20) == pytest.approx(2 * p_value(12, 10))


def test_a_case_that_cannot_be_examined_is_not_called_clean():
    found = reach_verdict([], FALSE_ALARM, SUSPICION, "too few images")
    assert (found.state, found.reason) == ("abstained", "too few images")


def test_what_was_found_is_said_whatever_could_not_be_examined():
    strong = ClassEvidence(3, 0.5, 5.0, 0.9, 0.0, 1e-6)
    found = reach_verdict([strong], FALSE_ALARM, SUSPICION, "too few images")
    assert (found.state, found.reason) == ("backdoored", "")


@pytest.mark.parametrize(
    ("agreed", "classes", "examined", "why"),
    [
        (0.9, 10, 10, ""),
        (0.9, 10, 5, ""),
        (0.9, 10, 4, "only 4 of 10 classes"),
        (0.3, 10, 10, "30 % of the images"),
    ],
)
def test_there_is_doubt_where_the_model_or_the_classes_are_strange(agreed, classes, examined, why):
    flags = torch.arange(100) < 100 * agreed
    doubt = doubt_about(flags, classes, examined)
    assert doubt == why if not why else why in doubt


def test_targets_whose_planted_side_is_not_known_accuse_nothing():
    both = Verdict("backdoored", (2, 5), 1e-6)
    assert withheld(both, {5}) == Verdict("backdoored", (2,), 1e-6)
    assert withheld(both, {2, 5}) == Verdict("suspicious", (2, 5), 1e-6, reason=UNTOLD)
    assert withheld(both, {7}) is both
    for state in ("clean", "suspicious"):
        other = Verdict(state, (2,), 0.03)
        assert withheld(other, {2}) is other


def test_of_many_targets_none_is_missed_for_what_the_rest_have_paid():
    strengths = {0: 12.0, 1: 8.0, 2: 11.0, 3: 0.0}
    found = p_values(strengths, 4, 5)
    assert found[0] == p_value(12, 20)
    assert found[2] == pytest.approx(p_value(11, 15))
    assert found[1] == pytest.approx(p_value(8, 10))
    assert found[1] < p_value(8, 20)
    assert found[3] == 1


def test_no_class_is_surer_than_a_stronger_one():
    found = p_values({0: 8.0, 1: 7.9}, 2, 10)
    assert found[1] == found[0] == p_value(8, 20)
