"""What a result promises: real crossings, honest counts, features, and an untouched model."""

import jaxtyping
import pytest
import torch
from boundary_cases import CERTIFIED, NORMS, Gated, centred, noise
from torch import nn

from backburn.boundary import batches
from backburn.boundary.budget import BUDGETS
from backburn.boundary.minimum_norm import find_nearest_points
from backburn.boundary.search_boundary import search_boundary
from backburn.errors import InputError

BOTH_NORMS = pytest.mark.parametrize("norm", NORMS)


@pytest.fixture(autouse=True)
def full_precision(monkeypatch):
    monkeypatch.setattr(batches, "has_native_bf16", lambda device: False)


@pytest.fixture
def folding(monkeypatch) -> list[bool]:
    """Run-time checks let nothing be traced, so they are off; tells whether a model was folded."""
    told, plain = [], batches.fold_batch_norm

    def watched(model, probe):
        copy = plain(model, probe)
        told.append(copy is not model)
        return copy

    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    monkeypatch.setattr(batches, "fold_batch_norm", watched)
    return told


@pytest.fixture
def nearest(monkeypatch) -> list:
    """What the search found before it was recorded, a batch each."""
    seen, plain = [], batches.find_nearest_points

    def watched(*arguments, **named):
        seen.append(plain(*arguments, **named))
        return seen[-1]

    monkeypatch.setattr(batches, "find_nearest_points", watched)
    return seen


@pytest.fixture
def pixels(generator) -> torch.Tensor:
    return noise(12, 3, 8, generator)


@pytest.fixture
def model(pixels, generator) -> nn.Module:
    return centred("small_cnn-w4", pixels, generator)


@pytest.mark.parametrize("budget", CERTIFIED)
@BOTH_NORMS
def test_what_is_certified_the_model_itself_calls_otherwise(
    model, pixels, norm, budget, folding, nearest
):
    result = search_boundary(model, pixels, norm=norm, budget=budget)
    with torch.no_grad():
        said = model(nearest[0].points).argmax(1)
        start = model(pixels / 255).argmax(1)
    assert folding == [True]
    assert bool(result.certified.all())
    assert torch.equal(said, result.crossed_label)
    assert bool((said != start).all())


@BOTH_NORMS
def test_a_crossing_of_the_folded_copy_is_one_of_the_model(norm, folding, nearest, generator):
    pixels = noise(60, 1, 28, generator)
    model = centred("vgg11-w4", pixels, generator)
    for budget in CERTIFIED:
        result = search_boundary(model, pixels, norm=norm, budget=budget)
        with torch.no_grad():
            said = model(nearest[-1].points).argmax(1)
        assert torch.equal(said, result.crossed_label), budget
    assert folding == [True] * 3


def test_a_prediction_that_bf16_gets_wrong_is_not_what_is_left():
    class Cancelling(nn.Module):
        """Class 1 where the first pixel is below 0.4997; bf16 rounds 0.4995 to 0.5."""

        def __init__(self):
            super().__init__()
            self.first = nn.Linear(4, 1, bias=False)
            self.first.weight.data = torch.tensor([[100.0, 0, 0, 0]])

        def forward(self, images):
            above = 100 * (self.first(images.flatten(1)).float() - 49.97)
            return torch.cat([above, -above], 1)

    model = Cancelling().eval().requires_grad_(False)
    images = torch.full((1, 1, 2, 2), 0.4995)
    found = find_nearest_points(model, images, low_precision=True)
    assert model(images).argmax(1).tolist() == [1]
    assert found.crossed_label.tolist() == [0]
    assert model(found.points).argmax(1).tolist() == [0]


@BOTH_NORMS
def test_the_direction_leads_across(model, pixels, norm):
    result = search_boundary(model, pixels, norm=norm, directions=True)
    way = (1.005 * result.distance[:, None] * result.direction.float()).view(pixels.shape)
    with torch.no_grad():
        said = model((pixels / 255 + way).clamp(0, 1)).argmax(1)
    assert torch.equal(said, result.crossed_label)


@pytest.mark.parametrize("budget", BUDGETS)
def test_directions_are_of_length_1_in_their_norm(model, pixels, budget):
    two, most = (
        search_boundary(model, pixels, norm=norm, budget=budget, directions=True).direction.float()
        for norm in NORMS
    )
    assert two.norm(dim=1).tolist() == pytest.approx([1] * 12, abs=2e-3)
    assert most.abs().amax(1).tolist() == pytest.approx([1] * 12, abs=2e-3)
    assert bool((most.norm(dim=1) > 2).all())


@BOTH_NORMS
def test_the_screen_certifies_nothing_and_estimates_everything(model, pixels, norm):
    result = search_boundary(model, pixels, norm=norm, budget="screen")
    assert not result.certified.any()
    assert result.found.all()
    assert result.distance.isfinite().all()
    with torch.no_grad():
        assert bool((result.crossed_label != model(pixels / 255).argmax(1)).all())
    ratio = result.distance / search_boundary(model, pixels, norm=norm).distance
    assert 0.7 < ratio.median() < 1.3


class Tally(torch.autograd.Function):
    """The identity; counts the rows that pass, either way."""

    @staticmethod
    def forward(ctx, images, rows):
        ctx.rows = rows
        rows["forwards"] += len(images)
        return images.view_as(images)

    @staticmethod
    def backward(ctx, gradient):
        ctx.rows["backwards"] += len(gradient)
        return gradient, None


class Counted(nn.Module):
    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner
        self.rows = {"forwards": 0, "backwards": 0}

    def forward(self, images):
        return self.inner(Tally.apply(images, self.rows))


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("low", [False, True], ids=["fp32", "bf16"])
@BOTH_NORMS
def test_passes_are_those_that_were_taken(model, pixels, norm, budget, low, monkeypatch):
    monkeypatch.setattr(batches, "has_native_bf16", lambda device: low)
    counted = Counted(model)
    result = search_boundary(counted, pixels, norm=norm, budget=budget, batch_size=5)
    assert counted.rows["backwards"] > 0
    assert int(result.passes.sum()) == sum(counted.rows.values())


def test_passes_of_a_search_that_ends_with_the_reference_are_counted():
    pixels = torch.zeros(3, 1, 2, 2, dtype=torch.uint8)
    pixels[1, 0, 1, 1] = 255
    counted = Counted(Gated())
    result = search_boundary(counted, pixels)
    assert result.found.tolist() == [False, True, False]
    assert int(result.passes.sum()) == sum(counted.rows.values())
    assert result.passes[0] > 2 * result.passes[1]


@BOTH_NORMS
def test_a_more_generous_budget_spends_more(model, pixels, norm):
    spent = [
        int(search_boundary(model, pixels, norm=norm, budget=budget).passes.sum())
        for budget in ("screen", *CERTIFIED)
    ]
    assert spent[0] < spent[1] < spent[2] < spent[3]
    assert spent[0] == 4 * 12


@BOTH_NORMS
def test_features_are_those_of_the_crossing(model, pixels, norm, folding):
    result = search_boundary(model, pixels, norm=norm, features=True, batch_size=5)
    assert folding == [True]
    assert result.feature.shape == (12, 16)
    assert result.feature.dtype == torch.float32
    with torch.no_grad():
        assert torch.equal(model.head(result.feature).argmax(1), result.crossed_label)
    assert search_boundary(model, pixels, norm=norm).feature is None


def test_features_of_a_model_that_has_none_are_refused(pixels):
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    with pytest.raises(InputError, match="Sequential has no features"):
        search_boundary(model, pixels, features=True)


def stand(model: nn.Module) -> tuple:
    return (
        [module.training for module in model.modules()],
        [parameter.requires_grad for parameter in model.parameters()],
        [None if p.grad is None else p.grad.tolist() for p in model.parameters()],
        {name: tensor.tolist() for name, tensor in model.state_dict().items()},
        [id(module) for module in model.modules()],
    )


@pytest.fixture
def busy(model) -> nn.Module:
    """The model in the middle of a training: partly frozen, with a gradient."""
    model.train()
    model.bn1.eval()
    model.conv2.weight.requires_grad_(False)
    model.head.weight.grad = torch.ones_like(model.head.weight)
    return model


@BOTH_NORMS
def test_a_model_that_was_folded_is_left_as_it_was(busy, pixels, norm, folding):
    before = stand(busy)
    search_boundary(busy, pixels, norm=norm, features=True)
    assert folding == [True]
    assert stand(busy) == before


@BOTH_NORMS
def test_a_model_that_was_folded_is_left_as_it_was_when_interrupted(busy, pixels, norm, folding):
    def stop(*_):
        raise KeyboardInterrupt

    before = stand(busy)
    with pytest.raises(KeyboardInterrupt):
        search_boundary(busy, pixels, norm=norm, batch_size=5, progress=stop)
    assert folding == [True]
    assert stand(busy) == before
