"""A model that is retrained without the suspects."""

import pytest
import torch
from torch import nn

from backburn.detection.retraining import Retraining
from backburn.executor.interface import LocalExecutor
from backburn.models.nets.zoo import build
from backburn.types import Case, LabeledImages, no_progress


class Noting(LocalExecutor):
    """Trains nothing; notes what would be trained, and on which images."""

    def __init__(self):
        self.rows: list[list[int]] = []
        self.trained: list[list[str]] = []

    def fit(self, model, task, generator, **_) -> list[float]:
        self.rows.append(task.rows.tolist())
        self.trained.append([n for n, p in model.named_parameters() if p.requires_grad])
        return []


@pytest.fixture
def given(generator) -> Case:
    pixels = torch.randint(256, (120, 1, 8, 8), generator=generator).byte()
    model = build("small_cnn-w4", 2, 1, generator=generator)
    return Case(model, LabeledImages(pixels, torch.arange(120) // 60))


HIDDEN = torch.zeros(120, dtype=torch.bool)
HIDDEN[[*range(15), 55, *range(60, 90), 115]] = True


def test_the_model_is_shown_no_suspect_and_asked_about_nothing_else(given, generator):
    case, executor = given, Noting()
    said = Retraining(steps=1).run(case, HIDDEN, generator, no_progress, executor)
    assert executor.rows == [(~HIDDEN).nonzero().flatten().tolist()]
    assert torch.equal(said.isnan().any(1), ~HIDDEN)
    assert torch.allclose(said[HIDDEN].exp().sum(1), torch.ones(int(HIDDEN.sum())))


@pytest.mark.parametrize("reset", [0.2, 0.75, 1.0])
def test_the_last_layers_forget_and_are_trained_the_early_ones_stay(reset, given, generator):
    case, executor = given, Noting()
    Retraining(reset=reset, steps=1).run(case, HIDDEN, generator, no_progress, executor)
    names = [name for name, _ in case.model.named_parameters()]
    for trained in executor.trained:
        assert trained == names[len(names) - len(trained) :]
        assert "head.weight" in trained
    weights = dict(case.model.named_parameters())
    share = sum(weights[n].numel() for n in executor.trained[0]) / sum(
        each.numel() for each in weights.values()
    )
    assert reset - 1e-9 <= share
    assert (len(executor.trained[0]) == len(names)) == (reset == 1.0)


def test_the_model_of_the_case_is_left_as_it_was(given, generator):
    case = given
    before = {name: value.clone() for name, value in case.model.state_dict().items()}
    Retraining(steps=2).run(case, HIDDEN, generator, no_progress, LocalExecutor())
    after = case.model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert isinstance(case.model, nn.Module)
    assert all(parameter.requires_grad for parameter in case.model.parameters())
