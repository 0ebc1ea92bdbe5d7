"""What a table shows of a method, and how it is printed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """A figure of a table; it is shown times `scale`, to so many `places`."""

    title: str
    name: str
    lower: bool = False
    scale: float = 100
    places: int = 1

    def shown(self, value: float) -> str:
        """The figure as it is printed, never a negative zero."""
        return f"{round(self.scale * value, self.places) + 0.0:.{self.places}f}"


ACC, ASR = Column("ACC", "acc"), Column("ASR", "asr", lower=True)
RA, DER = Column("RA", "ra"), Column("DER", "der")
AUROC = Column("AUROC", "auroc")
TPR, FPR = Column("TPR", "tpr"), Column("FPR", "fpr", lower=True)
RANK = Column("mean rank", "rank", lower=True, scale=1, places=2)
COST = Column("cost", "cost", lower=True, scale=1, places=2)
DROP = Column("ACC drop", "drop", lower=True)
DEFENSE, DETECTOR = (ACC, ASR, RA, DER, RANK, COST), (AUROC, TPR, FPR, COST)
