"""A figure of every method on every attack and rate, over the seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .columns import Column
from .intervals import Mean, plain_mean
from .victims import CEILINGS, Row, known, setting_of, victim_of

Setting = tuple[str, float]


@dataclass(frozen=True, slots=True)
class Grid:
    """Means by method and setting, where there are any; `seeds` of each setting are counted."""

    column: Column
    seeds: Mapping[Setting, int]
    means: Mapping[tuple[str, Setting], Mean]

    def shown(self, method: str, setting: Setting) -> str:
        """The mean as it is printed; how many seeds it is of where some are missing."""
        mean, seeds = self.means.get((method, setting)), self.seeds[setting]
        if mean is None:
            return "-"
        counted = "" if mean.count == seeds else f" ({mean.count} of {seeds})"
        return self.column.shown(mean.value) + counted

    def leads(self, method: str, setting: Setting) -> bool:
        """Whether a method is best on a setting, to the places shown; ceilings never are."""
        values = {
            name: self.column.shown(mean.value)
            for (name, where), mean in self.means.items()
            if where == setting and name not in CEILINGS
        }
        best = min if self.column.lower else max
        return method in values and values[method] == best(values.values(), key=float)


def grid_of(rows: Sequence[Row], column: Column) -> Grid:
    """The means of these rows, settings in the order of their names and rates."""
    settings = sorted({setting_of(row) for row in rows})
    groups: dict[tuple[str, Setting], list[float | None]] = {}
    for row in rows:
        groups.setdefault((row["method"], setting_of(row)), []).append(known(row, column.name))
    means = {key: plain_mean(values) for key, values in groups.items()}
    return Grid(
        column,
        {s: len({victim_of(row) for row in rows if setting_of(row) == s}) for s in settings},
        {key: mean for key, mean in means.items() if mean is not None},
    )
