"""Rows and cells of a comparison, for the tests of its tables and pictures."""

from dataclasses import dataclass, field
from typing import Any

from backburn.interfaces import Inputs
from backburn.runs import Record

POISONED, HOLDOUT = Inputs(), Inputs("none", 0.05)


@dataclass(frozen=True)
class StandIn:
    """What a table reads of a study."""

    dataset: str = "digits"


@dataclass(frozen=True)
class StandInCell:
    """What a table reads of a cell."""

    method: str
    attack: str = "badnets"
    rate: float = 0.1
    seed: int = 0
    kind: str = "defense"
    inputs: Inputs = POISONED
    study: StandIn = field(default_factory=StandIn)


def record_of(metrics: dict[str, Any], **seconds: float) -> Record:
    return Record("bench", {}, 0, "", {"victim": 20.0, **seconds}, metrics, {}, "abc", "cpu", 1)


def defense_row(method: str, attack: str = "badnets", seed: int = 0, **figures: Any) -> dict:
    """A row of a defence that leaves everything as it was, but for what is given."""
    return {
        "method": method,
        "given": "training set",
        "attack": attack,
        "dataset": "digits",
        "rate": 0.0 if attack == "none" else 0.1,
        "seed": seed,
        **{"acc": 0.9, "asr": 1.0, "ra": 0.0, "der": 0.5, "seconds": 5.0, "seconds_victim": 20.0},
        **{"acc_before": 0.9, "asr_before": 1.0, "ra_before": 0.0},
        **{"acc_clean": "", "asr_clean": "", "ra_clean": "", "commit": "abc"},
        **(
            {"asr": "", "ra": "", "der": "", "asr_before": "", "ra_before": ""}
            if attack == "none"
            else {}
        ),
        **figures,
    }


def detector_row(method: str, attack: str = "badnets", seed: int = 0, **figures: Any) -> dict:
    """A row of a detector that knows nothing, but for what is given."""
    return {
        "method": method,
        "attack": attack,
        "rate": 0.0 if attack == "none" else 0.1,
        "seed": seed,
        **{"tpr": 0.5, "fpr": 0.5, "auroc": 0.5, "seconds": 10.0, "given": "training set"},
        **{"dataset": "digits", "seconds_victim": 20.0, "asr_before": 1.0, "commit": "abc"},
        **({"tpr": "", "auroc": "", "asr_before": ""} if attack == "none" else {}),
        **figures,
    }
