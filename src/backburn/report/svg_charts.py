"""Charts that the report page draws as inline SVG: distances and rounds.

Matplotlib's SVG can't be used there. It relies on style attributes, which the content security
policy of the page forbids, and on a fixed background color. It draws the figures that are written
as files (`figures`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, log10
from typing import Any

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 44
"""Margins around the axes, in SVG units."""
BINS = 24
HEADROOM = 1.1
"""Height of the y axis relative to the largest value."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A tick on an axis: its position in SVG units and its label."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a chart.

    Args:
        name: shown in the legend.
        css_class: its class in the style sheet.
        path: an SVG path.
        dots: centers of circles.
        sample: an SVG path for the legend, 28 by 14 units.
    """

    name: str
    css_class: str
    path: str
    dots: tuple[tuple[float, float], ...] = ()
    sample: str = "M1 13V3H27V13"


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, its summary in words, and its numbers as a table (`columns` and `rows`)."""

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


SERIES_CLASSES = ("filled", "dashed", "plain")


def distance_chart(distances: Mapping[str, Sequence[float]]) -> Chart | None:
    """Build histograms of the boundary distance of each group; None without any distance.

    Args:
        distances: boundary distances by group; those that aren't positive are left out.
    """
    groups = {name: [v for v in values if v > 0] for name, values in distances.items()}
    groups = {name: values for name, values in groups.items() if values}
    logarithms = [log10(value) for values in groups.values() for value in values]
    if not logarithms:
        return None
    low, high = _central_range(logarithms)
    if high - low < 0.05:
        low, high = low - 0.05, high + 0.05
    shares = {name: _bin_shares(values, low, high) for name, values in groups.items()}
    largest = max(map(max, shares.values()))
    edges = [10 ** (low + (high - low) * k / BINS) for k in range(BINS + 1)]
    medians = {name: sorted(values)[len(values) // 2] for name, values in groups.items()}
    listing = ", ".join(f"{median:.3g} of {name}" for name, median in medians.items())
    return Chart(
        name="distances",
        title="Distance to the decision boundary",
        summary=f"Medians: {listing}. The first and last step hold what lies farther out.",
        x_label="boundary distance (L2 over pixels in [0, 1], logarithmic)",
        y_label="share of the group (%)",
        x_ticks=[Tick(_x(k / 4), f"{10 ** (low + (high - low) * k / 4):.2g}") for k in range(5)],
        y_ticks=_percent_ticks(largest),
        series=[
            Series(f"{name} ({len(groups[name]):,})", css_class, _outline(shares[name], largest))
            for css_class, name in zip(SERIES_CLASSES, groups, strict=False)
        ],
        columns=["distance", *groups],
        rows=[
            [
                f"{edges[k]:.3g} to {edges[k + 1]:.3g}",
                *(f"{100 * share[k]:.1f} %" for share in shares.values()),
            ]
            for k in range(BINS)
        ],
    )


def round_chart(rounds: Sequence[Mapping[str, Any]]) -> Chart | None:
    """Build the line of suspects over the rounds of refinement; None without rounds.

    Args:
        rounds: of `figure_tables.round_rows`.
    """
    if not rounds:
        return None
    counts = [int(row["suspects"]) for row in rounds]
    largest, last = max(1, *counts), max(1, len(rounds) - 1)
    dots = tuple((_x(k / last), _y(count / largest / HEADROOM)) for k, count in enumerate(counts))
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
            Tick(_y(value / largest / HEADROOM), str(value))
            for value in sorted({0, (largest + 1) // 2, largest})
        ],
        series=[Series("suspects", "line", path, dots)],
        columns=["round", "suspects", "images of the target classes called otherwise"],
        rows=[
            [str(row["round"]), str(count), share]
            for row, count, share in zip(rounds, counts, shares, strict=True)
        ],
    )


def _central_range(values: Sequence[float]) -> tuple[float, float]:
    """Return the range of the central 99 %; outliers would leave no room for the others."""
    ordered, cut = sorted(values), len(values) // 200
    return ordered[cut], ordered[-1 - cut]


def _bin_shares(values: Sequence[float], low: float, high: float) -> list[float]:
    """Return the share of values in each bin; the outer bins include what lies beyond."""
    counts = [0] * BINS
    for value in values:
        k = int(BINS * (log10(value) - low) / (high - low))
        counts[min(BINS - 1, max(0, k))] += 1
    return [count / len(values) for count in counts]


def _outline(shares: Sequence[float], largest: float) -> str:
    """Return the outline of a histogram as an SVG path."""
    parts = [f"M{_x(0):.1f} {_y(0):.1f}"]
    for k, share in enumerate(shares):
        parts.append(f"V{_y(share / largest / HEADROOM):.1f}H{_x((k + 1) / BINS):.1f}")
    return "".join(parts) + f"V{_y(0):.1f}"


def _percent_ticks(largest: float) -> list[Tick]:
    step = next(s for s in (1, 2, 5, 10, 20, 25, 50) if ceil(100 * largest / s) <= 5 or s == 50)
    marks = range(0, int(100 * largest) + 1, step)
    return [Tick(_y(mark / 100 / largest / HEADROOM), str(mark)) for mark in marks]


def _x(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)
