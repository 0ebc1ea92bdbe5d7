"""Files for those who check models for a living: SARIF, a model card, a bill of materials."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..finished_run import open_finished
from .common import Audited
from .mlbom import mlbom_of
from .model_card import model_card_of
from .sarif import sarif_of

FILES: Mapping[str, tuple[str, Callable[[Audited], bytes]]] = {
    "sarif": ("report.sarif", sarif_of),
    "model-card": ("model-card.md", model_card_of),
    "mlbom": ("mlbom.cdx.json", mlbom_of),
}
"""The options of `backburn report`, the files that they write, and what writes them."""


def auditors_files(run: Path, wanted: Sequence[str]) -> dict[str, bytes]:
    """The wanted files of a run, by name.

    Raises:
        InputError: no run there, or one that has no gallery or is damaged.
    """
    if not wanted:
        return {}
    audited = Audited(open_finished(run))
    return {FILES[kind][0]: FILES[kind][1](audited) for kind in wanted}
