"""What the script of a page is told about the suspects."""

from collections import Counter
from collections.abc import Iterable
from math import isfinite
from typing import Any

from .finished_run import Finished
from .gallery import PICTURED, Gallery, Suspect
from .thumbnails import COLUMNS, ROWS, sheets_within
from .trigger_region import region_of

KINDS = ("image", "perturbation", "perturbed")
"""Pictures of a suspect, as a tile shows them."""


def told_in_page(finished: Finished) -> dict[str, Any]:
    """The suspects that have pictures, all of it in the page; the pictures are put in later.

    `key` is of this run and no other: decisions are kept under it.
    """
    gallery = finished.gallery
    shown = gallery.suspects[:PICTURED]
    cells = [suspect_cells(each, found) for each, found in zip(shown, gallery.found, strict=False)]
    return {**told_always(gallery, shown), "key": finished.key, "suspects": cells}


def told_always(gallery: Gallery, shown: Iterable[Suspect]) -> dict[str, Any]:
    """How many suspects of each label are shown, by what is chosen from."""
    shown = tuple(shown)
    options = {
        name: sorted(Counter(getattr(each, name) for each in shown).items())
        for name in ("given", "restored")
    }
    return {"classes": list(gallery.classes), "count": len(shown), "options": options}


def told_regions(gallery: Gallery) -> dict[int, list[float]]:
    """Where the suspects of each class have something in common, if that is one small place.

    Left, top, width and height as shares of the picture.
    """
    found = {label: region_of(part) for label, part in gallery.shared.items()}
    return {label: list(region) for label, region in found.items() if region is not None}


def suspect_cells(suspect: Suspect, found: bool) -> list[Any]:
    """A suspect in the order that the script reads; no distance where none was found."""
    distance = suspect.distance if found and isfinite(suspect.distance) else None
    labels = (suspect.given, suspect.restored)
    return [
        suspect.image, suspect.row, *labels, suspect.confidence, suspect.score, distance,
        suspect.crossed,
    ]  # fmt: skip


def sheets_in_page(gallery: Gallery, room: int) -> dict[str, Any] | None:
    """The pictures as sheets of at most `room` characters."""
    if not gallery.suspects:
        return None
    sheets = sheets_within({name: getattr(gallery, name) for name in KINDS}, room)
    size = {"width": sheets.width, "height": sheets.height, "columns": COLUMNS}
    return {**size, "each": COLUMNS * ROWS, "uris": sheets.uris}
