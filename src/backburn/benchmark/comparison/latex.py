"""The main tables in LaTeX, for the booktabs package."""

from collections.abc import Sequence

from .columns import DEFENSE_TABLE, DETECTOR_TABLE, Column
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
        # at the start of a row it would be an optional argument of the line end before it
        "[": "{[}",
        "*": "{*}",
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    }
)


def escape_latex(text: str) -> str:
    r"""Escape a text so that LaTeX prints it as it is; line ends become spaces.

    >>> escape_latex("5 % clean")
    '5 \\% clean'
    """
    return " ".join(text.split()).translate(ESCAPES)


def defenses_latex(rows: Sequence[Row]) -> str:
    """The table of defenses over all victims. Intervals are small, the best values bold."""
    return _table(defense_standings(rows), DEFENSE_TABLE)


def detectors_latex(rows: Sequence[Row]) -> str:
    """The table of detectors over all victims."""
    return _table(detector_standings(rows), DETECTOR_TABLE)


def _table(standings: Sequence[Standing], columns: Sequence[Column]) -> str:
    best = {column: leaders(standings, column) for column in columns}
    titles = ["method", "given", "victims", *(escape_latex(column.title) for column in columns)]
    lines = [
        "% needs \\usepackage{booktabs}; per cent, mean and 95 % interval",
        f"\\begin{{tabular}}{{ll{'r' * (1 + len(columns))}}}",
        "\\toprule",
        _row(titles),
    ]
    in_ceilings: bool | None = None
    for standing in standings:
        # a rule below the head, and one before the ceilings
        if standing.is_ceiling is not in_ceilings:
            lines.append("\\midrule")
        in_ceilings = standing.is_ceiling
        names = [escape_latex(standing.method), escape_latex(standing.inputs)]
        figures = (_figure(standing, column, standing.method in best[column]) for column in columns)
        lines.append(_row([*names, f"{standing.count} of {standing.total}", *figures]))
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}"]) + "\n"


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _figure(standing: Standing, column: Column, best: bool) -> str:
    mean = standing.figures.get(column.name)
    if mean is None:
        return "--"
    value = column.format(mean.value).replace("-", "$-$")
    text = f"\\textbf{{{value}}}" if best else value
    if mean.low is None or mean.high is None:
        return text
    low, high = (column.format(bound).replace("-", "$-$") for bound in (mean.low, mean.high))
    return f"{text} {{\\scriptsize [{low}, {high}]}}"
