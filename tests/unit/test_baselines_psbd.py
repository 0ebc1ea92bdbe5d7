"""PSBD: where dropout is added, at which rate, and what it finds."""

import pytest
import torch
from torch import nn

from backburn.baselines.detectors.psbd import PSBD, dropout_after, dropout_sites
from backburn.errors import InputError
from backburn.metrics import share_of_true
from backburn.models.nets.preact_resnet import PreActBlock
from backburn.models.nets.zoo import build
from backburn.types import Case, LabeledImages


def test_dropout_follows_residual_blocks_or_else_normalization():
    blocks = dropout_sites(build("preact_resnet18-w4", 3, 3))
    assert len(blocks) == 8
    assert all(isinstance(block, PreActBlock) for block in blocks)
    assert [type(layer) for layer in dropout_sites(build("small_cnn-w4", 3, 1))] == [
        nn.BatchNorm2d
    ] * 3


def test_a_network_of_linear_layers_has_dropout_between_them():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    assert dropout_sites(model) == [model[0]]
    with pytest.raises(InputError, match="between layers"):
        dropout_sites(model[2])


def test_dropout_is_on_in_evaluation_mode_and_then_off_again():
    model = nn.Sequential(nn.Identity(), nn.Identity()).eval()
    values = torch.ones(1000)
    with dropout_after([model[0]], 0.75):
        dropped = model(values)
    assert set(dropped.tolist()) == {0.0, 4.0}
    assert share_of_true(dropped == 0) == pytest.approx(0.75, abs=0.05)
    assert torch.equal(model(values), values)


def test_the_rate_shifts_clean_images_more_than_the_others():
    method = PSBD(rates=(0.1, 0.2, 0.3))
    others = torch.tensor([0.0, 0.3, 0.7])
    assert method._select_rate(torch.tensor([0.7, 0.9, 0.9]), others) == 1
    assert method._select_rate(torch.tensor([0.7, 0.79, 0.75]), others) == 0  # none is at 0.8


class Votes(nn.Module):
    """Half of 64 units vote for each class; all see bright pixels of theirs."""

    def __init__(self):
        super().__init__()
        self.units, self.head = nn.Linear(2, 64, bias=False), nn.Linear(64, 2, bias=False)
        halves = torch.eye(2).repeat_interleave(32, 0)
        with torch.no_grad():
            self.units.weight.copy_(halves)
            self.head.weight.copy_(halves.T)

    def forward(self, images):
        return self.head(self.units(images.flatten(1)))


def test_a_prediction_that_dropout_does_not_change_is_found(generator):
    pixels = torch.randint(200, 210, (300, 1, 1, 2), generator=generator).byte()
    pixels[:30] = torch.tensor([0, 255], dtype=torch.uint8)
    labels = torch.zeros(300, dtype=torch.long)
    images = LabeledImages(pixels, labels, ("a", "b"))
    clean = images.take(torch.arange(30, 60))
    evidence = PSBD().examine(Case(Votes().eval(), images, clean), generator)
    assert evidence.flagged[:30].all()
    assert evidence.score[:30].min() > evidence.score[30:].quantile(0.5)
    assert share_of_true(evidence.flagged[30:]) < 0.5
