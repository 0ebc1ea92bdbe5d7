"""Drawings that a page carries as SVG: their geometry and the numbers behind it.

They are drawn here because a strict page takes neither style attributes nor a fixed background,
which is what matplotlib writes; its figures are for files (`figures`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, log10
from typing import Any

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 44
BINS = 24


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis, in the drawing's units, and what is written there."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Series:
    """A path in SVG's language; `look` is its class in the style sheet.

    `sample` is what the legend shows of it, in 28 by 14 units.
    """

    name: str
    look: str
    path: str
    dots: tuple[tuple[float, float], ...] = ()
    sample: str = "M1 13V3H27V13"


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing, what it shows in words, and its numbers as a table."""

    name: str
    title: str
    summary: str
    x_label: str
    y_label: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    series: list[Series]
    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)


LOOKS = ("filled", "dashed", "plain")


def distance_chart(distances: Mapping[str, Sequence[float]]) -> Chart | None:
    """How far the images of each group are from the boundary; None where nothing was measured."""
    groups = {name: [v for v in values if v > 0] for name, values in distances.items()}
    groups = {name: values for name, values in groups.items() if values}
    every = [log10(value) for values in groups.values() for value in values]
    if not every:
        return None
    low, high = _middle(every)
    if high - low < 0.05:
        low, high = low - 0.05, high + 0.05
    shares = {name: _shares(values, low, high) for name, values in groups.items()}
    most = max(map(max, shares.values()))
    edges = [10 ** (low + (high - low) * k / BINS) for k in range(BINS + 1)]
    medians = {name: sorted(values)[len(values) // 2] for name, values in groups.items()}
    said = ", ".join(f"{medians[name]:.3g} of {name}" for name in groups)
    return Chart(
        name="distances",
        title="Distance to the decision boundary",
        summary=f"Medians: {said}. The first and last step hold what lies farther out.",
        x_label="boundary distance (L2 over pixels in [0, 1], logarithmic)",
        y_label="share of the group (%)",
        x_ticks=[Tick(_x(k / 4), f"{10 ** (low + (high - low) * k / 4):.2g}") for k in range(5)],
        y_ticks=_percent_ticks(most),
        series=[
            Series(f"{name} ({len(groups[name]):,})", look, _steps(shares[name], most))
            for look, name in zip(LOOKS, groups, strict=False)
        ],
        columns=["distance", *groups],
        rows=[
            [
                f"{edges[k]:.3g} to {edges[k + 1]:.3g}",
                *(f"{100 * s[k]:.1f} %" for s in shares.values()),
            ]
            for k in range(BINS)
        ],
    )


def round_chart(rounds: Sequence[Mapping[str, Any]]) -> Chart | None:
    """Suspects after each round of refinement; None where there was none.

    Args:
        rounds: as `tables.round_rows` makes them.
    """
    if not rounds:
        return None
    counts = [int(row["suspects"]) for row in rounds]
    most, last = max(1, *counts), max(1, len(rounds) - 1)
    dots = tuple((_x(k / last), _y(count / most / 1.1)) for k, count in enumerate(counts))
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in dots)
    shares = [
        "-" if row["discrepancy"] == "" else f"{100 * row['discrepancy']:.1f} %" for row in rounds
    ]
    return Chart(
        name="rounds",
        title="Suspects over the rounds of refinement",
        summary=f"From {counts[0]} to {counts[-1]} suspects by round {rounds[-1]['round']}.",
        x_label="round of refinement",
        y_label="suspects",
        x_ticks=[Tick(_x(k / last), str(row["round"])) for k, row in enumerate(rounds)],
        y_ticks=[
            Tick(_y(value / most / 1.1), str(value)) for value in sorted({0, (most + 1) // 2, most})
        ],
        series=[Series("suspects", "line", path, dots)],
        columns=["round", "suspects", "images of the target classes called otherwise"],
        rows=[
            [str(row["round"]), str(count), share]
            for row, count, share in zip(rounds, counts, shares, strict=True)
        ],
    )


def _middle(values: Sequence[float]) -> tuple[float, float]:
    """Where all but a hundredth lie; a few far out would leave no room for the others."""
    ranked, far = sorted(values), len(values) // 200
    return ranked[far], ranked[-1 - far]


def _shares(values: Sequence[float], low: float, high: float) -> list[float]:
    counts = [0] * BINS
    for value in values:
        place = int(BINS * (log10(value) - low) / (high - low))
        counts[min(BINS - 1, max(0, place))] += 1
    return [count / len(values) for count in counts]


def _steps(shares: Sequence[float], most: float) -> str:
    """An outline of bars that stand on the axis."""
    places = [f"M{_x(0):.1f} {_y(0):.1f}"]
    for k, share in enumerate(shares):
        places.append(f"V{_y(share / most / 1.1):.1f}H{_x((k + 1) / BINS):.1f}")
    return "".join(places) + f"V{_y(0):.1f}"


def _percent_ticks(most: float) -> list[Tick]:
    step = next(s for s in (1, 2, 5, 10, 20, 25, 50) if ceil(100 * most / s) <= 5 or s == 50)
    marks = range(0, int(100 * most) + 1, step)
    return [Tick(_y(mark / 100 / most / 1.1), str(mark)) for mark in marks]


def _x(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)
