"""The comparison for people, in Markdown; per cent, means and their intervals."""

from collections.abc import Iterable, Sequence

from .by_attack import Grid, grid_of
from .columns import ASR, DEFENSE, DER, DETECTOR, DROP, FPR, RA, TPR, Column
from .leads import lead_sentences
from .notes import defense_notes, detector_notes
from .standings import (
    Standing,
    accuracy_drops,
    clean_standings,
    defense_standings,
    detector_standings,
    leaders,
)
from .victims import Row, counted, setting_name


def comparison_markdown(rows: Sequence[Row]) -> str:
    """Defences: means over the victims, DER, RA and ASR by attack, the price of a clean model,
    and where other methods do better than ours.
    """
    standings = defense_standings(rows)
    order = [each.method for each in standings]
    held = counted(rows)
    return _document(
        [
            ("Defenses, over all victims", _main(standings, DEFENSE)),
            ("", defense_notes(rows)),
            *(
                (f"{each.title} by attack", _by_attack(held, order, each))
                for each in (DER, RA, ASR)
            ),
            (
                "ACC lost on clean models (intervals over their seeds)",
                _on_clean(accuracy_drops(rows), order, DROP),
            ),
            ("Where another method is ahead", [f"- {said}" for said in lead_sentences(held)]),
        ]
    )


def detectors_markdown(rows: Sequence[Row]) -> str:
    """Detectors: means over the victims, TPR and FPR by attack, false alarms on clean models."""
    standings = detector_standings(rows)
    order = [each.method for each in standings]
    return _document(
        [
            ("Detectors, over all victims", _main(standings, DETECTOR)),
            ("", detector_notes(rows)),
            ("TPR / FPR by attack", _by_attack(counted(rows), order, TPR, FPR)),
            ("FPR on clean models (intervals over their seeds)", _on_clean(rows, order, FPR)),
        ]
    )


def standings_markdown(defenses: Sequence[Row], detectors: Sequence[Row]) -> str:
    """The table over all victims by itself: of defences, of detectors where there are none."""
    standings = (
        _main(defense_standings(defenses), DEFENSE)
        if defenses
        else _main(detector_standings(detectors), DETECTOR)
    )
    return _document([("", standings)])


def _document(parts: Iterable[tuple[str, list[str]]]) -> str:
    """Parts with their titles; those without lines are left out."""
    texts = [
        (f"### {title}\n\n" if title else "") + "\n".join(lines) for title, lines in parts if lines
    ]
    return "\n\n".join(texts) + "\n"


def _line(parts: Iterable[str]) -> str:
    return f"| {' | '.join(parts)} |"


def _head(*titles: str) -> list[str]:
    return [_line(titles), _line("---" for _ in titles)]


def _main(standings: Sequence[Standing], columns: Sequence[Column]) -> list[str]:
    best = {column: leaders(standings, column) for column in columns}
    lines = _head("method", "given", "victims", *(column.title for column in columns))
    parted = False
    for each in standings:
        if each.is_ceiling and not parted:
            # an empty row sets apart what is no rival
            lines.append(_line([""] * (3 + len(columns))))
            parted = True
        figures = (_figure(each, column, each.method in best[column]) for column in columns)
        lines.append(_line([*_named(each), f"{each.count} of {each.of}", *figures]))
    return lines


def _named(standing: Standing) -> tuple[str, str]:
    return _cell(standing.method), _cell(standing.given)


def _cell(text: str) -> str:
    """A name that cannot end its cell."""
    return " ".join(text.replace("|", "\\|").split())


def _figure(standing: Standing, column: Column, best: bool) -> str:
    mean = standing.figures.get(column.name)
    if mean is None:
        return "-"
    value = column.shown(mean.value)
    bounds = (
        ""
        if mean.low is None or mean.high is None
        else f" [{column.shown(mean.low)}, {column.shown(mean.high)}]"
    )
    return (f"**{value}**" if best else value) + bounds


def _by_attack(rows: Sequence[Row], order: Sequence[str], *columns: Column) -> list[str]:
    """A row a method and a column an attack and rate; several figures share their cell."""
    grids = [grid_of(rows, column) for column in columns]
    settings = list(grids[0].seeds)
    if not settings:
        return []
    return _head("method", *map(setting_name, settings)) + [
        _line([_cell(method), *(" / ".join(_bold(g, method, s) for g in grids) for s in settings)])
        for method in order
    ]


def _bold(grid: Grid, method: str, setting: tuple[str, float]) -> str:
    shown = grid.shown(method, setting)
    return f"**{shown}**" if grid.leads(method, setting) else shown


def _on_clean(rows: Sequence[Row], order: Sequence[str], column: Column) -> list[str]:
    """A figure of each method on clean models."""
    standings = sorted(clean_standings(rows, column), key=lambda each: order.index(each.method))
    best = leaders(standings, column)
    lines = _head("method", "clean models", column.title)
    lines += [
        _line(
            [
                _named(each)[0],
                f"{each.count} of {each.of}",
                _figure(each, column, each.method in best),
            ]
        )
        for each in standings
    ]
    return lines if standings else []
