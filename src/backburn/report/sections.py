"""The tables of a report: rows of text from what a run has recorded."""

from collections.abc import Mapping
from math import isnan
from typing import Any, NamedTuple

from .words import per_cent

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
