"""Features in two dimensions, and how they are drawn."""

import math
from dataclasses import replace

import pytest
import torch

from backburn.report.embedding import embed_features, embed_suspects
from backburn.report.svg_scatter import embedding_chart
from backburn.types import BoundaryResult, Case, LabeledImages


def test_perturbed_features_are_placed_by_the_components_of_the_images():
    before = torch.tensor([[-4.0, 0, 0], [4, 0, 0], [0, -1, 0], [0, 1, 0]])
    marked = torch.tensor([False, True, False, False])
    points = embed_features(("a", "b", "a", "a"), before, marked, torch.tensor([[-2.0, 0.5, 9]]))
    assert list(points) == ["a", "b", "perturbed"]
    ((x, y),) = points["b"]
    ((moved, up),) = points["perturbed"]
    assert abs(x) == pytest.approx(4)
    assert moved == pytest.approx(-x / 2)
    assert (abs(y), abs(up)) == (pytest.approx(0, abs=1e-6), pytest.approx(0.5))


@pytest.mark.parametrize(("count", "width", "mark"), [(3, 1, True), (1, 3, True), (3, 3, False)])
def test_too_little_is_not_embedded(count, width, mark):
    marked = torch.full((count,), mark)
    features = torch.rand(count, width)
    assert embed_features(["a"] * count, features, marked, features[marked]) == {}


class Sums(torch.nn.Module):
    """Its features are the sums of an image's rows."""

    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(3, 2)

    def features(self, images):
        return images.sum((1, 3))

    def forward(self, images):
        return self.head(self.features(images))


def test_suspects_without_a_boundary_have_no_place(generator):
    pixels = torch.randint(256, (700, 1, 3, 3), generator=generator, dtype=torch.uint8)
    case = Case(Sums().eval(), LabeledImages(pixels, torch.arange(700) % 2))
    rows = torch.tensor([5, 9, 11])
    marked = torch.zeros(700, dtype=torch.bool).index_fill(0, rows, True)
    found = torch.tensor([True, False, True])
    boundary = BoundaryResult(found, torch.ones(3), torch.zeros(3, dtype=torch.long))
    assert embed_suspects(case, marked, rows, boundary) == {}
    boundary = replace(boundary, feature=torch.rand(3, 3))
    points = embed_suspects(case, marked, rows, boundary)
    assert {name: len(held) for name, held in points.items()} == {
        "other": 300, "suspect": 2, "perturbed": 2,
    }  # fmt: skip


def test_every_place_is_a_mark_within_the_drawing_and_a_row():
    points = {
        "suspect": [(10.0, 1.0), (math.nan, 0.0)],
        "other": [(0.0, 0.0), (1.0, -2.0)],
        "unknown": [(5.0, 5.0)],
    }
    chart = embedding_chart(points)
    assert [(each.name, each.path.count("M")) for each in chart.series] == [
        ("other images (2)", 2), ("suspects (1)", 1),
    ]  # fmt: skip
    assert len({each.css_class for each in chart.series}) == len(chart.series)
    assert chart.rows == [
        ["other images", "0", "0"], ["other images", "1", "-2"], ["suspects", "10", "1"],
    ]  # fmt: skip
    starts = [part.split("m")[0] for each in chart.series for part in each.path.split("M")[1:]]
    places = [tuple(map(float, start.split())) for start in starts]
    assert all(56 <= x <= 628 and 12 <= y <= 256 for x, y in places)


@pytest.mark.parametrize("points", [{}, {"unknown": [(1.0, 1.0)]}, {"other": [(math.inf, 1.0)]}])
def test_nothing_is_drawn_of_nothing(points):
    assert embedding_chart(points) is None


def test_one_place_can_be_drawn():
    assert embedding_chart({"suspect": [(3.0, 3.0)]}).x_ticks[2].text == "3"
