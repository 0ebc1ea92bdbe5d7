"""Small networks in both norms: near the reference, and the same whatever the batch."""

import pytest
import torch
from boundary_cases import CERTIFIED, NORMS, centred, noise, size
from torch import nn

from backburn.boundary.budget import BUDGETS
from backburn.boundary.deepfool import deepfool
from backburn.boundary.minimum_norm import find_nearest_points
from backburn.boundary.search_boundary import search_boundary

BOTH_NORMS = pytest.mark.parametrize("norm", NORMS)
EVERY_CERTIFIED = pytest.mark.parametrize("budget", CERTIFIED)


@pytest.fixture(autouse=True)
def full_precision(monkeypatch):
    monkeypatch.setattr("backburn.boundary.batches.has_native_bf16", lambda device: False)


@pytest.fixture
def pixels(generator) -> torch.Tensor:
    return noise(12, 3, 8, generator)


@pytest.fixture
def model(pixels, generator) -> nn.Module:
    return centred("small_cnn-w4", pixels, generator).requires_grad_(False)


def check_points(model: nn.Module, images: torch.Tensor, found) -> None:
    assert bool((found.found & found.certified).all())
    assert found.points.min() >= 0
    assert found.points.max() <= 1
    said = model(found.points).argmax(1)
    assert torch.equal(said, found.crossed_label)
    assert bool((said != model(images).argmax(1)).all())


@pytest.mark.parametrize(
    ("name", "shape"),
    [("small_cnn-w4", (3, 8)), ("vgg11-w4", (1, 28)), ("preact_resnet18-w4", (1, 16))],
)
@EVERY_CERTIFIED
@BOTH_NORMS
def test_the_engine_is_no_farther_off_than_the_reference(name, shape, budget, norm, generator):
    pixels = noise(8, *shape, generator)
    images, model = pixels / 255, centred(name, pixels, generator).requires_grad_(False)
    reference = size(deepfool(model, images, norm=norm, candidates=4).points, images, norm)
    found = find_nearest_points(model, images, norm=norm, budget=BUDGETS[budget])
    check_points(model, images, found)
    ratio = found.distance / reference
    assert ratio.median() < 1.01
    assert ratio.max() < (1.6 if budget == "fast" else 1.25)
    assert ratio.min() > 0.3


@BOTH_NORMS
def test_the_distance_is_that_of_the_point(model, pixels, norm):
    found = find_nearest_points(model, pixels / 255, norm=norm)
    measured = size(found.points, pixels / 255, norm)
    assert torch.allclose(found.distance, measured, rtol=1e-3)


@BOTH_NORMS
def test_little_is_left_of_the_way_before_the_point(model, pixels, norm):
    images = pixels / 255
    found = find_nearest_points(model, images, norm=norm, budget=BUDGETS["exact"])
    before = model(torch.lerp(images, found.points, 0.99)).argmax(1)
    assert torch.equal(before, model(images).argmax(1))


@pytest.mark.parametrize("batch_size", [1, 5])
@BOTH_NORMS
def test_the_batch_size_does_not_matter_in_either_norm(model, pixels, norm, batch_size):
    pixels = pixels[:7]
    whole = search_boundary(model, pixels, norm=norm)
    parts = search_boundary(model, pixels, norm=norm, batch_size=batch_size)
    assert torch.allclose(parts.distance, whole.distance, rtol=1e-2)
    assert torch.equal(parts.crossed_label, whole.crossed_label)


@pytest.mark.parametrize("budget", BUDGETS)
@BOTH_NORMS
def test_the_order_of_the_images_does_not_matter(model, pixels, norm, budget, generator):
    order = torch.randperm(len(pixels), generator=generator)
    plain = search_boundary(model, pixels, norm=norm, budget=budget)
    mixed = search_boundary(model, pixels[order], norm=norm, budget=budget)
    assert torch.allclose(mixed.distance, plain.distance[order], rtol=1e-2)
    assert torch.equal(mixed.crossed_label, plain.crossed_label[order])


@pytest.mark.parametrize("scale", [0.01, 100.0])
@BOTH_NORMS
def test_the_scale_of_the_logits_does_not_matter(model, pixels, norm, scale):
    plain = search_boundary(model, pixels, norm=norm)
    with torch.no_grad():
        model.head.weight *= scale
        model.head.bias *= scale
    scaled = search_boundary(model, pixels, norm=norm)
    assert torch.allclose(scaled.distance, plain.distance, rtol=1e-2)
    assert torch.equal(scaled.crossed_label, plain.crossed_label)


@BOTH_NORMS
def test_a_single_image_is_measured(model, pixels, norm):
    alone = search_boundary(model, pixels[3:4], norm=norm, directions=True)
    assert alone.direction.shape == (1, 192)
    among = search_boundary(model, pixels, norm=norm).distance[3:4]
    assert torch.allclose(alone.distance, among, rtol=1e-2)


@pytest.mark.parametrize("name", ["small_cnn-w4", "vgg11-w4"])
@pytest.mark.parametrize(("channels", "side", "count"), [(1, 28, 3), (3, 32, 2), (3, 224, 2)])
@BOTH_NORMS
def test_images_of_any_size_are_measured(name, channels, side, count, norm, generator):
    pixels = noise(count, channels, side, generator)
    images, model = pixels / 255, centred(name, pixels, generator).requires_grad_(False)
    check_points(model, images, find_nearest_points(model, images, norm=norm))


@pytest.mark.parametrize("name", ["small_cnn-w4", "vgg11-w4"])
def test_the_two_norms_bound_each_other(name, generator):
    pixels = noise(6, 3, 32, generator)
    model = centred(name, pixels, generator)
    two, most = (
        search_boundary(model, pixels, norm=norm, budget="exact").distance for norm in NORMS
    )
    assert bool((most < two).all())
    assert bool((most > 0.9 * two / 3072**0.5).all())
