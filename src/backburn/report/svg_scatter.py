"""The embedding as a drawing of the page: a mark a place, of another shape in each group."""

from collections.abc import Sequence
from math import isfinite

from .embedding import OTHER, PERTURBED, SUSPECT, Points
from .svg_charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart, Series, Tick

MARKS = {
    OTHER: ("other images", "ring", "m-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0"),
    SUSPECT: ("suspects", "cross", "m-3-3l6 6m0-6l-6 6"),
    PERTURBED: ("suspects behind the boundary", "triangle", "m0-4l3.5 6.5h-7z"),
}
"""Of each group the name, the class in the style sheet, and the shape, as a path from its place."""


def embedding_chart(points: Points) -> Chart | None:
    """The features of other images, suspects and perturbed suspects; None where there are none.

    Args:
        points: by a group of `MARKS`; other groups are left out.
    """
    groups = {name: [at for at in points.get(name, ()) if all(map(isfinite, at))] for name in MARKS}
    groups = {name: held for name, held in groups.items() if held}
    every = [at for held in groups.values() for at in held]
    if not every:
        return None
    across, up = (_Scale([at[axis] for at in every]) for axis in (0, 1))
    left, low = LEFT, HEIGHT - BOTTOM
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    series = []
    for name, held in groups.items():
        title, look, mark = MARKS[name]
        places = [(left + wide * across.share(x), low - high * up.share(y)) for x, y in held]
        path = "".join(f"M{x:.1f} {y:.1f}{mark}" for x, y in places)
        series.append(Series(f"{title} ({len(held):,})", look, path, sample=f"M14 7{mark}"))
    said = ", ".join(f"{len(held):,} {MARKS[name][0]}" for name, held in groups.items())
    return Chart(
        name="embedding",
        title="Features before and behind the boundary",
        summary=(
            f"{said}. Where suspects carry a trigger, they tend to lie apart, and behind the "
            "boundary among the images of other classes."
        ),
        x_label="first principal component of the features",
        y_label="second",
        x_ticks=[Tick(round(left + wide * share, 1), text) for share, text in across.ticks()],
        y_ticks=[Tick(round(low - high * share, 1), text) for share, text in up.ticks()],
        series=series,
        columns=["group", "first component", "second"],
        rows=[
            [MARKS[name][0], f"{x:.3g}", f"{y:.3g}"]
            for name, held in groups.items()
            for x, y in held
        ],
    )


class _Scale:
    """Values onto [0, 1], with room at both ends."""

    def __init__(self, values: Sequence[float]):
        low, high = min(values), max(values)
        margin = 0.05 * (high - low) or 1.0
        self.low, self.width = low - margin, high - low + 2 * margin

    def share(self, value: float) -> float:
        return (value - self.low) / self.width

    def ticks(self) -> list[tuple[float, str]]:
        return [(k / 4, f"{self.low + k / 4 * self.width:.2g}") for k in range(5)]
