"""From encoded image bytes to one uint8 batch."""

import io
from collections import Counter

import numpy as np
import torch
from PIL import Image, ImageOps

from ..types import Pixels, Progress, silent


def decode(encoded: bytes) -> np.ndarray:
    """uint8 `(c, h, w)` as a person sees it: EXIF rotation applied, c = 1 for greyscale, else 3.

    Raises:
        OSError, ValueError, SyntaxError: what PIL raises on bytes that are no whole image.
    """
    with Image.open(io.BytesIO(encoded)) as image:
        upright = ImageOps.exif_transpose(image)
        gray = upright.mode in ("1", "L", "LA", "I", "I;16", "F")
        if upright.mode == "I;16":
            return (np.asarray(upright)[None] // 257).astype(np.uint8)
        if upright.mode == "P" and "transparency" in upright.info:
            upright = upright.convert("RGBA")
        array = np.asarray(upright.convert("L" if gray else "RGB"))
    return array[None] if gray else array.transpose(2, 0, 1)


def stack(arrays: list[np.ndarray], size: tuple[int, int] | None = None) -> Pixels:
    """One batch of equal shape.

    Images of another size than `size` (the commonest one where None) are scaled and centre-cropped
    to it; greyscale ones become RGB unless all are greyscale.
    """
    height, width = size or Counter(a.shape[1:] for a in arrays).most_common(1)[0][0]
    channels = max(a.shape[0] for a in arrays)
    batch = np.empty((len(arrays), channels, height, width), dtype=np.uint8)
    for row, array in zip(batch, arrays, strict=True):
        row[...] = array if array.shape[1:] == (height, width) else _fit(array, height, width)
    return torch.from_numpy(batch)


def _fit(array: np.ndarray, height: int, width: int) -> np.ndarray:
    image = Image.fromarray(array[0] if array.shape[0] == 1 else array.transpose(1, 2, 0))
    fitted = np.asarray(ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR))
    return fitted[None] if array.shape[0] == 1 else fitted.transpose(2, 0, 1)


def encode(pixels: Pixels, progress: Progress = silent) -> list[bytes]:
    """PNG bytes of each image; `decode` gives the same pixels back."""
    out = []
    for number, array in enumerate(pixels.cpu().numpy()):
        buffer = io.BytesIO()
        image = Image.fromarray(array[0] if array.shape[0] == 1 else array.transpose(1, 2, 0))
        image.save(buffer, format="PNG", compress_level=1)
        out.append(buffer.getvalue())
        progress("write images", number + 1, len(pixels))
    return out
