"""What all exports share: the audited run, statements about the method, paths and digests."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ...runs import Record
from ...runs.safe_files import is_plain
from ..finished_run import FinishedRun
from ..gallery import Suspect

METHOD_URL = "https://arxiv.org/abs/2507.10491"
EVIDENCE_STATEMENT = (
    "Shown: how these images behave with this model, by tests whose false-alarm rate on clean "
    "models was measured."
)
LIMITATIONS = (
    "A clean verdict is no proof: a backdoor that is planted by few images, by changing weights "
    "directly, or in images that were not examined may not be found.",
    "A p-value holds for one audit of one model; of many models audited, some clean ones are "
    "flagged.",
    "Only backdoors planted by images among those examined are looked for; other attacks on the "
    "model are not.",
)


@dataclass(frozen=True, slots=True)
class AuditedRun:
    """A finished run, with the properties that exports need."""

    finished: FinishedRun

    @property
    def record(self) -> Record:
        """The record of the run."""
        return self.finished.record

    @property
    def verdict(self) -> dict[str, Any]:
        """The verdict, as in `verdict.json`."""
        return dict(self.record.metrics["verdict"])

    @property
    def model(self) -> str:
        """The path of the model, or its class if it was in memory."""
        return str(self.record.arguments.get("model", self.record.command))

    @property
    def data(self) -> str:
        """The path of the training images; a victim's directory holds both images and model."""
        return str(self.record.arguments.get("data") or self.model)

    @property
    def repaired(self) -> Path | None:
        """The file of the repaired model; None if the run repaired nothing."""
        files = sorted(self.finished.path.glob("model.*"))
        files += sorted(self.finished.path.glob("model/*.safetensors"))
        files = [file for file in files if is_plain(file) and file.is_file()]
        return files[0] if files and self.verdict["suspects"] else None

    def image_path(self, suspect: Suspect) -> str:
        """Return the path of a suspect's file, or of the data if it has no file of its own."""
        if suspect.image.startswith("row ") or suspect.image.isdecimal():
            return self.data
        return f"{self.data.rstrip('/')}/{suspect.image}"


def to_uri(path: str) -> str:
    """Return a path as a URI; relative paths stay relative.

    >>> to_uri("my photos/cat.png")
    'my%20photos/cat.png'
    """
    return Path(path).as_uri() if Path(path).is_absolute() else quote(path, errors="replace")


def file_sha256(file: Path) -> str:
    """Return the SHA-256 digest of a file, in hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
