"""What every defence must keep to.

In a test module of your own:

    import pytest
    from backburn.testing.defenses import CHECKS

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_my_defense(check):
        check(MyDefense(epochs=1))

A defence that trains for long is best given little to do here.
"""

from collections.abc import Callable

import torch

from ..interfaces import Defense, Given
from ..models.inference import predict
from ..types import Case, Repaired
from .cases import CLASSES, contract_case, hold_left_alone, hold_said
from .contract import hold


def repaired(defense: Defense, case: Case, seed: int = 0) -> Repaired:
    """What the defence makes of a case."""
    return defense.repair(case, torch.Generator().manual_seed(seed))


def check_the_case_is_left_alone(defense: Defense) -> None:
    """Model, images and the global generator are as they were."""
    hold_left_alone(contract_case(defense.given), lambda case: repaired(defense, case))


def check_the_model_can_be_used(defense: Defense) -> None:
    """A copy in evaluation mode, of the same outputs, finite; also at 28 pixels of one channel."""
    for channels, side in ((3, 32), (1, 28)):
        case = contract_case(defense.given, channels, side)
        model = repaired(defense, case).model
        hold(not any(part.training for part in model.modules()), "the model is in training mode")
        pixels = contract_case(Given(), channels, side).images.pixels
        logits = predict(model, pixels)
        hold(logits.shape == (len(pixels), CLASSES), f"logits of shape {tuple(logits.shape)}")
        hold(bool(logits.isfinite().all()), "logits that are not finite")


def check_one_seed_gives_the_same_model(defense: Defense) -> None:
    """The same weights, and the same suspects, from run to run."""
    case = contract_case(defense.given)
    first, second = (repaired(defense, case, seed=1) for _ in range(2))
    theirs = second.model.state_dict()
    for name, value in first.model.state_dict().items():
        hold(torch.equal(value, theirs[name]), f"{name} differs between two runs with one seed")
    if first.evidence is not None and second.evidence is not None:
        same = torch.equal(first.evidence.score, second.evidence.score)
        hold(same, "the scores differ between two runs with one seed")


def check_what_is_missing_is_said(defense: Defense) -> None:
    """An `InputError` where the holdout or the training set is not there."""
    given, case = defense.given, contract_case(defense.given)
    if given.holdout:
        hold_said(
            Case(case.model, case.images), lambda lacking: repaired(defense, lacking), "a holdout"
        )
    if given.training != "none":
        empty = case.images.take(torch.arange(0))
        hold_said(
            Case(case.model, empty, case.holdout),
            lambda lacking: repaired(defense, lacking),
            "training images",
        )


def check_suspects_are_rows(defense: Defense) -> None:
    """Suspects and evidence, where there are any, are of the training set."""
    case = contract_case(defense.given)
    result = repaired(defense, case)
    if result.suspects is not None and len(result.suspects):
        rows = result.suspects.index
        hold(int(rows.min()) >= 0 and int(rows.max()) < len(case.images), "suspects of no image")
        same = torch.equal(result.suspects.given_label, case.images.labels[rows])
        hold(same, "given labels that the training set does not have")
    if result.evidence is not None:
        hold(len(result.evidence.score) == len(case.images), "not one score an image")


CHECKS: tuple[Callable[[Defense], None], ...] = (
    check_the_case_is_left_alone,
    check_the_model_can_be_used,
    check_one_seed_gives_the_same_model,
    check_what_is_missing_is_said,
    check_suspects_are_rows,
)


def check_defense(defense: Defense) -> None:
    """Every check in turn.

    Raises:
        ContractError: a rule that the defence breaks, in words.
    """
    for check in CHECKS:
        check(defense)
