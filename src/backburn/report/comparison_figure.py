"""Figures that compare methods: mean ranks, and attack success against loss of accuracy."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import numpy as np

from ..benchmark.comparison.ranks import mean_ranks, nemenyi_p_values
from ..benchmark.comparison.standings import accuracy_drops, defense_standings
from ..benchmark.comparison.victims import CEILINGS, Row, figure_of, rows_of_victims
from ..errors import InputError
from .figure_files import FIGURE_SIZE, render_figure, rows_to_csv
from .figure_tables import Rows

COLORS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""The palette of Okabe and Ito without its yellow, which is too light on white."""
MARKERS = "osD^vP<X>phd"
ASR_TICKS = (0, 1, 2, 5, 10, 20, 30, 50, 70, 100)
ACCURACY_TICKS = (-80, -50, -20, -10, -5, -2, -1, -0.5, 0, 0.5, 1, 2, 5, 10, 20)
CEILING_STYLE = {"color": "#666666", "marker": "*"}


def comparison_files(rows: Sequence[Row]) -> dict[str, bytes]:
    """Return figures that compare defenses, with their numbers, by file name.

    `ranks` shows mean ranks by DER, and which of them don't differ significantly. It needs two
    methods or more with victims of two attacks or more in common. `tradeoff` shows ASR against the
    change in accuracy. Victims on which the attack failed are left out.

    Args:
        rows: of `benchmark.comparison.rows.defense_rows`.
    Raises:
        InputError: matplotlib or scikit-posthocs isn't installed.
    """
    victims = rows_of_victims(rows)
    order = [standing.method for standing in defense_standings(rows) if standing.count]
    files: dict[str, bytes] = {}
    ranks, points = rank_rows(victims), tradeoff_rows(victims, order)
    if ranks:
        size = (7.5, 1.6 + 0.2 * len(ranks))
        files |= {"ranks.csv": rows_to_csv(ranks)}
        files |= render_figure("ranks", ranks, lambda axes, _: draw_ranks(axes, victims), size)
    if points:
        # high enough for the legend
        size = (FIGURE_SIZE[0], max(FIGURE_SIZE[1], 0.4 + 0.175 * len(order)))
        files |= {"tradeoff.csv": rows_to_csv(points)}
        files |= render_figure("tradeoff", points, draw_tradeoff, size)
    return files


def rank_rows(victims: Sequence[Row]) -> Rows:
    """Return the mean rank of each method, best first; empty without a critical difference.

    Args:
        victims: rows of victims on which the attack worked.
    """
    ranks = mean_ranks(victims)
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


def tradeoff_rows(victims: Sequence[Row], order: Sequence[str]) -> Rows:
    """Return ASR in percent and the change in accuracy in points, of each method and victim.

    Args:
        victims: rows of victims on which the attack worked.
        order: the methods, in the order of the result.
    """
    rows = [row for row in accuracy_drops(victims) if figure_of(row, "asr") is not None]
    return [
        {
            **{name: row[name] for name in ("method", "attack", "rate", "seed")},
            "asr": round(100 * row["asr"], 2),
            "acc_change": round(-100 * row["drop"], 2) + 0.0,
        }
        for method in order
        for row in rows
        if row["method"] == method and figure_of(row, "drop") is not None
    ]


def draw_ranks(axes: Any, victims: Sequence[Row]) -> None:
    """Draw mean ranks on a line, joining methods that Nemenyi's test doesn't separate at 0.05.

    Args:
        axes: matplotlib axes.
        victims: rows of victims on which the attack worked.
    Raises:
        InputError: scikit-posthocs isn't installed.
    """
    try:
        from pandas import DataFrame
        from scikit_posthocs import critical_difference_diagram
    except ImportError as error:
        raise InputError(
            "the diagram of ranks needs scikit-posthocs: pip install 'backburn[benchmark]'"
        ) from error
    ranks = mean_ranks(victims)
    if ranks is None or ranks.critical_difference is None:
        raise ValueError("there are no ranks that could be told apart")
    names = list(ranks.mean)
    critical_difference_diagram(
        dict(ranks.mean),
        DataFrame(nemenyi_p_values(ranks), index=names, columns=names),
        ax=axes,
        label_fmt_left="{label} ({rank:.2f})",
        label_fmt_right="({rank:.2f}) {label}",
        color_palette={name: style["color"] for name, style in method_styles(names).items()},
        text_h_margin=0.015 * len(names),
    )
    best = min(ranks.mean.values())
    axes.plot([best, best + ranks.critical_difference], [1.6, 1.6], color="black", linewidth=2)
    axes.text(best, 1.9, f"critical difference {ranks.critical_difference:.2f}", va="bottom")
    axes.set_xlabel(f"mean rank by DER, {ranks.victims} victims of {ranks.attacks} attacks")


def draw_tradeoff(axes: Any, rows: Rows) -> None:
    """Draw a small point for each victim, and a large one for the mean of each method.

    The best methods are at the upper left.

    Args:
        axes: matplotlib axes.
        rows: of `tradeoff_rows`.
    """
    names = list(dict.fromkeys(row["method"] for row in rows))
    axes.axhline(0, color="#cccccc", linewidth=1, zorder=0)
    for position, (name, style) in enumerate(method_styles(names).items()):
        members = [row for row in rows if row["method"] == name]
        x, y = ([row[column] for row in members] for column in ("asr", "acc_change"))
        axes.scatter(x, y, s=9, alpha=0.4, linewidths=0, **style)
        zorder = 3 + (len(names) - position) / len(names)  # the best is not hidden by others
        size = 150 if style is CEILING_STYLE else 75
        mean = [fmean(x)], [fmean(y)]
        edge = {"edgecolors": "white", "linewidths": 0.8}
        axes.scatter(*mean, s=size, zorder=zorder, label=name, **edge, **style)
    _set_scales(axes, [row["acc_change"] for row in rows])
    axes.set(xlabel="ASR after the repair (%, square root)")
    axes.set(ylabel="ACC after minus before (points, log beyond 1)")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8)


def _set_scales(axes: Any, changes: Sequence[float]) -> None:
    """Give most room to small ASR and small changes of accuracy, where good defenses are."""
    axes.set_xscale("function", functions=(_signed_root, _signed_square))
    axes.set_xlim(-0.1, 110)
    axes.set_xticks(ASR_TICKS, map(str, ASR_TICKS))
    axes.set_yscale("symlog", linthresh=1, linscale=1)
    low, high = 1.25 * min(*changes, -0.2), max(1.25 * max(changes), 0.1)
    axes.set_ylim(low, high)
    ticks = [tick for tick in ACCURACY_TICKS if low <= tick <= high]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def _signed_root(values: Any) -> Any:
    return np.sign(values) * np.sqrt(np.abs(values))


def _signed_square(values: Any) -> Any:
    return np.sign(values) * np.square(values)


def method_styles(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return color and marker of each method, the same in all figures; ceilings are gray stars."""
    ordered = sorted(name for name in names if name not in CEILINGS)
    return {
        name: CEILING_STYLE
        if name in CEILINGS
        else {
            "color": COLORS[ordered.index(name) % len(COLORS)],
            "marker": MARKERS[ordered.index(name) % len(MARKERS)],
        }
        for name in names
    }
