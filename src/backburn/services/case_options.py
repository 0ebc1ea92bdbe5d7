"""What a command line, or the record of a run, says of a case. Imports nothing heavy."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

Resize: TypeAlias = Literal["crop", "squash", "letterbox", "zoom"]
RESIZES: tuple[Resize, ...] = ("crop", "squash", "letterbox", "zoom")  # data.ways, without torch


@dataclass(frozen=True, slots=True)
class Given:
    """What a command line says of a case; `case` says what each of it means."""

    model: str
    data: str | None = None
    arch: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    size: int | None = None
    resize: Resize | None = None
    classes: str | None = None
    cache: str | None = None
    max_images: int | None = None
    trust: bool = False
    base: str | None = None
    witness: str | None = None
    witness_arch: str | None = None

    def said(self) -> dict[str, Any]:
        """What was given, by name."""
        return {name: value for name, value in asdict(self).items() if value not in (None, False)}
