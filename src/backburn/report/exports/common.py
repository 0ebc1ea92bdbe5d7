"""What auditors' files have in common: where model and images lie, and what was found of them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ...runs import Record
from ...runs.safe_files import is_plain
from ..finished_run import Finished
from ..gallery import Suspect

METHOD = "https://arxiv.org/abs/2507.10491"
PROVES = (
    "Shown: how these images behave with this model, by tests whose false-alarm rate on clean "
    "models was measured."
)
LIMITS = (
    "A clean verdict is no proof: a backdoor that is planted by few images, by changing weights "
    "directly, or in images that were not examined may not be found.",
    "A p-value holds for one audit of one model; of many models audited, some clean ones are "
    "flagged.",
    "Only backdoors planted by images among those examined are looked for; other attacks on the "
    "model are not.",
)


@dataclass(frozen=True, slots=True)
class Audited:
    """A finished run as auditors' files tell of it."""

    finished: Finished

    @property
    def record(self) -> Record:
        """What made the run."""
        return self.finished.record

    @property
    def verdict(self) -> dict[str, Any]:
        """As in `verdict.json`."""
        return dict(self.record.metrics["verdict"])

    @property
    def model(self) -> str:
        """The model's path, or its class where it was in memory."""
        return str(self.record.arguments.get("model", self.record.command))

    @property
    def data(self) -> str:
        """The training images' path; that of a victim's folder, which holds both."""
        return str(self.record.arguments.get("data") or self.model)

    @property
    def repaired(self) -> Path | None:
        """The repaired model's file, if the run has one."""
        files = sorted(self.finished.run.glob("model.*"))
        files += sorted(self.finished.run.glob("model/*.safetensors"))
        files = [file for file in files if is_plain(file) and file.is_file()]
        return files[0] if files and self.verdict["suspects"] else None

    def image(self, suspect: Suspect) -> str:
        """Where a suspect lies: its file, or the images' own place."""
        if suspect.image.startswith("row ") or suspect.image.isdecimal():
            return self.data
        return f"{self.data.rstrip('/')}/{suspect.image}"


def uri(path: str) -> str:
    """A path as a URI, relative where it is."""
    return Path(path).as_uri() if Path(path).is_absolute() else quote(path, errors="replace")


def sha256(file: Path) -> str:
    """The digest of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
