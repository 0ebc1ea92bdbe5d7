"""The tables that are written for a study."""

from collections.abc import Sequence

from ..registry import METHODS
from ..runs import Record
from .averaged_tables import commits_markdown, summary_markdown
from .cell_table import summary_csv
from .comparison.cell_rows import Cells, defense_rows, defenses_csv, detector_rows, detectors_csv
from .comparison.latex import defenses_latex, detectors_latex
from .comparison.markdown import comparison_markdown, detectors_markdown, standings_markdown
from .plan import Cell
from .reactivation_table import reactivation_tables
from .study_file import Study
from .victim_tables import attack_csv, attack_markdown


def study_tables(study: Study, cells: Sequence[tuple[Cell, Record]]) -> dict[str, str]:
    """The tables of a study, by file name: of its victims, of BURN, or of compared methods."""
    if not study.defend:
        return {"summary.csv": attack_csv(cells), "summary.md": attack_markdown(cells)}
    if not compares_methods(study):
        return {
            "summary.csv": summary_csv(cells),
            "summary.md": summary_markdown(cells),
            "commits.md": commits_markdown(cells),
            **reactivation_tables(cells),
        }
    return comparison_tables(cells) | reactivation_tables(cells)


def compares_methods(study: Study) -> bool:
    """Whether a study has methods other than the two versions of BURN."""
    return study.defend and not set(study.methods) <= set(METHODS)


def comparison_tables(cells: Cells) -> dict[str, str]:
    """The tables of a comparison, by file name.

    Defenses are in `summary.*`, detectors in `detectors.*`, each as CSV, Markdown and LaTeX and
    only if there are such cells. `standings.md` is the main table alone.
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
