"""The columns of the tables, and how their numbers are formatted."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Args:
        title: the header.
        name: the key of the number in a row.
        lower: whether lower is better.
        scale: factor from the stored number to the shown one; 100 gives per cent.
        places: decimals shown.

    >>> Column("ACC", "acc").format(0.9432)
    '94.3'
    """

    title: str
    name: str
    lower: bool = False
    scale: float = 100
    places: int = 1

    def format(self, value: float) -> str:
        """The number as text, never a negative zero."""
        return f"{round(self.scale * value, self.places) + 0.0:.{self.places}f}"


ACC, ASR = Column("ACC", "acc"), Column("ASR", "asr", lower=True)
RA, DER = Column("RA", "ra"), Column("DER", "der")
AUROC = Column("AUROC", "auroc")
TPR, FPR = Column("TPR", "tpr"), Column("FPR", "fpr", lower=True)
RANK = Column("mean rank", "rank", lower=True, scale=1, places=2)
COST = Column("cost", "cost", lower=True, scale=1, places=2)
DROP = Column("ACC drop", "drop", lower=True)
DEFENSE_TABLE, DETECTOR_TABLE = (ACC, ASR, RA, DER, RANK, COST), (AUROC, TPR, FPR, COST)
