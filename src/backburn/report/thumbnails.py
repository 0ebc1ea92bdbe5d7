"""Thumbnails: shrinking images, and encoding them singly or as sheets of many."""

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

MAX_SIDE = 96
"""Maximum height and width of a thumbnail, in pixels."""
MIN_SIDE = 8
"""Side in pixels below which thumbnails aren't shrunk any further."""
SHEET_COLUMNS, SHEET_ROWS = 10, 10
"""Thumbnails in a sheet. A page decodes only the sheets that it shows."""
QUALITIES = (("PNG", 0), ("WEBP", 90), ("WEBP", 75), ("WEBP", 50))
"""Formats and qualities to try, best first."""


@dataclass(frozen=True, slots=True)
class Sheets:
    """Sheets of thumbnails as data URIs, by kind of thumbnail.

    `width` and `height` are those of one thumbnail, in pixels.
    """

    width: int
    height: int
    uris: dict[str, list[str]]

    def size(self) -> int:
        """Return the total length of all data URIs."""
        return sum(len(uri) for uris in self.uris.values() for uri in uris)


def shrink(pixels: Pixels, side: int = MAX_SIDE) -> UInt8[Tensor, "n c small_h small_w"]:
    """Shrink images so that their longer side is at most `side`; smaller ones are unchanged.

    >>> shrink(torch.zeros(1, 3, 200, 100, dtype=torch.uint8)).shape
    torch.Size([1, 3, 96, 48])
    """
    height, width = pixels.shape[-2:]
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    if not len(pixels):
        return pixels.new_empty((*pixels.shape[:2], *size))
    # in batches: as floats they take four times the memory
    batches = [
        to_pixels(
            interpolate(batch.float(), size, mode="bilinear", antialias=True, align_corners=False)
        )
        for batch in _batches(pixels, 256)
    ]
    return torch.cat(batches)


def fit_sheets(kinds: dict[str, Pixels], limit: int) -> Sheets:
    """Encode thumbnails as sheets, at the best quality that fits into `limit` characters.

    Lossless comes first, then lossy of falling quality, then smaller thumbnails.

    Args:
        kinds: thumbnails `(n, c, h, w)` by kind.
        limit: maximum total length of the data URIs. It may be exceeded by the smallest.
    """
    side = max(next(iter(kinds.values())).shape[-2:])
    while True:
        small = {name: shrink(pixels, side) for name, pixels in kinds.items()}
        for image_format, quality in QUALITIES:
            if side > MIN_SIDE and _estimate_size(small, image_format, quality) > limit:
                continue
            sheets = _encode_sheets(small, image_format, quality)
            if sheets.size() <= limit or side <= MIN_SIDE:
                return sheets
        side = side * 3 // 4


def _estimate_size(kinds: dict[str, Pixels], image_format: str, quality: int) -> float:
    """Extrapolate the size of all sheets from the first, which is much faster.

    The factor 0.9 leaves room for error: what might fit is encoded and measured.
    """
    first = {name: pixels[: SHEET_COLUMNS * SHEET_ROWS] for name, pixels in kinds.items()}
    share = len(next(iter(kinds.values()))) / len(next(iter(first.values())))
    return 0.9 * share * _encode_sheets(first, image_format, quality).size()


def _encode_sheets(kinds: dict[str, Pixels], image_format: str, quality: int) -> Sheets:
    height, width = next(iter(kinds.values())).shape[-2:]
    uris = {
        name: [
            to_data_uri(_montage(batch), image_format, quality)
            for batch in _batches(pixels, SHEET_COLUMNS * SHEET_ROWS)
        ]
        for name, pixels in kinds.items()
    }
    return Sheets(width, height, uris)


def _batches(pixels: Pixels, count: int) -> list[Tensor]:
    return [pixels[start : start + count] for start in range(0, len(pixels), count)]


def _montage(pixels: Pixels) -> UInt8[Tensor, "c sheet_h sheet_w"]:
    count, channels, height, width = pixels.shape
    rows = ceil(count / SHEET_COLUMNS)
    sheet = torch.zeros(rows * SHEET_COLUMNS, channels, height, width, dtype=torch.uint8)
    sheet[:count] = pixels
    grid = sheet.reshape(rows, SHEET_COLUMNS, channels, height, width).permute(2, 0, 3, 1, 4)
    return grid.reshape(channels, rows * height, SHEET_COLUMNS * width)


def render_montage(pixels: Pixels) -> bytes:
    """Encode images side by side as one PNG, `SHEET_COLUMNS` in a row."""
    return _encode(_montage(pixels), "PNG", 0)


def to_data_uri(
    picture: UInt8[Tensor, "c h w"], image_format: str = "PNG", quality: int = 0
) -> str:
    """Encode an image as a data URI.

    Args:
        picture: RGB if it has three channels; otherwise its first channel is shown as gray.
        image_format: `PNG` or `WEBP`.
        quality: from 1 to 100; 0 is lossless.
    """
    encoded = base64.b64encode(_encode(picture, image_format, quality)).decode()
    return f"data:image/{image_format.lower()};base64,{encoded}"


def _encode(picture: UInt8[Tensor, "c h w"], image_format: str, quality: int) -> bytes:
    channels = 3 if picture.shape[0] == 3 else 1
    array = picture[:channels].permute(1, 2, 0).contiguous().numpy()
    out = io.BytesIO()
    image = Image.fromarray(array if channels == 3 else array[:, :, 0])
    image.save(out, image_format, **({"quality": quality, "method": 2} if quality else {}))
    return out.getvalue()
