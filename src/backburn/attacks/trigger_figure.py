"""What a trigger looks like: images as they were, triggered, and what changed."""

import io

import torch
from PIL import Image
from torch import Tensor

from ..types import LabeledImages, Pixels, Victim

COUNT, SIDE, GAP = 8, 96, 4
GAIN = 8
"""How much the difference is amplified."""


def strip_of(victim: Victim, test: LabeledImages) -> bytes:
    """PNG of three rows: test images of classes the attacker aims at, triggered, difference x 8.

    The difference is drawn around mid-gray: brighter where the trigger adds light.
    """
    aimed = [label for label, wanted in enumerate(victim.goal) if wanted >= 0]
    rows = torch.isin(test.labels, torch.tensor(aimed)).nonzero().flatten()[:COUNT]
    plain = test.pixels[rows.to(test.pixels.device)].cpu()
    triggered = victim.trigger(plain).cpu()
    change = GAIN * (triggered.float() - plain.float()) + 128
    return draw_rows([plain, triggered, change.clamp(0, 255).to(torch.uint8)])


def draw_rows(rows: list[Pixels]) -> bytes:
    """PNG of images in rows, each scaled to at least 96 pixels by a whole number."""
    columns, (height, width) = len(rows[0]), rows[0].shape[-2:]
    scale = max(1, SIDE // max(height, width))
    down, right = height * scale + GAP, width * scale + GAP
    canvas = torch.full((3, len(rows) * down - GAP, columns * right - GAP), 255, dtype=torch.uint8)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            large = _enlarged(image, scale)
            canvas[
                :, i * down : i * down + large.shape[1], j * right : j * right + width * scale
            ] = large
    buffer = io.BytesIO()
    Image.fromarray(canvas.movedim(0, -1).numpy()).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _enlarged(image: Tensor, scale: int) -> Tensor:
    color = image.expand(3, -1, -1)
    return color.repeat_interleave(scale, 1).repeat_interleave(scale, 2)
