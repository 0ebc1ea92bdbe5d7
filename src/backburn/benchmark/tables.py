"""Which tables a study is worth."""

from collections.abc import Sequence

from ..registry import METHODS
from ..runs import Record
from .attack_summary import attack_csv, attack_markdown
from .averages import commits_markdown, summary_markdown
from .comparison.files import tables_of as comparison_tables
from .plan import Cell
from .study import Study
from .summary import summary_csv


def tables_of(study: Study, cells: Sequence[tuple[Cell, Record]]) -> dict[str, str]:
    """File names and texts: of victims alone, of BURN in depth, or of methods side by side."""
    if not study.defend:
        return {"summary.csv": attack_csv(cells), "summary.md": attack_markdown(cells)}
    if not compares(study):
        return {
            "summary.csv": summary_csv(cells),
            "summary.md": summary_markdown(cells),
            "commits.md": commits_markdown(cells),
        }
    return comparison_tables(cells)


def compares(study: Study) -> bool:
    """Whether methods stand side by side that are not all BURN."""
    return study.defend and not set(study.methods) <= set(METHODS)
