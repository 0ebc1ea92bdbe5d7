"""What a repair did, told without the trigger."""

import math
from dataclasses import replace

import pytest
import torch

from backburn.models.inference import predict
from backburn.report.repair_checks import (
    accuracy_and_reversion,
    finite_median,
    measure_checks,
    sample_flagged,
)
from backburn.results import Evidence, Suspects, Unlearned, Verdict
from backburn.types import BoundaryResult


def test_accuracy_is_of_the_others_and_reversion_of_changed_suspects():
    labels = torch.tensor([0, 1, 0, 1, 0])
    marked = torch.tensor([2, 3, 4])
    suspects = Suspects(marked, labels[marked], torch.tensor([1, 0, 0]), torch.ones(3))
    before = [torch.tensor([0, 0]), torch.tensor([0, 1, 0])]
    after = [torch.tensor([0, 1]), torch.tensor([1, 1, 0])]
    others, predicted = torch.tensor([0, 1]), [[before[0], after[0]], [before[1], after[1]]]
    accuracy, reversion = accuracy_and_reversion(labels, others, suspects, marked, predicted)
    assert accuracy == (0.5, 1.0)
    assert reversion == (0.0, 0.5)  # the last suspect keeps its label, so it says nothing


def test_rows_are_spread_evenly_and_all_where_they_are_few():
    chosen = torch.ones(100, dtype=torch.bool)
    chosen[0] = False
    assert sample_flagged(chosen, 3).tolist() == [1, 50, 99]
    assert sample_flagged(chosen, 1000).tolist() == list(range(1, 100))


def test_the_median_is_of_what_was_found():
    assert finite_median(torch.tensor([1.0, math.inf, 3.0, 2.0])) == 2
    assert math.isnan(finite_median(torch.tensor([math.inf])))


@pytest.fixture
def unlearned(backdoored):
    """A model that does not see the trigger, and what the poison should have been called."""
    images, poison = backdoored.case.images, backdoored.poison
    index, count = poison.nonzero().flatten(), len(images)
    model = type(backdoored.case.model)(0.0).eval()
    restored = model(images.pixels[index] / 255).argmax(1)
    none = torch.zeros(count, dtype=torch.bool)
    return Unlearned(
        model=model,
        suspects=Suspects(index, images.labels[index], restored, torch.ones(len(index))),
        evidence=Evidence(poison.float(), poison),
        verdict=Verdict("backdoored", (0,), 1e-9),
        boundary=BoundaryResult(none, torch.full((count,), math.inf), torch.full((count,), -1)),
    )


def test_a_repair_is_measured(backdoored, unlearned):
    found = measure_checks(backdoored.case, unlearned, "fast")
    assert found.accuracy[1] == 1
    assert found.reversion == (0, 1)
    assert found.distance[0] == found.distance[1] > 0  # of other images, which saw no trigger
    assert (found.images, found.suspects, found.searched) == (640, 20, 64)


class Counting(torch.nn.Module):
    """A model that counts the images that it is asked about without gradients."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model, self.asked = model, 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.asked += 0 if torch.is_grad_enabled() else len(images)
        return self.model(images)


def test_what_the_repair_has_asked_is_not_asked_again(backdoored, unlearned):
    case = replace(backdoored.case, model=Counting(backdoored.case.model))
    repaired = replace(unlearned, model=Counting(unlearned.model))
    found = torch.zeros(len(backdoored.poison), dtype=torch.bool)
    found[(backdoored.case.images.labels == 0).logical_and(~backdoored.poison).nonzero()[0]] = True
    known = BoundaryResult(found, torch.where(found, 7.0, torch.inf), torch.where(found, 1, -1))
    repaired = replace(repaired, boundary=known)
    asked = measure_checks(case, repaired, "fast")
    assert case.model.asked == 660
    more, pixels = repaired.model.asked, case.images.pixels
    assert more >= 660
    before, after = (predict(each.model, pixels).argmax(1) for each in (case.model, repaired.model))
    after[repaired.suspects.index] = -1  # as a second look leaves them
    case.model.asked = repaired.model.asked = 0
    assert measure_checks(case, replace(repaired, predictions=(before, after)), "fast") == asked
    assert (case.model.asked, repaired.model.asked) == (0, more - 640)


def test_distances_that_are_known_are_not_searched_again(backdoored, unlearned):
    rows = (backdoored.case.images.labels == 0).logical_and(~backdoored.poison).nonzero().flatten()
    found = torch.zeros(len(backdoored.poison), dtype=torch.bool)
    found[rows[:5]] = True
    known = BoundaryResult(found, torch.where(found, 7.0, torch.inf), torch.where(found, 1, -1))
    checks = measure_checks(backdoored.case, replace(unlearned, boundary=known), "fast")
    assert checks.searched == 5
    assert checks.distance[0] == 7
    assert 0 < checks.distance[1] < 7


def test_nothing_is_measured_where_nothing_was_repaired(backdoored, unlearned):
    none = torch.empty(0, dtype=torch.long)
    nobody = Suspects(none, none, none, torch.empty(0))
    same = replace(unlearned, suspects=nobody, model=backdoored.case.model)
    assert measure_checks(backdoored.case, same, "fast") is None
