"""Models that say odd things, or nothing, or run out of memory; and nearly no images."""

import math

import pytest
import torch
from boundary_cases import NORMS, centred, noise
from torch import nn

from backburn.boundary.budget import BUDGETS
from backburn.boundary.minimum_norm import find_nearest_points
from backburn.boundary.search_boundary import search_boundary
from backburn.errors import BackburnError, InputError

EVERY_BUDGET = pytest.mark.parametrize("budget", BUDGETS)
BOTH_NORMS = pytest.mark.parametrize("norm", NORMS)


@pytest.fixture(autouse=True)
def full_precision(monkeypatch):
    monkeypatch.setattr("backburn.boundary.batches.has_native_bf16", lambda device: False)


@pytest.fixture
def pixels(generator) -> torch.Tensor:
    return noise(7, 1, 4, generator)


def assert_nothing_found(result) -> None:
    count = len(result)
    assert result.found.tolist() == [False] * count
    assert result.certified.tolist() == [False] * count
    assert result.distance.tolist() == [math.inf] * count
    assert result.crossed_label.tolist() == [-1] * count
    assert result.direction.abs().sum(1).tolist() == [0] * count


class Slopeless(nn.Module):
    """The slope of a square root at zero is infinite, and zero times that is NaN."""

    def forward(self, images):
        zero = torch.sqrt((0 * images).flatten(1).sum(1))
        return torch.stack([zero, images.flatten(1).mean(1) - 2], 1)


class NoNumber(nn.Module):
    def forward(self, images):
        return images.flatten(1)[:, :3] * math.nan


class Constant(nn.Module):
    def forward(self, images):
        return torch.tensor([0.0, 1.0, 0.5]).expand(len(images), 3)


@pytest.mark.parametrize("kind", [Slopeless, NoNumber, Constant])
@EVERY_BUDGET
@BOTH_NORMS
def test_nothing_is_found_where_there_is_nothing_to_go_by(kind, pixels, budget, norm):
    assert_nothing_found(search_boundary(kind(), pixels, norm=norm, budget=budget, directions=True))


@EVERY_BUDGET
def test_where_nothing_is_found_the_point_is_the_image(pixels, budget):
    found = find_nearest_points(Slopeless(), pixels / 255, budget=BUDGETS[budget])
    assert torch.equal(found.points, pixels / 255)


@pytest.mark.parametrize("low", [False, True], ids=["fp32", "bf16"])
def test_a_model_with_one_class_is_refused(pixels, low, monkeypatch):
    monkeypatch.setattr("backburn.boundary.batches.has_native_bf16", lambda device: low)
    with pytest.raises(InputError, match="one class"):
        search_boundary(nn.Sequential(nn.Flatten(), nn.Linear(16, 1)), pixels)


def test_of_no_images_nothing_is_said(pixels):
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    result = search_boundary(model, pixels[:0], directions=True)
    assert len(result) == 0
    assert result.distance.shape == (0,)
    assert result.direction.shape == (0, 16)


@pytest.mark.parametrize("budget", ["fast", "default", "exact"])
@BOTH_NORMS
def test_an_image_of_no_number_does_not_spoil_the_others(budget, norm):
    class Part(nn.Module):
        """Class 1 where the first pixel exceeds a half; NaN where the second does."""

        def forward(self, images):
            first, second = images.flatten(1)[:, :2].unbind(1)
            bad = torch.where(second > 0.5, math.nan, 0.0)
            return torch.stack([0.5 - first, first - 0.5 + bad], 1)

    pixels = torch.zeros(3, 1, 2, 2, dtype=torch.uint8)
    pixels[1, 0, 0, 1] = 255
    result = search_boundary(Part(), pixels, norm=norm, budget=budget)
    assert result.distance[[0, 2]].tolist() == pytest.approx([0.5, 0.5], rel=1e-2)
    assert result.found.tolist() == [True, False, True]


@EVERY_BUDGET
@BOTH_NORMS
def test_the_prediction_is_left_and_there_is_no_label_to_differ_from(budget, norm):
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3, bias=False))
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0.1, 0]]))
    pixels = torch.full((2, 1, 2, 2), 51, dtype=torch.uint8)
    pixels[0, 0, 0, 0] = pixels[1, 0, 0, 1] = 153
    result = search_boundary(model, pixels, norm=norm, budget=budget)
    assert result.crossed_label.tolist() == [1, 0]
    expected = 0.2 if norm == "inf" else 0.2 * 2**0.5
    assert result.distance.tolist() == pytest.approx([expected] * 2, rel=1e-2)


class Cramped(nn.Module):
    """Has no room for more than so many images."""

    def __init__(self, inner: nn.Module, room: int, error: BaseException):
        super().__init__()
        self.inner, self.room, self.error = inner, room, error

    def forward(self, images):
        if len(images) > self.room:
            raise self.error
        return self.inner(images)


NO_ROOM = pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
        MemoryError(),
    ],
    ids=["cuda", "cpu", "driver", "mps", "python"],
)


@NO_ROOM
def test_where_memory_is_short_the_batch_is_halved_with_a_warning(error, generator):
    pixels = noise(8, 3, 8, generator)
    model = centred("small_cnn-w4", pixels, generator)
    expected = search_boundary(model, pixels, batch_size=3, directions=True, features=True)
    cramped = Cramped(model, 3, error)
    cramped.features = model.features
    with pytest.warns(UserWarning, match="memory is short: searching [42] images at a time"):
        result = search_boundary(cramped, pixels, directions=True, features=True)
    assert torch.allclose(result.distance, expected.distance, rtol=1e-2)
    assert torch.equal(result.crossed_label, expected.crossed_label)
    assert torch.allclose(result.direction, expected.direction, atol=2e-2)
    assert result.feature.shape == expected.feature.shape


def test_progress_is_told_in_whole_batches_where_memory_is_short(pixels):
    inner, told = nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), []
    with pytest.warns(UserWarning, match="memory is short"):
        search_boundary(
            Cramped(inner, 3, MemoryError()),
            pixels,
            batch_size=4,
            progress=lambda phase, done, total: told.append((done, total)),
        )
    assert told == [(4, 7), (7, 7)]


def test_one_image_that_never_fits_is_an_error(pixels):
    model = Cramped(nn.Flatten(), 0, torch.OutOfMemoryError("CUDA out of memory"))
    with (
        pytest.warns(UserWarning, match="memory is short"),
        pytest.raises(BackburnError, match="not enough memory for searching one image"),
    ):
        search_boundary(model, pixels)


def test_another_error_is_passed_on(pixels):
    model = Cramped(nn.Flatten(), 0, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        search_boundary(model, pixels)
