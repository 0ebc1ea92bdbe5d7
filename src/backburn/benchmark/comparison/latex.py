"""The main tables in LaTeX, for the booktabs package."""

from collections.abc import Sequence

from .columns import DEFENSE, DETECTOR, Column
from .standings import Standing, defense_standings, detector_standings, leaders
from .victims import Row

ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\textquotedbl{}",
        # an optional argument of the line end before it, where it begins a row
        "[": "{[}",
        "*": "{*}",
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    }
)


def escaped(text: str) -> str:
    """Text that LaTeX prints as it is; line ends are spaces."""
    return " ".join(text.split()).translate(ESCAPES)


def defenses_latex(rows: Sequence[Row]) -> str:
    """Defences over all victims; intervals are small, the best of each column is bold."""
    return _table(defense_standings(rows), DEFENSE)


def detectors_latex(rows: Sequence[Row]) -> str:
    """The same for detectors."""
    return _table(detector_standings(rows), DETECTOR)


def _table(standings: Sequence[Standing], columns: Sequence[Column]) -> str:
    best = {column: leaders(standings, column) for column in columns}
    titles = ["method", "given", "victims", *(escaped(column.title) for column in columns)]
    lines = [
        "% needs \\usepackage{booktabs}; per cent, mean and 95 % interval",
        f"\\begin{{tabular}}{{ll{'r' * (1 + len(columns))}}}",
        "\\toprule",
        _row(titles),
    ]
    apart: bool | None = None
    for each in standings:
        # a rule below the head, and one before what is no rival
        if each.is_ceiling is not apart:
            lines.append("\\midrule")
        apart = each.is_ceiling
        figures = (_figure(each, column, each.method in best[column]) for column in columns)
        counted = f"{each.count} of {each.of}"
        lines.append(_row([escaped(each.method), escaped(each.given), counted, *figures]))
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}"]) + "\n"


def _row(parts: Sequence[str]) -> str:
    return " & ".join(parts) + r" \\"


def _figure(standing: Standing, column: Column, best: bool) -> str:
    mean = standing.figures.get(column.name)
    if mean is None:
        return "--"
    value = column.shown(mean.value).replace("-", "$-$")
    shown = f"\\textbf{{{value}}}" if best else value
    if mean.low is None or mean.high is None:
        return shown
    low, high = (column.shown(bound).replace("-", "$-$") for bound in (mean.low, mean.high))
    return f"{shown} {{\\scriptsize [{low}, {high}]}}"
