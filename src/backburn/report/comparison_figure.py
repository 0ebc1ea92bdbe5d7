"""Methods beside each other, drawn: mean ranks, and what is lost for what is removed."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import numpy as np

from ..benchmark.comparison.ranks import mean_ranks, nemenyi
from ..benchmark.comparison.standings import accuracy_drops, defense_standings
from ..benchmark.comparison.victims import CEILINGS, Row, counted, known
from ..errors import InputError
from .figure_files import SIZE, csv_of, pictures_of
from .figure_tables import Rows

COLORS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's, without their yellow, which is too light for lines and letters on white."""
MARKERS = "osD^vP<X>phd"
SHARES = (0, 1, 2, 5, 10, 20, 30, 50, 70, 100)
CHANGES = (-80, -50, -20, -10, -5, -2, -1, -0.5, 0, 0.5, 1, 2, 5, 10, 20)
CEILING = {"color": "#666666", "marker": "*"}


def comparison_files(rows: Sequence[Row]) -> dict[str, bytes]:
    """Pictures of defences with their numbers beside them, by file name; `rows` as for the tables.

    `ranks`: mean ranks by DER and which of them cannot be told apart, where two methods or more
    have victims of two attacks or more in common. `tradeoff`: ASR against the change in accuracy.
    Victims on which the attack failed are left out.

    Raises:
        InputError: matplotlib or scikit-posthocs is not installed.
    """
    held = counted(rows)
    order = [each.method for each in defense_standings(rows) if each.count]
    files: dict[str, bytes] = {}
    ranked, points = rank_rows(held), tradeoff_rows(held, order)
    if ranked:
        size = (7.5, 1.6 + 0.2 * len(ranked))
        files |= {"ranks.csv": csv_of(ranked)}
        files |= pictures_of("ranks", ranked, lambda axes, _: draw_ranks(axes, held), size)
    if points:
        # high enough for the legend
        size = (SIZE[0], max(SIZE[1], 0.4 + 0.175 * len(order)))
        files |= {"tradeoff.csv": csv_of(points)}
        files |= pictures_of("tradeoff", points, draw_tradeoff, size)
    return files


def rank_rows(held: Sequence[Row]) -> Rows:
    """A row a method, best first; none where nothing can be told apart."""
    ranks = mean_ranks(held)
    if ranks is None or ranks.critical_difference is None:
        return []
    return [
        {
            "method": method,
            "mean_rank": round(mean, 4),
            "critical_difference": round(ranks.critical_difference, 4),
            "victims": ranks.victims,
            "attacks": ranks.attacks,
        }
        for method, mean in ranks.mean.items()
    ]


def tradeoff_rows(held: Sequence[Row], order: Sequence[str]) -> Rows:
    """A row a victim of each method, in per cent and points; methods in this order."""
    rows = [row for row in accuracy_drops(held) if known(row, "asr") is not None]
    return [
        {
            **{name: row[name] for name in ("method", "attack", "rate", "seed")},
            "asr": round(100 * row["asr"], 2),
            "acc_change": round(-100 * row["drop"], 2) + 0.0,
        }
        for method in order
        for row in rows
        if row["method"] == method and known(row, "drop") is not None
    ]


def draw_ranks(axes: Any, held: Sequence[Row]) -> None:
    """Mean ranks on a line, those joined that Nemenyi's test cannot tell apart at .05."""
    try:
        from pandas import DataFrame
        from scikit_posthocs import critical_difference_diagram
    except ImportError as error:
        raise InputError(
            "the diagram of ranks needs scikit-posthocs: pip install 'backburn[benchmark]'"
        ) from error
    ranks = mean_ranks(held)
    if ranks is None or ranks.critical_difference is None:
        raise ValueError("there are no ranks that could be told apart")
    names = list(ranks.mean)
    colors = {name: look["color"] for name, look in looks(names).items()}
    critical_difference_diagram(
        dict(ranks.mean),
        DataFrame(nemenyi(ranks), index=names, columns=names),
        ax=axes,
        label_fmt_left="{label} ({rank:.2f})",
        label_fmt_right="({rank:.2f}) {label}",
        color_palette=colors,
        text_h_margin=0.015 * len(names),
    )
    best = min(ranks.mean.values())
    axes.plot([best, best + ranks.critical_difference], [1.6, 1.6], color="black", linewidth=2)
    axes.text(best, 1.9, f"critical difference {ranks.critical_difference:.2f}", va="bottom")
    axes.set_xlabel(f"mean rank by DER, {ranks.victims} victims of {ranks.attacks} attacks")


def draw_tradeoff(axes: Any, rows: Rows) -> None:
    """A point a victim, a large one for each method's mean; best is at the upper left."""
    names = list(dict.fromkeys(row["method"] for row in rows))
    axes.axhline(0, color="#cccccc", linewidth=1, zorder=0)
    for place, (name, look) in enumerate(looks(names).items()):
        own = [row for row in rows if row["method"] == name]
        x, y = ([row[column] for row in own] for column in ("asr", "acc_change"))
        axes.scatter(x, y, s=9, alpha=0.4, linewidths=0, **look)
        above = 3 + (len(names) - place) / len(names)  # the best is not hidden by others
        size = 150 if look is CEILING else 75
        mean = [fmean(x)], [fmean(y)]
        edge = {"edgecolors": "white", "linewidths": 0.8}
        axes.scatter(*mean, s=size, zorder=above, label=name, **edge, **look)
    _stretch(axes, [row["acc_change"] for row in rows])
    axes.set(xlabel="ASR after the repair (%, square root)")
    axes.set(ylabel="ACC after minus before (points, log beyond 1)")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8)


def _stretch(axes: Any, changes: Sequence[float]) -> None:
    """Give most room to where good defences are: small ASR, small changes of accuracy."""
    axes.set_xscale("function", functions=(_root, _square))
    axes.set_xlim(-0.1, 110)
    axes.set_xticks(SHARES, map(str, SHARES))
    axes.set_yscale("symlog", linthresh=1, linscale=1)
    low, high = min(changes), max(changes)
    axes.set_ylim(1.25 * min(low, -0.2), max(1.25 * high, 0.1))
    shown = [tick for tick in CHANGES if 1.25 * min(low, -0.2) <= tick <= max(1.25 * high, 0.1)]
    axes.set_yticks(shown, [f"{tick:g}" for tick in shown])
    axes.minorticks_off()


def _root(values: Any) -> Any:
    return np.sign(values) * np.sqrt(np.abs(values))


def _square(values: Any) -> Any:
    return np.sign(values) * np.square(values)


def looks(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """A color and a marker for each method, the same in both pictures; ceilings are gray stars."""
    rivals = sorted(name for name in names if name not in CEILINGS)
    return {
        name: CEILING
        if name in CEILINGS
        else {
            "color": COLORS[rivals.index(name) % len(COLORS)],
            "marker": MARKERS[rivals.index(name) % len(MARKERS)],
        }
        for name in names
    }
