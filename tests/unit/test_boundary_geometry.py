"""Linear models: every search has to say what geometry says, in both norms."""

import pytest
import torch
from boundary_cases import CERTIFIED, NORMS, linear_case, size, within_box, without_box
from torch import nn

from backburn.boundary.budget import BUDGETS
from backburn.boundary.deepfool import deepfool
from backburn.boundary.search_boundary import search_boundary

CASES = pytest.mark.parametrize("classes", [2, 6])
BOXED = pytest.mark.parametrize("boxed", [False, True], ids=["free", "boxed"])
BOTH_NORMS = pytest.mark.parametrize("norm", NORMS)


@pytest.fixture(autouse=True)
def full_precision(monkeypatch):
    monkeypatch.setattr("backburn.boundary.batches.has_native_bf16", lambda device: False)


def check(distance: torch.Tensor, exact: torch.Tensor, slack: float) -> None:
    """None too short; one of twenty may lead to a class that is the nearest without the box."""
    assert bool((distance >= exact * (1 - slack)).all())
    assert int((distance <= exact * (1 + slack)).sum()) >= 19
    assert bool((distance <= exact * 1.02).all())


@BOTH_NORMS
@CASES
def test_near_gray_the_exact_answer_is_the_closed_form(classes, norm, generator):
    model, pixels = linear_case(classes, False, generator)
    images = pixels / 255
    exact, _ = within_box(model, images, norm)
    assert torch.allclose(exact, without_box(model, images, norm), rtol=1e-5)


@BOTH_NORMS
@CASES
def test_at_black_and_white_the_box_lengthens_the_way(classes, norm, generator):
    model, pixels = linear_case(classes, True, generator)
    exact, label = within_box(model, pixels / 255, norm)
    assert bool(exact.isfinite().all())
    assert (exact / without_box(model, pixels / 255, norm)).median() > 1.2
    assert len(set(label.tolist())) == classes


@BOTH_NORMS
@BOXED
@CASES
def test_the_reference_says_what_geometry_says(classes, boxed, norm, generator):
    model, pixels = linear_case(classes, boxed, generator)
    images = pixels / 255
    exact, label = within_box(model, images, norm)
    crossing = deepfool(model, images, norm=norm, candidates=classes - 1)
    check(size(crossing.points, images, norm), exact, 1e-3)
    assert int((crossing.crossed_label == label).sum()) >= 19


@pytest.mark.parametrize("budget", CERTIFIED)
@BOTH_NORMS
@BOXED
@CASES
def test_every_certified_budget_says_what_geometry_says(classes, boxed, norm, budget, generator):
    model, pixels = linear_case(classes, boxed, generator)
    exact, label = within_box(model, pixels / 255, norm)
    result = search_boundary(model, pixels, norm=norm, budget=budget)
    assert bool(result.certified.all())
    check(result.distance, exact, 1e-3)
    assert int((result.crossed_label == label).sum()) >= 19


@BOTH_NORMS
@CASES
def test_the_screen_is_exact_where_the_model_is_linear(classes, norm, generator):
    model, pixels = linear_case(classes, False, generator)
    exact, label = within_box(model, pixels / 255, norm)
    result = search_boundary(model, pixels, norm=norm, budget="screen")
    assert torch.allclose(result.distance, exact, rtol=1e-4)
    assert torch.equal(result.crossed_label, label)
    assert result.found.all()
    assert not result.certified.any()


@BOTH_NORMS
def test_bf16_leaves_no_distance_short(norm, generator, monkeypatch):
    monkeypatch.setattr("backburn.boundary.batches.has_native_bf16", lambda device: True)
    model, pixels = linear_case(6, True, generator)
    exact, _ = within_box(model, pixels / 255, norm)
    result = search_boundary(model, pixels, norm=norm)
    assert bool((result.distance >= exact * (1 - 1e-3)).all())
    assert (result.distance / exact).median() < 1.02


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize(("norm", "distance", "label"), [("2", 0.2, 1), ("inf", 0.15, 2)])
def test_which_class_is_nearest_depends_on_the_norm(norm, distance, label, budget):
    # class 1 is 0.2 away through one pixel, class 2 is 0.3 away, or 0.15 in each of four
    layer = nn.Linear(4, 3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0] * 4, [1.0, 0, 0, 0], [-0.5] * 4]))
        layer.bias.copy_(torch.tensor([0, -0.2, -0.3]) - layer.weight.sum(1) * 0.4)
    pixels = torch.full((1, 1, 2, 2), 102, dtype=torch.uint8)
    model = nn.Sequential(nn.Flatten(), layer)
    result = search_boundary(model, pixels, norm=norm, budget=budget)
    assert result.crossed_label.tolist() == [label]
    assert result.distance.tolist() == pytest.approx([distance], rel=2e-3)
    reference = deepfool(model.eval().requires_grad_(False), pixels / 255, norm=norm)
    assert reference.crossed_label.tolist() == [label]
