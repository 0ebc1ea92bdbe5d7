"""FLARE, the layout of its images and the tree of its clusters."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import curve_fit
from torch import nn

from backburn.baselines.detectors.cluster_tree import next_split, stable_cut
from backburn.baselines.detectors.flare import FLARE, least_likelihoods
from backburn.baselines.detectors.umap_layout import (
    CURVE_POWER,
    CURVE_SCALE,
    neighbor_graph,
    umap_layout,
)
from backburn.errors import InputError
from backburn.types import Case, LabeledImages


def test_the_curve_is_fitted_to_a_least_distance_of_0():
    distance = np.linspace(0, 3, 300)
    fitted, _ = curve_fit(
        lambda x, a, b: 1 / (1 + a * x ** (2 * b)), distance, np.exp(-distance), p0=(1, 1)
    )
    assert fitted == pytest.approx([CURVE_SCALE, CURVE_POWER], rel=2e-3)


def test_the_weights_of_a_neighborhood_are_symmetric_and_1_to_the_nearest():
    points = np.array([[0.0], [1.0], [3.0], [7.0]])
    graph = neighbor_graph(points, 3).toarray()
    assert graph == pytest.approx(graph.T)
    assert not graph.diagonal().any()
    assert [graph[0, 1], graph[1, 2], graph[2, 3]] == pytest.approx([1, 1, 1])
    assert 0 < graph[0, 2] < 1


def test_groups_stay_apart_in_the_layout():
    random = np.random.default_rng(0)
    points = random.standard_normal((150, 6))
    points[:50] += 20
    layout = umap_layout(points, 15, 0)
    first, second = layout[:50], layout[50:]
    gap = np.linalg.norm(first.mean(0) - second.mean(0))
    assert gap > 3 * max(first.std(0).max(), second.std(0).max())
    assert np.array_equal(layout, umap_layout(points, 15, 0))


@pytest.mark.filterwarnings("error")
def test_points_that_are_all_equal_have_a_layout():
    layout = umap_layout(np.ones((6, 3)), 3, 0)
    assert layout.shape == (6, 2)
    assert np.isfinite(layout).all()


def joined(*records):
    """A tree of six points, from (left, right, distance, size)."""
    names = ["left_node", "right_node", "value", "cluster_size"]
    kinds = [np.intp, np.intp, np.float64, np.intp]
    return np.array(list(records), np.dtype(list(zip(names, kinds, strict=True))))


# 0 1 2 3 and 4 5, which join at a distance of 1; of the first, 0 1 and 2 3 join at 0.5
TREE = joined((0, 1, 0.1, 2), (2, 3, 0.1, 2), (4, 5, 0.2, 2), (6, 7, 0.5, 4), (8, 9, 1.0, 6))


def test_a_cluster_lasts_until_it_splits_or_dissolves():
    assert next_split(TREE, 10, 2) == (1.0, 9)
    assert next_split(TREE, 9, 2)[0] == 2.0
    assert next_split(TREE, 8, 2) == (5.0, None)
    assert next_split(TREE, 10, 3) == (2.0, None)  # the pair leaves, and no part of three is left


def test_the_cut_is_short_of_the_next_split():
    assert stable_cut(TREE, 2, 0.5, 1) == pytest.approx(1 / 2.0, rel=1e-3)
    assert stable_cut(TREE, 2, 0.5, 1) > 0.5
    assert stable_cut(TREE, 2, 1.5, 1) is None  # not stable
    assert stable_cut(TREE, 2, 1.5, 2) < 0.5  # but its larger part is
    assert stable_cut(TREE, 3, 0.5, 3) is None  # the set does not split


class Normalized(nn.Module):
    """Two batch norms, the second of which sees the squares."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.BatchNorm2d(1), nn.BatchNorm2d(1)
        self.head = nn.Linear(1, 2)

    def forward(self, images):
        self.second(self.first(images) ** 2)
        return self.head(images.mean((2, 3)))


def test_the_least_likely_activation_is_that_of_the_running_statistics():
    model = Normalized().eval()
    model.first.running_mean.fill_(0.5)
    model.first.running_var.fill_(0.25)
    pixels = torch.full((2, 1, 2, 2), 128, dtype=torch.uint8)
    pixels[1, 0, 0, 1] = 255
    found = least_likelihoods(model, pixels)
    middle = ((128 / 255 - 0.5) ** 2, 0.5**2)
    for likelihood, squared in zip(found[:, 0].tolist(), middle, strict=True):
        expected = -squared / 0.5 - math.log(2 * math.pi * 0.25) / 2
        assert likelihood == pytest.approx(expected, rel=1e-3)
    assert found.shape == (2, 2)


class Filtered(nn.Module):
    """Batch norm of four random filters."""

    def __init__(self):
        super().__init__()
        self.filters, self.norm = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        with torch.no_grad():
            weights = torch.randn(4, 1, 3, 3, generator=torch.Generator().manual_seed(0))
            self.filters.weight.copy_(weights)

    def forward(self, images):
        return self.norm(self.filters(images)).mean((2, 3))


def test_images_abnormal_in_one_way_are_found(generator):
    pixels = torch.randint(80, 176, (400, 1, 8, 8), generator=generator).byte()
    pixels[:60, 0, :3, :3] = torch.tensor([0, 255, 0], dtype=torch.uint8)
    images = LabeledImages(pixels, torch.zeros(400, dtype=torch.long), tuple("abcd"))
    model = Filtered()
    for _ in range(30):
        model(pixels[60:].float() / 255)  # in training mode: the running statistics move
    case = Case(model.eval(), images)
    evidence = FLARE(smallest_share=0.1).examine(case, generator)
    assert evidence.flagged[:60].all()
    # rounding, which depends on the processor, decides which fragments leave the largest cluster
    assert evidence.flagged[60:].float().mean() < 0.4
    assert evidence.score[:60].mean() > evidence.score[60:].mean()


def test_a_model_without_running_statistics_is_refused(generator):
    images = LabeledImages(torch.zeros(4, 1, 4, 4).byte(), torch.zeros(4, dtype=torch.long))
    plain = nn.Sequential(nn.Flatten(), nn.Linear(16, 2)).eval()
    with pytest.raises(InputError, match="batch norm"):
        FLARE().examine(Case(plain, images), generator)
