"""Small pictures: shrunk to be stored, and laid side by side into sheets that a page can carry."""

import base64
import io
from dataclasses import dataclass
from math import ceil

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from ..data.pixels import to_pixels
from ..types import Pixels

SIDE = 96
"""Pixels a side, at the most."""
COLUMNS, ROWS = 10, 10
"""Of a sheet; a page decodes only the sheets that it shows."""
LEAST = 8
"""Pixels a side, at the least."""
QUALITIES = (("PNG", 0), ("WEBP", 90), ("WEBP", 75), ("WEBP", 50))


@dataclass(frozen=True, slots=True)
class Sheets:
    """Thumbnails of each kind, in sheets of `COLUMNS` by `ROWS`, as data URIs."""

    width: int
    height: int
    uris: dict[str, list[str]]

    def size(self) -> int:
        """Characters that they take."""
        return sum(len(uri) for sheets in self.uris.values() for uri in sheets)


def shrunk(pixels: Pixels, side: int = SIDE) -> UInt8[Tensor, "n c small_h small_w"]:
    """Images whose longer side is `side` or less; smaller ones as they are."""
    height, width = pixels.shape[-2:]
    share = side / max(height, width)
    if share >= 1:
        return pixels
    size = (max(1, round(height * share)), max(1, round(width * share)))
    if not len(pixels):
        return pixels.new_empty((*pixels.shape[:2], *size))
    # a few at a time: as floats they take four times the room
    parts = [
        to_pixels(
            interpolate(part.float(), size, mode="bilinear", antialias=True, align_corners=False)
        )
        for part in _parts(pixels, 256)
    ]
    return torch.cat(parts)


def sheets_within(kinds: dict[str, Pixels], limit: int) -> Sheets:
    """The best sheets whose data URIs take at most `limit` characters.

    Lossless, or else lossy, or else of smaller thumbnails.
    """
    side = max(next(iter(kinds.values())).shape[-2:])
    while True:
        small = {name: shrunk(pixels, side) for name, pixels in kinds.items()}
        for form, quality in QUALITIES:
            if side > LEAST and _guessed(small, form, quality) > limit:
                continue
            sheets = _sheets(small, form, quality)
            if sheets.size() <= limit or side <= LEAST:
                return sheets
        side = side * 3 // 4


def _guessed(kinds: dict[str, Pixels], form: str, quality: int) -> float:
    """What all sheets would take, had they all the first's share: much sooner known."""
    first = {name: pixels[: COLUMNS * ROWS] for name, pixels in kinds.items()}
    share = len(next(iter(kinds.values()))) / len(next(iter(first.values())))
    return 0.9 * share * _sheets(first, form, quality).size()


def _sheets(kinds: dict[str, Pixels], form: str, quality: int) -> Sheets:
    height, width = next(iter(kinds.values())).shape[-2:]
    uris = {
        name: [data_uri(_montage(part), form, quality) for part in _parts(pixels, COLUMNS * ROWS)]
        for name, pixels in kinds.items()
    }
    return Sheets(width, height, uris)


def _parts(pixels: Pixels, count: int) -> list[Tensor]:
    return [pixels[start : start + count] for start in range(0, len(pixels), count)]


def _montage(pixels: Pixels) -> UInt8[Tensor, "c sheet_h sheet_w"]:
    count, channels, height, width = pixels.shape
    rows = ceil(count / COLUMNS)
    sheet = torch.zeros(rows * COLUMNS, channels, height, width, dtype=torch.uint8)
    sheet[:count] = pixels
    grid = sheet.reshape(rows, COLUMNS, channels, height, width).permute(2, 0, 3, 1, 4)
    return grid.reshape(channels, rows * height, COLUMNS * width)


def montage_bytes(pixels: Pixels) -> bytes:
    """Pictures side by side, `COLUMNS` in a row, as PNG."""
    return _encoded(_montage(pixels), "PNG", 0)


def data_uri(picture: UInt8[Tensor, "c h w"], form: str = "PNG", quality: int = 0) -> str:
    """One picture, of one channel or of three; of others the first is shown."""
    encoded = base64.b64encode(_encoded(picture, form, quality)).decode()
    return f"data:image/{form.lower()};base64,{encoded}"


def _encoded(picture: UInt8[Tensor, "c h w"], form: str, quality: int) -> bytes:
    channels = 3 if picture.shape[0] == 3 else 1
    array = picture[:channels].permute(1, 2, 0).contiguous().numpy()
    out = io.BytesIO()
    image = Image.fromarray(array if channels == 3 else array[:, :, 0])
    image.save(out, form, **({"quality": quality, "method": 2} if quality else {}))
    return out.getvalue()
