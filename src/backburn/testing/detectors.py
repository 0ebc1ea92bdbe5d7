"""Checks that every detector must pass.

In a test module of your own:

    import pytest
    from backburn.testing import DETECTOR_CHECKS

    @pytest.mark.parametrize("check", DETECTOR_CHECKS, ids=lambda check: check.__name__)
    def test_my_detector(check):
        check(MyDetector())
"""

from collections.abc import Callable

import torch

from ..interfaces import Detector
from ..results import Evidence
from ..types import Case
from .cases import contract_case, require_refusal, run_unchanged
from .contract_error import require


def examine(detector: Detector, case: Case, seed: int = 0) -> Evidence:
    """Examine a case with a fixed seed."""
    return detector.examine(case, torch.Generator().manual_seed(seed))


def check_the_case_is_left_alone(detector: Detector) -> None:
    """The model, the images and the global generator are not changed."""
    run_unchanged(contract_case(detector.inputs), lambda case: examine(detector, case))


def check_every_image_has_a_score(detector: Detector) -> None:
    """Every image has a score in [0, 1] and a flag, also for 28 pixels and one channel."""
    for channels, side in ((3, 32), (1, 28)):
        case = contract_case(detector.inputs, channels, side)
        evidence = examine(detector, case)
        count = (len(case.images),)
        require(evidence.score.shape == count, f"scores of shape {tuple(evidence.score.shape)}")
        require(evidence.flagged.shape == count, f"flags of shape {tuple(evidence.flagged.shape)}")
        require(evidence.flagged.dtype == torch.bool, f"flags are {evidence.flagged.dtype}")
        in_range = bool(((evidence.score >= 0) & (evidence.score <= 1)).all())
        require(in_range, "scores outside of [0, 1], or NaN")


def check_one_seed_gives_the_same_scores(detector: Detector) -> None:
    """Two runs with one seed give the same scores and flags."""
    case = contract_case(detector.inputs)
    first, second = (examine(detector, case, seed=1) for _ in range(2))
    require(
        torch.equal(first.score, second.score), "the scores differ between two runs with one seed"
    )
    same = torch.equal(first.flagged, second.flagged)
    require(same, "the flags differ between two runs with one seed")


def check_missing_inputs_are_refused(detector: Detector) -> None:
    """A case without a required holdout or training set raises `InputError`."""
    case = contract_case(detector.inputs)
    empty = Case(case.model, case.images.take(torch.arange(0)), case.holdout)
    require_refusal(empty, lambda lacking: examine(detector, lacking), "training images")
    if detector.inputs.holdout:
        without_holdout = Case(case.model, case.images)
        require_refusal(without_holdout, lambda lacking: examine(detector, lacking), "a holdout")


CHECKS: tuple[Callable[[Detector], None], ...] = (
    check_the_case_is_left_alone,
    check_every_image_has_a_score,
    check_one_seed_gives_the_same_scores,
    check_missing_inputs_are_refused,
)


def check_detector(detector: Detector) -> None:
    """Run every check.

    Raises:
        ContractError: the detector fails a check; the message says why.
    """
    for check in CHECKS:
        check(detector)
