import math

import numpy as np
import pytest
import torch
from scipy.optimize import linprog, minimize

from backburn.boundary.projection import (
    dual_norm,
    parse_norm,
    step_norm,
    step_to_hyperplane,
    unconstrained_step,
)
from backburn.errors import InputError


def problem(seed: int, share: float, size: int = 6) -> tuple[torch.Tensor, ...]:
    """A point, a normal, and a margin that needs a share of all the room in the box."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(1, size, generator=generator, dtype=torch.float64)
    normal = torch.randn(1, size, generator=generator, dtype=torch.float64)
    return points, normal, share * reach(points, normal)


def reach(points: torch.Tensor, normal: torch.Tensor) -> torch.Tensor:
    """How much of the margin the farthest corner of the box takes away."""
    return (normal.abs() * torch.where(normal > 0, points, 1 - points)).sum(1)


def least_step(points: torch.Tensor, normal: torch.Tensor, margin: torch.Tensor) -> np.ndarray:
    """The same problem for scipy's general solver."""
    x, n, m = points[0].numpy(), normal[0].numpy(), float(margin)
    solved = minimize(
        lambda s: s @ s,
        np.zeros_like(x),
        jac=lambda s: 2 * s,
        method="SLSQP",
        bounds=list(zip(-x, 1 - x, strict=True)),
        constraints={"type": "eq", "fun": lambda s: n @ s + m, "jac": lambda s: n},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert solved.success, solved.message
    return solved.x


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.05, 0.5, 0.8, 0.97])
def test_the_step_is_the_one_that_a_general_solver_finds(seed, share):
    points, normal, margin = problem(seed, share)
    step = step_to_hyperplane(points, normal, margin)[0].numpy()
    assert step == pytest.approx(least_step(points, normal, margin), abs=1e-5)


def test_those_problems_have_pixels_that_stop_at_the_box():
    points, normal, margin = problem(0, 0.8)
    moved = (points + step_to_hyperplane(points, normal, margin))[0]
    stopped = (moved < 1e-9) | (moved > 1 - 1e-9)
    assert 0 < int(stopped.sum()) < 6


def test_a_step_by_hand():
    # the first pixel stops after 0.1 and takes 0.3 of the margin; the second takes the rest
    step = step_to_hyperplane(
        torch.tensor([[0.1, 0.5]]), torch.tensor([[3.0, 1.0]]), torch.tensor([0.6])
    )
    assert step[0].tolist() == pytest.approx([-0.1, -0.3])


def test_far_from_the_box_the_step_is_along_the_normal():
    normal = torch.tensor([[3.0, -4.0]])
    step = step_to_hyperplane(torch.full((1, 2), 0.5), normal, torch.tensor([0.5]))
    assert step[0].tolist() == pytest.approx([-0.06, 0.08])


@pytest.mark.parametrize("seed", range(3))
def test_an_unreachable_hyperplane_gives_the_step_to_the_corner(seed):
    points, normal, margin = problem(seed, 1.5)
    corner = torch.where(normal > 0, 0.0, 1.0).double()
    assert torch.allclose(points + step_to_hyperplane(points, normal, margin), corner)


def test_rows_do_not_know_each_other():
    rows = [problem(seed, share) for seed, share in [(0, 0.1), (1, 0.9), (2, 1.5), (3, 0.5)]]
    together = step_to_hyperplane(*(torch.cat(part) for part in zip(*rows, strict=True)))
    alone = torch.cat([step_to_hyperplane(*row) for row in rows])
    assert torch.allclose(together, alone, atol=1e-12)


def test_pixels_without_a_slope_stay():
    points, normal, _ = problem(0, 0.5)
    normal[0, 2:4] = 0
    step = step_to_hyperplane(points, normal, 0.5 * reach(points, normal))
    assert step[0, 2:4].tolist() == [0, 0]
    assert bool(step.isfinite().all())


def test_no_slope_at_all_or_no_margin_is_no_step():
    points, normal, margin = problem(0, 0.5)
    assert step_to_hyperplane(points, 0 * normal, margin).abs().max() == 0
    assert step_to_hyperplane(points, normal, 0 * margin).abs().max() == 0


@pytest.mark.parametrize("scale", [1e-20, 1e-12, 1e6, 1e15])
def test_the_scale_of_the_logits_does_not_matter(scale):
    points, normal, margin = (part.float() for part in problem(0, 0.8, size=50))
    step = step_to_hyperplane(points, normal, margin)
    scaled = step_to_hyperplane(points, scale * normal, scale * margin)
    assert torch.allclose(scaled, step, atol=1e-4)


@pytest.mark.parametrize("decades", [0, 2, 4, 6])
@pytest.mark.parametrize("share", [0.1, 0.9, 0.99])
def test_single_precision_is_enough_for_slopes_of_many_magnitudes(decades, share):
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(16, 3072, generator=generator)
    size = 10 ** -(decades * torch.rand(16, 3072, generator=generator))
    normal = size * torch.randn(16, 3072, generator=generator).sign()
    margin = share * reach(points, normal)
    step = step_to_hyperplane(points, normal, margin)
    moved = points + step
    assert moved.min() >= -1e-6
    assert moved.max() <= 1 + 1e-6
    assert torch.allclose((normal * step).sum(1), -margin, rtol=1e-3)
    exact = step_to_hyperplane(points.double(), normal.double(), margin.double())
    assert torch.allclose(step.norm(dim=1).double(), exact.norm(dim=1), rtol=1e-3)


def least_largest_change(
    points: torch.Tensor, normal: torch.Tensor, margin: torch.Tensor
) -> np.ndarray:
    """The same problem in L-infinity for scipy's linear programming: the step, and its length."""
    x, n, m = points[0].numpy(), normal[0].numpy(), float(margin)
    count, eye = len(x), np.eye(len(x))
    solved = linprog(
        c=[0] * count + [1],
        A_ub=np.block([[eye, -np.ones((count, 1))], [-eye, -np.ones((count, 1))]]),
        b_ub=np.zeros(2 * count),
        A_eq=np.append(n, 0)[None],
        b_eq=[-m],
        bounds=[*zip(-x, 1 - x, strict=True), (0, None)],
    )
    assert solved.success, solved.message
    return solved.x


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.05, 0.5, 0.8, 0.97])
def test_the_largest_change_is_the_one_that_linear_programming_finds(seed, share):
    points, normal, margin = problem(seed, share)
    step = step_to_hyperplane(points, normal, margin, "inf")
    moved = points + step
    assert moved.min() >= 0
    assert moved.max() <= 1
    assert float((normal * step).sum() + margin) == pytest.approx(0, abs=1e-5)
    expected = least_largest_change(points, normal, margin)[-1]
    assert float(step_norm(step, "inf")) == pytest.approx(expected, abs=1e-5)


def test_those_problems_have_pixels_that_stop_at_the_box_before_the_others():
    points, normal, margin = problem(0, 0.8)
    step = step_to_hyperplane(points, normal, margin, "inf")[0]
    stopped = step.abs() < step.abs().max() - 1e-3
    assert 0 < int(stopped.sum()) < 6


def test_a_step_of_the_least_largest_change_by_hand():
    # the first pixel stops after 0.1 and takes 0.3 of 0.8; the others share the rest at 0.25 each
    step = step_to_hyperplane(
        torch.tensor([[0.1, 0.5, 0.5, 0.5]]),
        torch.tensor([[3.0, 1.0, -1.0, 0.0]]),
        torch.tensor([0.8]),
        "inf",
    )
    assert step[0].tolist() == pytest.approx([-0.1, -0.25, 0.25, 0])


@pytest.mark.parametrize("seed", range(3))
def test_an_unreachable_hyperplane_gives_the_corner_in_either_norm(seed):
    points, normal, margin = problem(seed, 1.5)
    corner = torch.where(normal > 0, 0.0, 1.0).double()
    assert torch.allclose(points + step_to_hyperplane(points, normal, margin, "inf"), corner)


def test_rows_do_not_know_each_other_in_either_norm():
    rows = [problem(seed, share) for seed, share in [(0, 0.1), (1, 0.9), (2, 1.5), (3, 0.5)]]
    together = step_to_hyperplane(*(torch.cat(part) for part in zip(*rows, strict=True)), "inf")
    alone = torch.cat([step_to_hyperplane(*row, "inf") for row in rows])
    assert torch.allclose(together, alone, atol=1e-12)


@pytest.mark.parametrize(("norm", "expected"), [("2", [-0.3, 0.4]), ("inf", [-2.5 / 7, 2.5 / 7])])
def test_the_straight_step_takes_the_margin_away_and_no_more(norm, expected):
    normal, margin = torch.tensor([[3.0, -4.0]]), torch.tensor([2.5])
    step = unconstrained_step(normal, margin, norm)
    assert step[0].tolist() == pytest.approx(expected)
    assert float((normal * step).sum()) == pytest.approx(-2.5)
    assert float(step_norm(step, norm) * dual_norm(normal, norm)) == pytest.approx(2.5)


@pytest.mark.parametrize(("norm", "long", "steep"), [("2", 5, 5), ("inf", 4, 7)])
def test_lengths_and_their_duals(norm, long, steep):
    row = torch.tensor([[3.0, -4.0]])
    assert step_norm(row, norm).tolist() == pytest.approx([long])
    assert dual_norm(row, norm).tolist() == pytest.approx([steep])
    assert dual_norm(0 * row, norm).item() > 0, "it is divided by"


@pytest.mark.parametrize(
    ("norm", "name"),
    [(2, "2"), (2.0, "2"), ("2", "2"), ("inf", "inf"), (float("inf"), "inf"), (np.inf, "inf")],
)
def test_a_norm_goes_by_its_number_or_its_name(norm, name):
    assert parse_norm(norm) == name


@pytest.mark.parametrize("norm", [1, 0, 3.0, -math.inf, math.nan])
def test_another_norm_is_refused(norm):
    with pytest.raises(InputError, match=f"norm is {norm}: give 2 or inf"):
        parse_norm(norm)
