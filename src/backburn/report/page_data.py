"""Data for the script of the report page: suspects, filter options, trigger regions, sheets."""

from collections import Counter
from collections.abc import Iterable
from math import isfinite
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from .finished_run import FinishedRun
from .gallery import MAX_PICTURED, Gallery, Suspect
from .thumbnails import SHEET_COLUMNS, SHEET_ROWS, fit_sheets

TILE_KINDS = ("image", "perturbation", "perturbed")
"""Thumbnails of a suspect, in the order in which its tile shows them."""
REGION_SHARE = 0.8
"""Share of the total change that the region of a trigger must contain."""
MAX_REGION_AREA = 0.25
"""Maximum area of a region, as a share of the image; a larger trigger has no region."""


def standalone_page_data(run: FinishedRun) -> dict[str, Any]:
    """Return the data of a page that needs no server, except its sheets of thumbnails.

    It lists the suspects that have thumbnails. The browser stores decisions under `key`, which is
    unique to the run.
    """
    gallery = run.gallery
    shown = gallery.suspects[:MAX_PICTURED]
    cells = [
        suspect_cells(suspect, has_boundary)
        for suspect, has_boundary in zip(shown, gallery.has_boundary, strict=False)
    ]
    return {**common_page_data(gallery, shown), "key": run.key, "suspects": cells}


def common_page_data(gallery: Gallery, shown: Iterable[Suspect]) -> dict[str, Any]:
    """Return the data that every page needs: classes, and counts for the label filters."""
    shown = tuple(shown)
    options = {
        name: sorted(Counter(getattr(suspect, name) for suspect in shown).items())
        for name in ("given", "restored")
    }
    return {"classes": list(gallery.classes), "count": len(shown), "options": options}


def suspect_cells(suspect: Suspect, has_boundary: bool) -> list[Any]:
    """Return a suspect as the list that the script reads (FIELDS in shared.js).

    The distance is None if no boundary was found.
    """
    distance = suspect.distance if has_boundary and isfinite(suspect.distance) else None
    return [
        suspect.image,
        suspect.row,
        suspect.given,
        suspect.restored,
        suspect.confidence,
        suspect.score,
        distance,
        suspect.crossed,
    ]


def build_page_sheets(gallery: Gallery, limit: int) -> dict[str, Any] | None:
    """Return the sheets of thumbnails in at most `limit` characters, None without suspects."""
    if not gallery.suspects:
        return None
    sheets = fit_sheets({name: getattr(gallery, name) for name in TILE_KINDS}, limit)
    size = {"width": sheets.width, "height": sheets.height, "columns": SHEET_COLUMNS}
    return {**size, "each": SHEET_COLUMNS * SHEET_ROWS, "uris": sheets.uris}


def trigger_regions(gallery: Gallery) -> dict[int, list[float]]:
    """Return the region of the trigger of each class that has one, see `find_trigger_region`."""
    regions = {
        label: find_trigger_region(direction)
        for label, direction in gallery.mean_directions.items()
    }
    return {label: list(region) for label, region in regions.items() if region is not None}


def find_trigger_region(
    perturbation: UInt8[Tensor, "c h w"],
) -> tuple[float, float, float, float] | None:
    """Find the smallest box around the pixels that change most.

    Args:
        perturbation: a change drawn by `render_perturbation`.
    Returns:
        Left, top, width and height as shares of the image. None if nothing changes, or if the
        change is spread over more than `MAX_REGION_AREA`.

    >>> perturbation = torch.full((1, 10, 10), 128, dtype=torch.uint8)
    >>> perturbation[0, 8:, 6:8] = 255
    >>> find_trigger_region(perturbation)
    (0.6, 0.8, 0.2, 0.2)
    """
    # changes are drawn by their square root, so the fourth power is the squared change
    energy = ((perturbation.double() - 127.5) / 127.5).pow(4).sum(0)
    height, width = energy.shape
    total = float(energy.sum())
    if total <= 0:
        return None
    order = energy.flatten().argsort(descending=True)
    enough = int((energy.flatten()[order].cumsum(0) < REGION_SHARE * total).sum()) + 1
    is_inside = torch.zeros(height * width, dtype=torch.bool).index_fill(0, order[:enough], True)
    rows, columns = is_inside.view(height, width).nonzero().unbind(1)
    top, left = int(rows.min()), int(columns.min())
    box_height, box_width = int(rows.max()) - top + 1, int(columns.max()) - left + 1
    if box_height * box_width > MAX_REGION_AREA * height * width:
        return None
    return left / width, top / height, box_width / width, box_height / height
