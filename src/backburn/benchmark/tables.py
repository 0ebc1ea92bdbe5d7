"""Which tables a study is worth."""

from collections.abc import Sequence

from ..catalogue import METHODS
from ..runs import Record
from .attack_summary import attack_csv, attack_markdown
from .averages import summary_markdown
from .study import Cell, Study
from .summary import summary_csv


def tables_of(study: Study, cells: Sequence[tuple[Cell, Record]]) -> dict[str, str]:
    """File names and texts: of victims alone, of BURN in depth, or of methods side by side."""
    if not study.defend:
        return {"summary.csv": attack_csv(cells), "summary.md": attack_markdown(cells)}
    if set(study.methods) <= set(METHODS):
        return {"summary.csv": summary_csv(cells), "summary.md": summary_markdown(cells)}
    raise NotImplementedError
