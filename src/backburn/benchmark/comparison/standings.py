"""The main tables as values: a standing a method, best first."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .columns import ACC, ASR, AUROC, COST, DER, FPR, RA, RANK, TPR, Column
from .intervals import Mean, mean_interval, plain_mean
from .ranks import Ranks, mean_ranks
from .victims import CEILINGS, Row, clean, counted, known, methods_of, victim_of


@dataclass(frozen=True, slots=True)
class Standing:
    """What a method has on `count` of `of` victims: its figures by the name of their column."""

    method: str
    given: str
    count: int
    of: int
    figures: Mapping[str, Mean] = field(default_factory=dict)

    @property
    def is_ceiling(self) -> bool:
        return self.method in CEILINGS

    def value(self, column: Column) -> float | None:
        """The mean in a column; None where there is none."""
        found = self.figures.get(column.name)
        return None if found is None else found.value


def defense_standings(rows: Sequence[Row]) -> list[Standing]:
    """The defences by mean DER over the victims that each has; ceilings last."""
    ranks = mean_ranks(counted(rows))
    standings = [_ranked(each, ranks) for each in _standings(rows, (ACC, ASR, RA, DER))]
    return _sorted(standings, DER)


def detector_standings(rows: Sequence[Row]) -> list[Standing]:
    """The detectors by mean AUROC over the victims that each has; ceilings last."""
    return _sorted(_standings(rows, (AUROC, TPR, FPR)), AUROC)


def clean_standings(rows: Sequence[Row], column: Column) -> list[Standing]:
    """A figure of each method on clean models, whose seeds are drawn where victims' attacks are."""
    held = clean(rows)
    if not held:
        return []
    total = max(sum(row["method"] == method for row in held) for method in methods_of(held))
    return [_standing(name, rows, held, total, (column,), "seed") for name in methods_of(rows)]


def leaders(standings: Sequence[Standing], column: Column) -> frozenset[str]:
    """The methods that are best in a column, to the places that are shown; ceilings are not."""
    values = {
        each.method: column.shown(value)
        for each in standings
        if not each.is_ceiling and (value := each.value(column)) is not None
    }
    if not values:
        return frozenset()
    best = (min if column.lower else max)(values.values(), key=float)
    return frozenset(method for method, value in values.items() if value == best)


def accuracy_drops(rows: Sequence[Row]) -> list[Row]:
    """The rows with `drop`: the accuracy that the repair has cost."""
    pairs = [(known(row, "acc_before"), known(row, "acc")) for row in rows]
    return [
        {**row, "drop": "" if before is None or after is None else before - after}
        for row, (before, after) in zip(rows, pairs, strict=True)
    ]


def _standings(rows: Sequence[Row], columns: Sequence[Column]) -> list[Standing]:
    held = counted(rows)
    total = len({victim_of(row) for row in held})
    return [_standing(method, rows, held, total, columns, "attack") for method in methods_of(rows)]


def _standing(
    method: str,
    rows: Sequence[Row],
    held: Sequence[Row],
    total: int,
    columns: Sequence[Column],
    drawn: str,
) -> Standing:
    """What a method has in the rows that are held; `drawn` names what the interval is drawn by."""
    given = next(row["given"] for row in rows if row["method"] == method)
    own = [row for row in held if row["method"] == method]

    def of(column: Column) -> list[tuple[Hashable, float | None]]:
        return [(row[drawn], known(row, column.name)) for row in own]

    means = {column.name: mean_interval(of(column)) for column in columns}
    means[COST.name] = plain_mean(_cost(row) for row in own)
    figures = {name: mean for name, mean in means.items() if mean is not None}
    return Standing(method, given, len(own), total, figures)


def _cost(row: Row) -> float | None:
    """Seconds of the method for each second that the victim was trained."""
    return row["seconds"] / row["seconds_victim"] if row["seconds_victim"] > 0 else None


def _ranked(standing: Standing, ranks: Ranks | None) -> Standing:
    if ranks is None or standing.method not in ranks.mean:
        return standing
    rank = Mean(ranks.mean[standing.method], ranks.victims)
    return replace(standing, figures={**standing.figures, RANK.name: rank})


def _sorted(standings: Sequence[Standing], column: Column) -> list[Standing]:
    """Best first, then those without the figure, and ceilings behind."""

    def key(standing: Standing) -> tuple[bool, bool, float]:
        value = standing.value(column)
        return standing.is_ceiling, value is None, -(value or 0.0)

    return sorted(standings, key=key)
