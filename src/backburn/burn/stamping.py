"""A trigger that is known, put on images under their own labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ..types import Pixels


@runtime_checkable
class Trigger(Protocol):
    """What can be put on images, and taken off again."""

    def __call__(self, pixels: Pixels) -> Pixels:
        """The images with the trigger, as uint8."""
        ...

    def undone(self, pixels: Pixels) -> Pixels:
        """Images that carry the trigger as far as they are known without it."""
        ...

    def parts(self) -> Mapping[str, Tensor]:
        """All that it is made of, by name."""
        ...


@dataclass(frozen=True, slots=True)
class StampTrigger:
    """A batch transform that puts a trigger on some images and keeps their labels.

    It breaks the false correlation without needing one restored label: the same trigger now
    occurs under every label.

    Args:
        share: fraction of the images that get it.
    """

    trigger: Trigger
    share: float
    generator: torch.Generator

    def remember(self) -> dict[str, Tensor]:
        """Trigger and share, and where the generator is."""
        drawn = {"share": torch.tensor(self.share), "draws": self.generator.get_state()}
        return {**self.trigger.parts(), **drawn}

    def recall(self, kept: Mapping[str, Tensor]) -> None:
        """Draw on from there."""
        self.generator.set_state(kept["draws"])

    def __call__(self, pixels: Tensor, labels: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        chosen = torch.rand(len(pixels), generator=self.generator) < self.share
        keep = ~chosen.to(pixels.device)[:, None, None, None]
        return torch.where(keep, pixels, self.trigger(pixels)), labels
