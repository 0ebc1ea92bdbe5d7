"""Figure of the retuning attack: ASR against the number of triggered images."""

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from ..benchmark.comparison.victims import Row, rows_of_victims, setting_name, setting_of
from ..benchmark.reactivation_table import CONTROL, order_of
from .comparison_figure import method_styles
from .figure_files import render_figure
from .figure_tables import Rows

REPAIRED = "repaired"
CONTROL_LINE = {"linewidth": 3.0, "linestyle": (0, (4, 1)), "markersize": 10}
METHOD_LINE = {"linewidth": 1.3, "markersize": 5}
MAX_PANELS = 3
"""With more attacks than that, one panel shows the means over all of them."""


def reactivation_files(rows: Sequence[Row]) -> dict[str, bytes]:
    """Return the figure `reactivation` as PNG and SVG, by file name; empty without rows.

    Args:
        rows: of `benchmark.reactivation_table.reactivation_rows`.
    Raises:
        InputError: matplotlib isn't installed.
    """
    counted = rows_of_victims(rows)
    if not counted:
        return {}
    panels = len(_panels(counted))
    height = max(4.2, 0.8 + 0.24 * len({row["method"] for row in counted}))
    draw = draw_reactivation if panels > 1 else _draw_one
    size = (1.8 + 4.0 * panels, height)
    return render_figure("reactivation", counted, draw, size, panels=panels)


def draw_reactivation(panels: Iterable[Any], rows: Rows) -> None:
    """Draw a line for each method: the mean ASR over the victims. The control is gray and dashed.

    Args:
        panels: matplotlib axes, one for each attack; or one for the mean over more than three.
        rows: of victims on which the attack worked.
    """
    panels, order = list(panels), order_of(rows)
    counts = sorted({row["images"] for row in rows})
    for axes, (title, own) in zip(panels, _panels(rows).items(), strict=True):
        for method, style in method_styles(order).items():
            values = _mean_curve([row for row in own if row["method"] == method], counts)
            is_control = method == CONTROL
            look = style | (CONTROL_LINE if is_control else METHOD_LINE)
            label = f"{method} (control)" if is_control else method
            axes.plot(range(len(values)), values, label=label, zorder=3, **look)
        axes.set_xticks(range(len(counts) + 1), [REPAIRED, *map(str, counts)])
        axes.set(title=title, xlabel="triggered images in the fine-tuning", ylim=(-3, 103))
        axes.grid(axis="y", alpha=0.25)
    panels[0].set_ylabel("ASR (%)")
    panels[-1].legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8)


def _draw_one(axes: Any, rows: Rows) -> None:
    draw_reactivation([axes], rows)


def _panels(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each panel by its title."""
    settings = sorted({setting_of(row) for row in rows})
    if len(settings) > MAX_PANELS:
        return {f"mean over {len(settings)} attacks": list(rows)}
    return {setting_name(s): [row for row in rows if setting_of(row) == s] for s in settings}


def _mean_curve(rows: Sequence[Row], counts: Sequence[int]) -> list[float]:
    """Mean ASR in percent: repaired, then for each count; NaN where it was not measured."""
    groups = [
        [row["asr_repaired"] for row in rows],
        *([row["asr"] for row in rows if row["images"] == count] for count in counts),
    ]
    return [100 * fmean(values) if values else float("nan") for values in groups]
