"""The main tables as values: one standing for each method, best first."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .columns import ACC, ASR, AUROC, COST, DER, FPR, RA, RANK, TPR, Column
from .intervals import Mean, bootstrap_mean, mean_of_known
from .ranks import MeanRanks, mean_ranks
from .victims import (
    CEILINGS,
    Row,
    figure_of,
    method_names,
    rows_of_clean_models,
    rows_of_victims,
    victim_of,
)


@dataclass(frozen=True, slots=True)
class Standing:
    """The means of a method, over `count` of `total` victims, by the name of their column.

    `inputs` says what the method was given, as text.
    """

    method: str
    inputs: str
    count: int
    total: int
    figures: Mapping[str, Mean] = field(default_factory=dict)

    @property
    def is_ceiling(self) -> bool:
        return self.method in CEILINGS

    def value(self, column: Column) -> float | None:
        """The mean in a column; None where there is none."""
        mean = self.figures.get(column.name)
        return None if mean is None else mean.value


def defense_standings(rows: Sequence[Row]) -> list[Standing]:
    """The defenses by mean DER over the victims that each has; ceilings last."""
    ranks = mean_ranks(rows_of_victims(rows))
    standings = [_with_rank(standing, ranks) for standing in _standings(rows, (ACC, ASR, RA, DER))]
    return _sorted(standings, DER)


def detector_standings(rows: Sequence[Row]) -> list[Standing]:
    """The detectors by mean AUROC over the victims that each has; ceilings last."""
    return _sorted(_standings(rows, (AUROC, TPR, FPR)), AUROC)


def clean_standings(rows: Sequence[Row], column: Column) -> list[Standing]:
    """A figure of each method on clean models. The interval resamples seeds, not attacks."""
    counted = rows_of_clean_models(rows)
    if not counted:
        return []
    total = max(sum(row["method"] == method for row in counted) for method in method_names(counted))
    return [
        _standing(method, rows, counted, total, (column,), "seed") for method in method_names(rows)
    ]


def leaders(standings: Sequence[Standing], column: Column) -> frozenset[str]:
    """The methods that are best in a column, to the decimals shown; ceilings are left out."""
    values = {
        standing.method: column.format(value)
        for standing in standings
        if not standing.is_ceiling and (value := standing.value(column)) is not None
    }
    if not values:
        return frozenset()
    best = (min if column.lower else max)(values.values(), key=float)
    return frozenset(method for method, value in values.items() if value == best)


def accuracy_drops(rows: Sequence[Row]) -> list[Row]:
    """The rows with the column `drop`: the accuracy before the repair minus that after it."""
    pairs = [(figure_of(row, "acc_before"), figure_of(row, "acc")) for row in rows]
    return [
        {**row, "drop": "" if before is None or after is None else before - after}
        for row, (before, after) in zip(rows, pairs, strict=True)
    ]


def _standings(rows: Sequence[Row], columns: Sequence[Column]) -> list[Standing]:
    counted = rows_of_victims(rows)
    total = len({victim_of(row) for row in counted})
    return [
        _standing(method, rows, counted, total, columns, "attack") for method in method_names(rows)
    ]


def _standing(
    method: str,
    rows: Sequence[Row],
    counted: Sequence[Row],
    total: int,
    columns: Sequence[Column],
    group: str,
) -> Standing:
    """The standing of a method over the counted rows; intervals resample the column `group`."""
    inputs = next(row["given"] for row in rows if row["method"] == method)
    own = [row for row in counted if row["method"] == method]

    def values_of(column: Column) -> list[tuple[Hashable, float | None]]:
        return [(row[group], figure_of(row, column.name)) for row in own]

    means = {column.name: bootstrap_mean(values_of(column)) for column in columns}
    means[COST.name] = mean_of_known(_cost(row) for row in own)
    figures = {name: mean for name, mean in means.items() if mean is not None}
    return Standing(method, inputs, len(own), total, figures)


def _cost(row: Row) -> float | None:
    """Seconds of the method for each second of the victim's training."""
    return row["seconds"] / row["seconds_victim"] if row["seconds_victim"] > 0 else None


def _with_rank(standing: Standing, ranks: MeanRanks | None) -> Standing:
    if ranks is None or standing.method not in ranks.mean:
        return standing
    rank = Mean(ranks.mean[standing.method], ranks.victims)
    return replace(standing, figures={**standing.figures, RANK.name: rank})


def _sorted(standings: Sequence[Standing], column: Column) -> list[Standing]:
    """Best first, then those without the figure, then ceilings."""

    def key(standing: Standing) -> tuple[bool, bool, float]:
        value = standing.value(column)
        return standing.is_ceiling, value is None, -(value or 0.0)

    return sorted(standings, key=key)
