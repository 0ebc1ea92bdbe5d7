"""A finished run, read from its directory and checked."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ..config import read_toml
from ..errors import InputError, first_line
from ..runs import RECORD, Record, path_in_run, read_record
from .gallery import Gallery
from .gallery_files import read_gallery
from .report_tables import PageData

CONFIG = "config.toml"


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run with everything that a report needs.

    Args:
        path: the run directory.
        record: its record.
        gallery: its gallery of suspects.
        config: the text of its configuration.
        false_alarm: the p-value below which it calls a case backdoored; None if its method has no
            such level.
    """

    path: Path
    record: Record
    gallery: Gallery
    config: str
    false_alarm: float | None

    @property
    def name(self) -> str:
        """The name of the run directory."""
        return self.path.resolve().name

    @property
    def key(self) -> str:
        """A digest that is unique to this run."""
        return hashlib.sha256((self.path / RECORD).read_bytes()).hexdigest()


def open_finished_run(path: Path) -> FinishedRun:
    """Read a run directory.

    Raises:
        InputError: there is no run, or it has no gallery or is damaged.
    """
    record, gallery = read_record(path), read_gallery(path)
    try:
        msgspec.convert(record.metrics, PageData)
    except msgspec.ValidationError as error:
        raise InputError(
            f"{path / RECORD} does not say what a report needs ({first_line(error)}): give a run "
            "of audit, repair or demo"
        ) from error
    config, false_alarm = _read_config(path)
    return FinishedRun(path, record, gallery, config, false_alarm)


def _read_config(path: Path) -> tuple[str, float | None]:
    values = read_toml(path_in_run(path, CONFIG))
    detector = values.get("detector")
    level = detector.get("false_alarm") if isinstance(detector, dict) else None
    text = (path / CONFIG).read_text(encoding="utf-8")
    return text, level if isinstance(level, float) else None
