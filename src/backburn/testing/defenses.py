"""Checks that every defense must pass.

In a test module of your own:

    import pytest
    from backburn.testing import DEFENSE_CHECKS

    @pytest.mark.parametrize("check", DEFENSE_CHECKS, ids=lambda check: check.__name__)
    def test_my_defense(check):
        check(MyDefense(epochs=1))

Give a defense that trains for long few epochs here.
"""

from collections.abc import Callable

import torch

from ..interfaces import Defense, Inputs
from ..models.inference import predict
from ..results import Repaired
from ..types import Case
from .cases import CLASSES, contract_case, require_refusal, run_unchanged
from .contract_error import require


def repair(defense: Defense, case: Case, seed: int = 0) -> Repaired:
    """Repair a case with a fixed seed."""
    return defense.repair(case, torch.Generator().manual_seed(seed))


def check_the_case_is_left_alone(defense: Defense) -> None:
    """The model, the images and the global generator are not changed."""
    run_unchanged(contract_case(defense.inputs), lambda case: repair(defense, case))


def check_the_model_can_be_used(defense: Defense) -> None:
    """The model is in evaluation mode and has finite logits, also for 28 pixels and one channel."""
    for channels, side in ((3, 32), (1, 28)):
        case = contract_case(defense.inputs, channels, side)
        model = repair(defense, case).model
        require(
            not any(module.training for module in model.modules()), "the model is in training mode"
        )
        pixels = contract_case(Inputs(), channels, side).images.pixels
        logits = predict(model, pixels)
        require(logits.shape == (len(pixels), CLASSES), f"logits of shape {tuple(logits.shape)}")
        require(bool(logits.isfinite().all()), "logits that are not finite")


def check_one_seed_gives_the_same_model(defense: Defense) -> None:
    """Two runs with one seed give the same weights and scores."""
    case = contract_case(defense.inputs)
    first, second = (repair(defense, case, seed=1) for _ in range(2))
    weights = second.model.state_dict()
    for name, value in first.model.state_dict().items():
        require(torch.equal(value, weights[name]), f"{name} differs between two runs with one seed")
    if first.evidence is not None and second.evidence is not None:
        same = torch.equal(first.evidence.score, second.evidence.score)
        require(same, "the scores differ between two runs with one seed")


def check_missing_inputs_are_refused(defense: Defense) -> None:
    """A case without a required holdout or training set raises `InputError`."""
    inputs, case = defense.inputs, contract_case(defense.inputs)
    if inputs.holdout:
        require_refusal(
            Case(case.model, case.images), lambda lacking: repair(defense, lacking), "a holdout"
        )
    if inputs.training != "none":
        empty = case.images.take(torch.arange(0))
        require_refusal(
            Case(case.model, empty, case.holdout),
            lambda lacking: repair(defense, lacking),
            "training images",
        )


def check_suspects_are_rows(defense: Defense) -> None:
    """Suspects and evidence, if there are any, are of the training set."""
    case = contract_case(defense.inputs)
    result = repair(defense, case)
    if result.suspects is not None and len(result.suspects):
        rows = result.suspects.index
        require(int(rows.min()) >= 0 and int(rows.max()) < len(case.images), "suspects of no image")
        same = torch.equal(result.suspects.given_label, case.images.labels[rows])
        require(same, "given labels that the training set does not have")
    if result.evidence is not None:
        require(len(result.evidence.score) == len(case.images), "not one score an image")


CHECKS: tuple[Callable[[Defense], None], ...] = (
    check_the_case_is_left_alone,
    check_the_model_can_be_used,
    check_one_seed_gives_the_same_model,
    check_missing_inputs_are_refused,
    check_suspects_are_rows,
)


def check_defense(defense: Defense) -> None:
    """Run every check.

    Raises:
        ContractError: the defense fails a check; the message says why.
    """
    for check in CHECKS:
        check(defense)
