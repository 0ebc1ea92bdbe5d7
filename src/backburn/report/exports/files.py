"""The export formats of `backburn report`, and the files that they write."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..finished_run import open_finished_run
from .common import AuditedRun
from .mlbom import render_mlbom
from .model_card import render_model_card
from .sarif import render_sarif

EXPORT_FORMATS: Mapping[str, tuple[str, Callable[[AuditedRun], bytes]]] = {
    "sarif": ("report.sarif", render_sarif),
    "model-card": ("model-card.md", render_model_card),
    "mlbom": ("mlbom.cdx.json", render_mlbom),
}
"""File name and renderer of each format, by its option of `backburn report`."""


def export_files(run: Path, formats: Sequence[str]) -> dict[str, bytes]:
    """Render a run in these formats, by file name.

    Args:
        run: the run directory.
        formats: keys of `EXPORT_FORMATS`.
    Raises:
        InputError: there is no run, or it has no gallery or is damaged.
    """
    if not formats:
        return {}
    audited = AuditedRun(open_finished_run(run))
    renderers = [EXPORT_FORMATS[name] for name in formats]
    return {file_name: render(audited) for file_name, render in renderers}
