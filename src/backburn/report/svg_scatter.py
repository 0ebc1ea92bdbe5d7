"""The scatter chart of the embedding on the report page, with a mark of its own per group."""

from collections.abc import Sequence
from math import isfinite

from .embedding import OTHER, PERTURBED, SUSPECT, Points
from .svg_charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart, Series, Tick

MARKS = {
    OTHER: ("other images", "ring", "m-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0"),
    SUSPECT: ("suspects", "cross", "m-3-3l6 6m0-6l-6 6"),
    PERTURBED: ("suspects behind the boundary", "triangle", "m0-4l3.5 6.5h-7z"),
}
"""Name, class in the style sheet, and shape of each group; the shape is a relative SVG path."""


def embedding_chart(points: Points) -> Chart | None:
    """Build the chart of other images, suspects and perturbed suspects; None without points.

    Args:
        points: points by group; groups that aren't in `MARKS` are left out.
    """
    groups = {
        name: [point for point in points.get(name, ()) if all(map(isfinite, point))]
        for name in MARKS
    }
    groups = {name: members for name, members in groups.items() if members}
    all_points = [point for members in groups.values() for point in members]
    if not all_points:
        return None
    x_scale, y_scale = (_Scale([point[axis] for point in all_points]) for axis in (0, 1))
    left, bottom = LEFT, HEIGHT - BOTTOM
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    series = []
    for name, members in groups.items():
        title, css_class, mark = MARKS[name]
        positions = [
            (left + width * x_scale.share(x), bottom - height * y_scale.share(y))
            for x, y in members
        ]
        path = "".join(f"M{x:.1f} {y:.1f}{mark}" for x, y in positions)
        legend = f"{title} ({len(members):,})"
        series.append(Series(legend, css_class, path, sample=f"M14 7{mark}"))
    counts = ", ".join(f"{len(members):,} {MARKS[name][0]}" for name, members in groups.items())
    return Chart(
        name="embedding",
        title="Features before and behind the boundary",
        summary=(
            f"{counts}. Where suspects carry a trigger, they tend to lie apart, and behind the "
            "boundary among the images of other classes."
        ),
        x_label="first principal component of the features",
        y_label="second",
        x_ticks=[Tick(round(left + width * share, 1), text) for share, text in x_scale.ticks()],
        y_ticks=[Tick(round(bottom - height * share, 1), text) for share, text in y_scale.ticks()],
        series=series,
        columns=["group", "first component", "second"],
        rows=[
            [MARKS[name][0], f"{x:.3g}", f"{y:.3g}"]
            for name, members in groups.items()
            for x, y in members
        ],
    )


class _Scale:
    """Maps values onto [0, 1], with a margin of 5 % at both ends."""

    def __init__(self, values: Sequence[float]):
        low, high = min(values), max(values)
        margin = 0.05 * (high - low) or 1.0
        self.low, self.width = low - margin, high - low + 2 * margin

    def share(self, value: float) -> float:
        return (value - self.low) / self.width

    def ticks(self) -> list[tuple[float, str]]:
        return [(k / 4, f"{self.low + k / 4 * self.width:.2g}") for k in range(5)]
