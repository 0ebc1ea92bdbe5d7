"""Pictures of a comparison: their numbers, and what is drawn."""

import csv
import io

import pytest
from matplotlib.figure import Figure

from backburn.report.comparison_figure import (
    comparison_files,
    draw_ranks,
    draw_tradeoff,
    method_styles,
    tradeoff_rows,
)
from compared import defense_row

NAMES = [f"method_{place}" for place in range(14)]
ROWS = [
    defense_row(name, attack, der=0.9 - place / 50, asr=place / 14, acc=0.9 - place / 100)
    for place, name in enumerate([*NAMES, "retrain"])
    for attack in ("badnets", "wanet", "none")
]
VICTIMS = [row for row in ROWS if row["rate"]]


def test_both_pictures_are_there_with_their_numbers_and_the_same_every_time():
    files = comparison_files(ROWS)
    names = {
        f"{name}.{suffix}" for name in ("ranks", "tradeoff") for suffix in ("csv", "png", "svg")
    }
    assert set(files) == names
    assert files == comparison_files(ROWS)
    ranks = list(csv.DictReader(io.StringIO(files["ranks.csv"].decode())))
    assert [row["mean_rank"] for row in ranks[:2]] == ["1.0", "2.0"]
    assert len(ranks) == 14
    points = list(csv.DictReader(io.StringIO(files["tradeoff.csv"].decode())))
    assert points[2] == {
        "method": "method_1", "attack": "badnets", "rate": "0.1", "seed": "0",
        "asr": "7.14", "acc_change": "-1.0",
    }  # fmt: skip
    assert len(points) == 15 * 2


def test_ranks_need_two_attacks_and_two_methods():
    assert {name.split(".")[0] for name in comparison_files(ROWS[:1])} == {"tradeoff"}
    one = [row for row in ROWS if row["attack"] == "badnets"]
    assert {name.split(".")[0] for name in comparison_files(one)} == {"tradeoff"}
    assert comparison_files([row for row in ROWS if not row["rate"]]) == {}
    with pytest.raises(ValueError, match="no ranks"):
        draw_ranks(Figure().subplots(), one)


def test_labels_of_many_methods_do_not_overlap():
    figure = Figure(figsize=(7.5, 1.6 + 0.2 * 14), layout="constrained")
    axes = figure.subplots()
    draw_ranks(axes, VICTIMS)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 14 + 1
    assert not any(a.overlaps(b) for place, a in enumerate(boxes) for b in boxes[place + 1 :])


def test_every_method_has_its_own_look():
    assert len({tuple(look.items()) for look in method_styles(NAMES * 2).values()}) == 14
    many = [f"{place:02}" for place in range(84)]
    assert len({tuple(look.items()) for look in method_styles(many).values()}) == 84
    assert method_styles(["a", "retrain"])["retrain"]["marker"] == "*"
    assert method_styles(["a", "b"]) == dict(reversed(method_styles(["b", "a"]).items()))


def test_means_are_large_and_named():
    axes = Figure().subplots()
    draw_tradeoff(axes, tradeoff_rows(VICTIMS, NAMES))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == NAMES
    few, large = axes.collections[2:4]
    assert len(few.get_offsets()) == 2
    assert large.get_offsets().tolist() == [[pytest.approx(7.14), -1.0]]
    assert large.get_sizes()[0] > 5 * few.get_sizes()[0]
