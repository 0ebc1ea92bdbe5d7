"""What figures show: numbers first, pictures made from them."""

import csv
import io

import pytest
import torch

from backburn.report.figure_data import FigureData, compute_figure_data
from backburn.report.figure_tables import crossed_rows, distance_rows, round_rows
from backburn.report.paper_figures import figure_files
from backburn.results import Evidence, Phase
from backburn.types import Truth


@pytest.fixture
def data() -> FigureData:
    """Class 0: two clean images, one cover, three poison; class 1: two clean ones."""
    group = ("clean", "clean", "cover", "poison", "poison", "poison", "clean", "clean")
    distance = torch.tensor([1.0, 2.0, 9.0, 3.0, 4.0, 1.5, 9.0, 9.0])
    features = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    return FigureData(
        torch.arange(8) * 10,
        group,
        torch.tensor([0, 0, 0, 0, 0, 0, 1, 1]),
        torch.tensor([1, 1, 2, 1, 2, 2, 0, -1]),
        {"distance": distance.log(), "coin": torch.zeros(8)},
        features,
        features + 1,
    )


def test_measures_are_judged_within_the_class_and_cover_samples_do_not_count(data):
    found = data.aurocs()
    assert found["distance"] == pytest.approx(5 / 6)  # one of six pairs is the wrong way round
    assert found["coin"] == 0.5


def test_distances_of_the_class_and_of_others_are_told_apart(data):
    rows = distance_rows(data)
    assert rows[0] == {"group": "clean, same class", "distance": 1.0}
    assert rows[3] == {"group": "poison", "distance": 3.0}
    assert rows[6]["group"] == "clean, other classes"


def test_crossed_labels_are_shares_of_each_group_of_the_marked_class(data):
    rows = crossed_rows(data, ("ant", "bee", "cat"))
    shares = {(row["group"], row["label"]): row["share"] for row in rows}
    assert shares["poison", "ant"] == 0
    assert shares["poison", "bee"] == pytest.approx(1 / 3, abs=1e-4)
    assert shares["poison", "cat"] == pytest.approx(2 / 3, abs=1e-4)
    assert shares["clean", "bee"] == 1


HISTORY = (
    Phase("restoration", 0.1, {"suspects": 7}),
    Phase("refinement", 0.1, {"suspects": 5, "discrepancy": 0.25}),
)


def test_rounds_begin_with_what_was_found_first():
    assert round_rows(HISTORY) == [
        {"round": 0, "suspects": 7, "discrepancy": ""},
        {"round": 1, "suspects": 5, "discrepancy": 0.25},
    ]
    assert round_rows(HISTORY[:1]) == []


def test_every_figure_has_a_picture_twice_and_its_numbers(data):
    files = figure_files(data, HISTORY)
    names = {"distances", "crossed_labels", "embedding", "rounds"}
    pictures = {f"{name}.{suffix}" for name in names for suffix in ("png", "svg", "csv")}
    assert set(files) == pictures | {"evidence.csv", "auroc.csv"}
    assert all(files[f"{name}.png"].startswith(b"\x89PNG") for name in names)
    assert all(b"<svg" in files[f"{name}.svg"] for name in names)
    rows = list(csv.DictReader(io.StringIO(files["embedding.csv"].decode())))
    assert [row["group"] for row in rows].count("perturbed") == 3
    assert len(rows) == 11


def test_without_suspects_there_are_distances_only(data):
    plain = (data.rows, ("other",) * 8, data.labels, data.crossed, data.measures)
    clean = FigureData(*plain, None, None)
    files = figure_files(clean, ())
    assert {name.split(".")[0] for name in files} == {"distances", "evidence"}
    assert clean.aurocs() == {}  # nothing to be told apart


def test_figure_data_measures_images_of_every_kind(backdoored, generator):
    case, poison = backdoored.case, backdoored.poison
    truth = Truth(torch.where(poison, 2, 0).to(torch.int8), case.images.labels)
    data = compute_figure_data(case, Evidence(poison.float(), poison), truth, 15, "fast", generator)
    assert data.group.count("poison") == 15
    assert data.group.count("clean") == 8 * 15
    assert data.marked_classes == [0]
    aurocs = data.aurocs()
    assert aurocs["combined"] == 1
    assert aurocs["pixel_direction"] > 0.9
    assert "feature_shift" not in aurocs  # the model names no features
    assert all(len(values) == len(data.rows) for values in data.measures.values())
