"""From the classes' evidence to the verdict: relations and extremes, not the constants."""

import pytest
import torch

from backburn.detection.populations import TwoPopulations
from backburn.detection.verdict import class_p_values, class_weight, reach_verdict
from backburn.types import Verdict

ALIKE = (0.1, 0.12, 0.09, 0.11, 0.08, 0.1, 0.13, 0.1, 0.09, 0.11)
FALSE_ALARM, SUSPICION = 0.01, 0.05


def classes(gains, separation: float = 5.0) -> dict[int, TwoPopulations]:
    return {
        label: TwoPopulations(torch.zeros(3), gain, separation, 0.2)
        for label, gain in enumerate(gains)
    }


def with_outlier(label: int, gain: float = 4.0) -> list[float]:
    gains = list(ALIKE)
    gains[label] = gain
    return gains


@pytest.mark.parametrize("label", [0, 3, 9])
def test_one_class_unlike_the_others_is_the_target(label):
    verdict = reach_verdict([classes(with_outlier(label))], FALSE_ALARM, SUSPICION)
    assert (verdict.state, verdict.target_labels) == ("backdoored", (label,))
    assert 0 <= verdict.p_value < FALSE_ALARM


def test_two_classes_unlike_the_others_are_both_targets():
    gains = with_outlier(2)
    gains[7] = 5.0
    verdict = reach_verdict([classes(gains)], FALSE_ALARM, SUSPICION)
    assert (verdict.state, verdict.target_labels) == ("backdoored", (2, 7))


@pytest.mark.parametrize("gains", [ALIKE, (0.0,) * 10, (-0.1,) * 10, (3.0,) * 10])
def test_classes_that_are_all_alike_are_clean(gains):
    verdict = reach_verdict([classes(gains)], FALSE_ALARM, SUSPICION)
    assert (verdict.state, verdict.target_labels) == ("clean", ())
    assert verdict.p_value > SUSPICION


@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_fewer_than_five_classes_are_never_backdoored(count):
    gains = [9.0, 0.0, 0.0, 0.0][:count]
    verdict = reach_verdict([classes(gains)], FALSE_ALARM, SUSPICION)
    assert verdict == Verdict("clean", (), 1.0)
    assert class_p_values(dict(enumerate(gains))) == dict.fromkeys(range(count), 1.0)


def test_a_class_with_less_than_its_share_of_evidence_is_no_target():
    verdict = reach_verdict([classes(with_outlier(4, -2.0))], FALSE_ALARM, SUSPICION)
    assert verdict.state == "clean"


def test_populations_that_do_not_stand_apart_are_no_backdoor():
    together = classes(with_outlier(1), separation=1.0)
    assert reach_verdict([together], FALSE_ALARM, SUSPICION).state == "clean"


def test_between_both_thresholds_a_case_is_suspicious():
    p_value = class_p_values(dict(enumerate(with_outlier(6))))[6]
    verdict = reach_verdict([classes(with_outlier(6))], p_value / 2, p_value * 2)
    assert verdict == Verdict("suspicious", (6,), p_value)


@pytest.mark.parametrize("seed", range(5))
def test_p_values_are_probabilities(seed):
    gains = torch.randn(12, generator=torch.Generator().manual_seed(seed)).mul(2).tolist()
    p_values = class_p_values(dict(enumerate(gains)))
    assert set(p_values) == set(range(12))
    assert all(0 <= p <= 1 for p in p_values.values())


def test_more_gain_never_makes_a_class_likelier_to_be_clean():
    gains = [0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0]
    p_values = [class_p_values(dict(enumerate(with_outlier(5, gain))))[5] for gain in gains]
    assert p_values == sorted(p_values, reverse=True)
    assert p_values[-1] < p_values[0]


def test_a_class_is_compared_with_its_like():
    calm = class_p_values(dict(enumerate(with_outlier(0, 1.0))))[0]
    spread = [1.0, 0.0, 2.0, 0.1, 1.5, 0.5, 3.0, 0.2, 1.2, 0.8]
    assert calm < 0.05 < class_p_values(dict(enumerate(spread)))[0]


def test_only_members_of_a_target_class_count_as_poison():
    found = Verdict("backdoored", (3,), 0.001)
    assert class_weight(3, found) == 1
    assert 0 <= class_weight(4, found) < 0.5
    assert class_weight(3, Verdict("suspicious", (3,), 0.02)) < 0.5
    assert class_weight(3, Verdict("clean", (), 1.0)) < 0.5


def test_looking_twice_is_paid_for():
    once = reach_verdict([classes(with_outlier(2))], FALSE_ALARM, SUSPICION)
    twice = reach_verdict([classes(with_outlier(2))] * 2, FALSE_ALARM, SUSPICION)
    assert twice.p_value == pytest.approx(2 * once.p_value)


def test_one_view_is_enough():
    views = [classes([0.1] * 10), classes(with_outlier(7))]
    assert reach_verdict(views, FALSE_ALARM, SUSPICION).target_labels == (7,)
