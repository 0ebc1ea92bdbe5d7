"""The tables of a comparison in Markdown: per cent, means and their intervals."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..averaged_tables import table_line
from .better_methods import lead_sentences
from .columns import ASR, DEFENSE_TABLE, DER, DETECTOR_TABLE, DROP, FPR, RA, TPR, Column
from .intervals import Mean, mean_of_known
from .notes import defense_notes, detector_notes
from .standings import (
    Standing,
    accuracy_drops,
    clean_standings,
    defense_standings,
    detector_standings,
    leaders,
)
from .victims import (
    CEILINGS,
    Row,
    Setting,
    figure_of,
    rows_of_victims,
    setting_name,
    setting_of,
    victim_of,
)


def comparison_markdown(rows: Sequence[Row]) -> str:
    """The tables of defenses.

    They show means over the victims; DER, RA and ASR by attack; the accuracy lost on clean
    models; and where other methods do better than ours.
    """
    standings = defense_standings(rows)
    order = [standing.method for standing in standings]
    counted = rows_of_victims(rows)
    return _document(
        [
            ("Defenses, over all victims", _main_table(standings, DEFENSE_TABLE)),
            ("", defense_notes(rows)),
            *(
                (f"{column.title} by attack", _table_by_attack(counted, order, column))
                for column in (DER, RA, ASR)
            ),
            (
                "ACC lost on clean models (intervals over their seeds)",
                _clean_model_table(accuracy_drops(rows), order, DROP),
            ),
            (
                "Where another method is ahead",
                [f"- {sentence}" for sentence in lead_sentences(counted)],
            ),
        ]
    )


def detectors_markdown(rows: Sequence[Row]) -> str:
    """The tables of detectors: means, TPR and FPR by attack, false alarms on clean models."""
    standings = detector_standings(rows)
    order = [standing.method for standing in standings]
    by_attack = _table_by_attack(rows_of_victims(rows), order, TPR, FPR)
    return _document(
        [
            ("Detectors, over all victims", _main_table(standings, DETECTOR_TABLE)),
            ("", detector_notes(rows)),
            ("TPR / FPR by attack", by_attack),
            (
                "FPR on clean models (intervals over their seeds)",
                _clean_model_table(rows, order, FPR),
            ),
        ]
    )


def standings_markdown(defenses: Sequence[Row], detectors: Sequence[Row]) -> str:
    """The main table alone: of the defenses, or of the detectors if there are no defenses."""
    table = (
        _main_table(defense_standings(defenses), DEFENSE_TABLE)
        if defenses
        else _main_table(detector_standings(detectors), DETECTOR_TABLE)
    )
    return _document([("", table)])


@dataclass(frozen=True, slots=True)
class _MeansByAttack:
    """Means of one column by method and setting; `seeds` counts the victims of each setting."""

    column: Column
    seeds: Mapping[Setting, int]
    means: Mapping[tuple[str, Setting], Mean]

    def text(self, method: str, setting: Setting) -> str:
        """The mean as text, in bold if it is the best; says if seeds are missing."""
        mean, seeds = self.means.get((method, setting)), self.seeds[setting]
        if mean is None:
            return "-"
        count = "" if mean.count == seeds else f" ({mean.count} of {seeds})"
        text = self.column.format(mean.value) + count
        return f"**{text}**" if self._is_best(method, setting) else text

    def _is_best(self, method: str, setting: Setting) -> bool:
        """Whether a method is best on a setting, to the decimals shown; ceilings never are."""
        values = {
            name: self.column.format(mean.value)
            for (name, where), mean in self.means.items()
            if where == setting and name not in CEILINGS
        }
        best = min if self.column.lower else max
        return method in values and values[method] == best(values.values(), key=float)


def _means_by_attack(rows: Sequence[Row], column: Column) -> _MeansByAttack:
    """The means of these rows, settings in the order of their names and rates."""
    settings = sorted({setting_of(row) for row in rows})
    groups: dict[tuple[str, Setting], list[float | None]] = {}
    for row in rows:
        groups.setdefault((row["method"], setting_of(row)), []).append(figure_of(row, column.name))
    means = {key: mean_of_known(values) for key, values in groups.items()}
    return _MeansByAttack(
        column,
        {s: len({victim_of(row) for row in rows if setting_of(row) == s}) for s in settings},
        {key: mean for key, mean in means.items() if mean is not None},
    )


def _document(sections: Iterable[tuple[str, list[str]]]) -> str:
    """Sections with their titles; those without lines are left out."""
    texts = [
        (f"### {title}\n\n" if title else "") + "\n".join(lines)
        for title, lines in sections
        if lines
    ]
    return "\n\n".join(texts) + "\n"


def _head(*titles: str) -> list[str]:
    return [table_line(titles), table_line("---" for _ in titles)]


def _main_table(standings: Sequence[Standing], columns: Sequence[Column]) -> list[str]:
    best = {column: leaders(standings, column) for column in columns}
    lines = _head("method", "given", "victims", *(column.title for column in columns))
    separated = False
    for standing in standings:
        if standing.is_ceiling and not separated:
            # an empty row before the ceilings
            lines.append(table_line([""] * (3 + len(columns))))
            separated = True
        names = _escape(standing.method), _escape(standing.inputs)
        figures = (_figure(standing, column, standing.method in best[column]) for column in columns)
        lines.append(table_line([*names, f"{standing.count} of {standing.total}", *figures]))
    return lines


def _escape(text: str) -> str:
    """A name that cannot end its cell."""
    return " ".join(text.replace("|", "\\|").split())


def _figure(standing: Standing, column: Column, best: bool) -> str:
    mean = standing.figures.get(column.name)
    if mean is None:
        return "-"
    value = column.format(mean.value)
    bounds = (
        ""
        if mean.low is None or mean.high is None
        else f" [{column.format(mean.low)}, {column.format(mean.high)}]"
    )
    return (f"**{value}**" if best else value) + bounds


def _table_by_attack(rows: Sequence[Row], order: Sequence[str], *columns: Column) -> list[str]:
    """A row for each method and a column for each setting; several figures share a cell."""
    means = [_means_by_attack(rows, column) for column in columns]
    settings = list(means[0].seeds)
    if not settings:
        return []
    return _head("method", *map(setting_name, settings)) + [
        table_line(
            [_escape(method), *(" / ".join(m.text(method, s) for m in means) for s in settings)]
        )
        for method in order
    ]


def _clean_model_table(rows: Sequence[Row], order: Sequence[str], column: Column) -> list[str]:
    """A figure of each method on clean models."""
    standings = sorted(clean_standings(rows, column), key=lambda row: order.index(row.method))
    best = leaders(standings, column)
    lines = _head("method", "clean models", column.title)
    for standing in standings:
        count = f"{standing.count} of {standing.total}"
        figure = _figure(standing, column, standing.method in best)
        lines.append(table_line([_escape(standing.method), count, figure]))
    return lines if standings else []
