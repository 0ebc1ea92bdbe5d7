"""The files of a comparison, by name."""

from .latex import defenses_latex, detectors_latex
from .markdown import comparison_markdown, detectors_markdown, standings_markdown
from .rows import Cells, defense_rows, defenses_csv, detector_rows, detectors_csv


def tables_of(cells: Cells) -> dict[str, str]:
    """Contents by file name: `summary.*` of defences, `detectors.*` of detectors, in CSV, Markdown
    and LaTeX, of whichever there are cells of; `standings.md`, the main table by itself.
    """
    defenses, detectors = defense_rows(cells), detector_rows(cells)
    files: dict[str, str] = {}
    if defenses:
        files |= {
            "summary.csv": defenses_csv(defenses),
            "summary.md": comparison_markdown(defenses),
            "summary.tex": defenses_latex(defenses),
        }
    if detectors:
        files |= {
            "detectors.csv": detectors_csv(detectors),
            "detectors.md": detectors_markdown(detectors),
            "detectors.tex": detectors_latex(detectors),
        }
    return {"standings.md": standings_markdown(defenses, detectors), **files} if files else {}
