"""The trigger, as far as the suspects give it away."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..types import LabeledImages, Suspects


@dataclass(frozen=True, slots=True)
class StampTrigger:
    """A batch transform that adds an estimated trigger to some images and keeps their labels.

    It breaks the false correlation without needing one restored label: the same trigger now
    occurs under every label.

    Args:
        trigger: `(c, h, w)` in 0..255 units, to be added.
        share: fraction of the images that get it.
    """

    trigger: Float[Tensor, "c h w"]
    share: float
    generator: torch.Generator

    def __call__(self, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        chosen = torch.rand(len(pixels), generator=self.generator) < self.share
        added = chosen.to(pixels.device)[:, None, None, None] * self.trigger.to(pixels.device)
        return (pixels.float() + added).round().clamp(0, 255).to(torch.uint8), labels


def estimate_trigger(
    images: LabeledImages, suspects: Suspects, target_labels: tuple[int, ...]
) -> Float[Tensor, "c h w"]:
    """What the suspects have on average, and images of the other classes have not.

    Args:
        target_labels: the classes whose images are left out of the comparison, unless all are
            targets.
    Returns:
        The difference of the means, in 0..255 units; the other classes count equally. It says
        little of a trigger that moves pixels or differs from image to image.
    """
    named = torch.zeros(len(images), dtype=torch.bool)
    named[suspects.index] = True
    classes = set(images.labels.tolist())
    rows = [
        ((images.labels == label) & ~named).nonzero().flatten()
        for label in sorted(classes - set(target_labels) or classes)
    ]
    others = [images.pixels[index].float().mean(0) for index in rows if len(index)]
    return images.pixels[suspects.index].float().mean(0) - torch.stack(others).mean(0)
