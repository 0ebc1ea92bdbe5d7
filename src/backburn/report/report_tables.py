"""The tables of a report: rows of text from what a run has recorded."""

from collections.abc import Mapping
from math import isnan
from typing import Any, Literal, NamedTuple

import msgspec

from ..types import Phase
from .phrases import per_cent

Share = float | None


class ToldClass(msgspec.Struct):
    """What a record says of a class that was tested; `reversion` is of records of version 0.1."""

    name: str
    label: int
    transfer: Share
    p_value: Share
    images: int | None = None
    necessity: Share = None
    probe: Share = None
    reversion: Share = None


class ToldVerdict(msgspec.Struct):
    """What a record says of the whole case."""

    state: Literal["clean", "suspicious", "backdoored", "abstained"]
    target_labels: list[int]
    target_names: list[str]
    p_value: Share
    reason: str
    classes: list[ToldClass]
    suspects: int
    suspect_share: tuple[float, float]
    images: int
    images_in_all: int
    skipped: list[str]


class ToldChecks(msgspec.Struct):
    """What a record says of a repair, told without the truth."""

    accuracy: tuple[Share, Share]
    reversion: tuple[Share, Share]
    distance: tuple[Share, Share]
    images: int
    suspects: int
    searched: int


class ToldScores(msgspec.Struct):
    """What a record says of a model, told with the truth."""

    acc: Share
    asr: Share
    ra: Share


class ToldFit(msgspec.Struct):
    """What a record says of how well the model knows the images."""

    accuracy: float
    images: int
    as_read: float
    explanation: str


class Told(msgspec.Struct):
    """The part of a record's metrics that a report is made of; anything else is left alone."""

    verdict: ToldVerdict
    suspects: dict[str, Share] | None
    before: ToldScores | None = None
    after: ToldScores | None = None
    checks: ToldChecks | None = None
    history: list[Phase] = []
    notes: list[str] = []
    fit: ToldFit | None = None


SCORES = {
    "acc": ("Accuracy on clean test images (ACC)", "higher is better"),
    "asr": ("Triggered images called what the attacker wants (ASR)", "lower is better"),
    "ra": ("Triggered images called by their right label (RA)", "higher is better"),
}


class Compared(NamedTuple):
    """A measure before and after a repair, as text; `note` says of what, or which way is good."""

    name: str
    note: str
    before: str
    after: str
    change: str


def scored(metrics: Mapping[str, Any]) -> list[Compared]:
    """ACC, ASR and RA, as far as there were images to measure them on."""
    before, after = metrics.get("before"), metrics.get("after")
    if not before or not after:
        return []
    return [
        _shares(*words, before[name], after[name])
        for name, words in SCORES.items()
        if before[name] is not None
    ]


def checked(checks: Mapping[str, Any] | None) -> list[Compared]:
    """What can be said without the truth (`report.checks`)."""
    if not checks:
        return []
    near = [each for each in checks["distance"] if each is not None]
    rows = [
        _shares(
            "Accuracy on training images that were no suspects",
            f"{checks['images']:,} images; should stay",
            *checks["accuracy"],
        ),
        _shares(
            "Suspects called by their restored label (reversion)",
            f"of {checks['suspects']:,} suspects, those with another label; should rise",
            *checks["reversion"],
        ),
    ]
    if len(near) == 2:
        note = f"median of {checks['searched']} images, L2; tells where the boundary has gone"
        change = f"{near[1] - near[0]:+.3f}"
        name = "Boundary distance of the target classes' other images"
        rows.append(Compared(name, note, f"{near[0]:.3f}", f"{near[1]:.3f}", change))
    return rows


def cost(seconds: Mapping[str, float]) -> list[tuple[str, str]]:
    """Seconds of each phase, as text."""
    return [(phase, f"{spent:.2f}") for phase, spent in seconds.items()]


def _shares(name: str, note: str, before: float | None, after: float | None) -> Compared:
    both = before is not None and after is not None and not isnan(before) and not isnan(after)
    change = f"{100 * (after - before):+.1f} points" if both else "-"  # type: ignore[operator]
    return Compared(name, note, per_cent(before), per_cent(after), change)
