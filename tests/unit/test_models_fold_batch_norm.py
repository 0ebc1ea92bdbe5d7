"""Folding may change how long a model takes, and nothing else."""

import jaxtyping
import pytest
import torch
import torch.nn.functional as F
from torch import fx, nn

from backburn.models.fold_batch_norm import fold_batch_norm
from backburn.models.nets.zoo import build


@pytest.fixture(autouse=True)
def unchecked(monkeypatch):
    """The networks cannot be traced while their arguments are checked at run time."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture
def probe(generator) -> torch.Tensor:
    return torch.rand(4, 3, 16, 16, generator=generator)


def lived_in(model: nn.Module, probe: torch.Tensor, generator: torch.Generator) -> nn.Module:
    """The model as if trained: batch norms with statistics, scales and shifts of their own."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
        if norm.affine:
            nn.init.uniform_(norm.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(norm.bias, 0, 0.3, generator=generator)
    with torch.no_grad():
        model.train()(probe)
    for norm in norms:
        if norm.track_running_stats:
            wide = norm.running_var.sqrt()
            norm.running_mean += 0.2 * wide * torch.randn(len(wide), generator=generator)
            norm.running_var *= 0.5 + torch.rand(len(wide), generator=generator)
    return model.eval().requires_grad_(False)


def conv(generator: torch.Generator, inputs: int = 3, **options) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, 4, 3, **options)
    nn.init.normal_(layer.weight, 0, 0.3, generator=generator)
    return layer


def norms_called(model: nn.Module) -> int:
    return sum(
        node.op == "call_module" and isinstance(model.get_submodule(node.target), nn.BatchNorm2d)
        for node in fx.symbolic_trace(model).graph.nodes
    )


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [("vgg11-w4", 8, 0), ("small_cnn-w4", 3, 0), ("preact_resnet18-w4", 17, 9)],
)
def test_a_folded_network_says_the_same_with_fewer_norms(name, before, after, probe, generator):
    model = lived_in(build(name, 5, 3, generator=generator), probe, generator)
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    copy = fold_batch_norm(model, probe)
    assert (norms_called(model), norms_called(copy)) == (before, after)
    unseen = torch.rand(6, 3, 16, 16, generator=generator)
    assert torch.allclose(copy(unseen), model(unseen), atol=1e-4)
    assert model(unseen).std(0).max() > 1e-2, "the logits depend on the image"
    assert all(torch.equal(weights[key], value) for key, value in model.state_dict().items())
    assert weights.keys() == model.state_dict().keys()


def test_gradients_of_a_folded_network_are_the_same(probe, generator):
    model = lived_in(build("small_cnn-w4", 5, 3, generator=generator), probe, generator)
    copy = fold_batch_norm(model, probe)

    def gradient(asked: nn.Module) -> torch.Tensor:
        points = probe.clone().requires_grad_()
        return torch.autograd.grad(asked(points)[:, 0].sum(), points)[0]

    assert gradient(model).abs().max() > 0
    assert torch.allclose(gradient(copy), gradient(model), atol=1e-4)


def test_a_folded_copy_is_frozen_and_in_evaluation_mode(probe, generator):
    copy = fold_batch_norm(
        lived_in(build("small_cnn-w4", 5, 3, generator=generator), probe, generator), probe
    )
    assert not any(parameter.requires_grad for parameter in copy.parameters())
    assert not any(module.training for module in copy.modules())


def test_a_model_that_cannot_be_traced_is_returned_as_it_is(probe, generator):
    class Decides(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = conv(generator), nn.BatchNorm2d(4)

        def forward(self, images):
            maps = self.norm(self.conv(images))
            return (maps if maps.sum() > 0 else -maps).mean((2, 3))

    model = lived_in(Decides(), probe, generator)
    assert fold_batch_norm(model, probe) is model


def test_a_model_with_nothing_to_fold_is_returned_as_it_is(probe, generator):
    model = lived_in(nn.Sequential(conv(generator), nn.ReLU(), nn.BatchNorm2d(4)), probe, generator)
    assert fold_batch_norm(model, probe) is model


def test_a_convolution_that_somebody_else_reads_is_not_folded(probe, generator):
    class Skips(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = conv(generator), nn.BatchNorm2d(4)

        def forward(self, images):
            maps = self.conv(images)
            return (F.relu(self.norm(maps)) + maps).mean((2, 3))

    model = lived_in(Skips(), probe, generator)
    assert fold_batch_norm(model, probe) is model


@pytest.mark.parametrize("options", [{"track_running_stats": False}, {"affine": False}], ids=str)
def test_only_a_norm_with_statistics_is_folded(options, probe, generator):
    model = nn.Sequential(conv(generator), nn.BatchNorm2d(4, **options), nn.Flatten())
    copy = fold_batch_norm(lived_in(model, probe, generator), probe)
    assert (copy is model) == ("track_running_stats" in options)
    assert torch.allclose(copy(probe), model(probe), atol=1e-4)


@pytest.mark.parametrize(
    "options", [{"bias": False, "stride": 2}, {"padding": 1, "padding_mode": "circular"}], ids=str
)
def test_convolutions_in_nested_blocks_are_folded(options, probe, generator):
    block = nn.Sequential(conv(generator, **options), nn.BatchNorm2d(4), nn.ReLU())
    deeper = nn.Sequential(nn.Sequential(conv(generator, 4), nn.BatchNorm2d(4)), nn.Flatten())
    model = lived_in(nn.Sequential(nn.Sequential(block), deeper), probe, generator)
    expected = model(probe)
    copy = fold_batch_norm(model, probe)
    assert (norms_called(model), norms_called(copy)) == (2, 0)
    assert torch.allclose(copy(probe), expected, atol=1e-4)
    assert torch.equal(model(probe), expected)
    assert isinstance(model[0][0][1], nn.BatchNorm2d)


class Shares(nn.Module):
    """One convolution, called twice, with a norm after the first call and maybe the second."""

    def __init__(self, generator: torch.Generator, second: nn.Module):
        super().__init__()
        self.conv, self.first = conv(generator, bias=False), nn.BatchNorm2d(4)
        self.second = second

    def forward(self, images):
        flipped = self.second(self.conv(images.flip(1)))
        return (F.relu(self.first(self.conv(images))) + flipped).mean((2, 3))


@pytest.mark.parametrize("second", [nn.BatchNorm2d(4), nn.ReLU()], ids=["norm", "no norm"])
def test_a_convolution_that_is_called_twice_says_the_same(second, probe, generator):
    model = lived_in(Shares(generator, second), probe, generator)
    expected = model(probe)
    assert torch.allclose(fold_batch_norm(model, probe)(probe), expected, atol=1e-4)
    assert torch.equal(model(probe), expected)


def test_the_probe_does_not_decide_whether_a_shared_convolution_is_folded(probe, generator):
    model = Shares(generator, nn.ReLU())
    nn.init.constant_(model.first.weight, 3)
    model.eval().requires_grad_(False)
    black = torch.zeros_like(probe)
    assert torch.allclose(fold_batch_norm(model, black)(probe), model(probe), atol=1e-4)


def test_a_network_with_weights_of_no_number_is_returned_as_it_is(probe, generator):
    model = build("small_cnn-w4", 5, 3, generator=generator).eval().requires_grad_(False)
    model.head.weight.fill_(torch.nan)
    assert fold_batch_norm(model, probe) is model
