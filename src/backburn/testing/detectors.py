"""What every detector must keep to.

In a test module of your own:

    import pytest
    from backburn.testing.detectors import CHECKS

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_my_detector(check):
        check(MyDetector())
"""

from collections.abc import Callable

import torch

from ..interfaces import Detector
from ..types import Case, Evidence
from .cases import contract_case, hold_left_alone, hold_said
from .contract import hold


def examined(detector: Detector, case: Case, seed: int = 0) -> Evidence:
    """What the detector says of a case."""
    return detector.examine(case, torch.Generator().manual_seed(seed))


def check_the_case_is_left_alone(detector: Detector) -> None:
    """Model, images and the global generator are as they were."""
    hold_left_alone(contract_case(detector.given), lambda case: examined(detector, case))


def check_every_image_has_a_score(detector: Detector) -> None:
    """One score in [0, 1] and one flag an image; also for one channel at 28 pixels."""
    for channels, side in ((3, 32), (1, 28)):
        case = contract_case(detector.given, channels, side)
        found = examined(detector, case)
        count = (len(case.images),)
        hold(found.score.shape == count, f"scores of shape {tuple(found.score.shape)}")
        hold(found.flagged.shape == count, f"flags of shape {tuple(found.flagged.shape)}")
        hold(found.flagged.dtype == torch.bool, f"flags are {found.flagged.dtype}")
        held = bool(((found.score >= 0) & (found.score <= 1)).all())
        hold(held, "scores outside of [0, 1], or NaN")


def check_one_seed_gives_the_same_scores(detector: Detector) -> None:
    """The same scores and flags from run to run."""
    case = contract_case(detector.given)
    first, second = (examined(detector, case, seed=1) for _ in range(2))
    hold(torch.equal(first.score, second.score), "the scores differ between two runs with one seed")
    same = torch.equal(first.flagged, second.flagged)
    hold(same, "the flags differ between two runs with one seed")


def check_what_is_missing_is_said(detector: Detector) -> None:
    """An `InputError` where the holdout or the training set is not there."""
    case = contract_case(detector.given)
    empty = Case(case.model, case.images.take(torch.arange(0)), case.holdout)
    hold_said(empty, lambda lacking: examined(detector, lacking), "training images")
    if detector.given.holdout:
        alone = Case(case.model, case.images)
        hold_said(alone, lambda lacking: examined(detector, lacking), "a holdout")


CHECKS: tuple[Callable[[Detector], None], ...] = (
    check_the_case_is_left_alone,
    check_every_image_has_a_score,
    check_one_seed_gives_the_same_scores,
    check_what_is_missing_is_said,
)


def check_detector(detector: Detector) -> None:
    """Every check in turn.

    Raises:
        ContractError: a rule that the detector breaks, in words.
    """
    for check in CHECKS:
        check(detector)
