"""A finished run, read once and checked: what a page is made of."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ..config import read_toml
from ..errors import InputError, first_line
from ..runs import RECORD, Record, own, read_record
from .gallery import Gallery
from .gallery_files import read_gallery
from .report_tables import Told

CONFIG = "config.toml"


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that has all that a page needs.

    `config`: the text of its configuration; `false_alarm`: the p-value that raises its alarm, where
    the method has one.
    """

    run: Path
    record: Record
    gallery: Gallery
    config: str
    false_alarm: float | None

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.run.resolve().name

    @property
    def key(self) -> str:
        """Of this run and no other."""
        return hashlib.sha256((self.run / RECORD).read_bytes()).hexdigest()


def open_finished(run: Path) -> Finished:
    """The run in a folder.

    Raises:
        InputError: no run there, or one that has no gallery or is damaged.
    """
    record, gallery = read_record(run), read_gallery(run)
    try:
        msgspec.convert(record.metrics, Told)
    except msgspec.ValidationError as error:
        raise InputError(
            f"{run / RECORD} does not say what a report needs ({first_line(error)}): give a run "
            "of audit, repair or demo"
        ) from error
    return Finished(run, record, gallery, *_configuration(run))


def _configuration(run: Path) -> tuple[str, float | None]:
    values = read_toml(own(run, CONFIG))
    detector = values.get("detector")
    level = detector.get("false_alarm") if isinstance(detector, dict) else None
    text = (run / CONFIG).read_text(encoding="utf-8")
    return text, level if isinstance(level, float) else None
