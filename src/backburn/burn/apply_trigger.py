"""Triggers that are known, put on images under their own labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ..types import Pixels


@runtime_checkable
class Trigger(Protocol):
    """What can be put on images."""

    def apply(self, pixels: Pixels) -> Pixels:
        """The images with the trigger, as uint8."""
        ...

    def parts(self) -> Mapping[str, Tensor]:
        """All that it is made of, by name."""
        ...


@dataclass(frozen=True, slots=True)
class StampTrigger:
    """A batch transform that puts triggers on some images and keeps their labels.

    It breaks the false correlation without needing one restored label: the same triggers now
    occur under every label.

    Args:
        triggers: one of them, drawn at random, goes on each image that gets one.
        share: fraction of the images that get one.
    """

    triggers: tuple[Trigger, ...]
    share: float
    generator: torch.Generator

    def remember(self) -> dict[str, Tensor]:
        """Triggers and share, and where the generator is."""
        drawn = {"share": torch.tensor(self.share), "draws": self.generator.get_state()}
        parts = {
            f"{name}{number or ''}": part
            for number, trigger in enumerate(self.triggers)
            for name, part in trigger.parts().items()
        }
        return {**parts, **drawn}

    def recall(self, kept: Mapping[str, Tensor]) -> None:
        """Draw on from there."""
        self.generator.set_state(kept["draws"])

    def __call__(self, pixels: Tensor, labels: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        chosen = torch.rand(len(pixels), generator=self.generator) < self.share
        which = torch.zeros(len(pixels), dtype=torch.long)
        if len(self.triggers) > 1:
            which = torch.randint(len(self.triggers), (len(pixels),), generator=self.generator)
        out = pixels
        for number, trigger in enumerate(self.triggers):
            mine = (chosen & (which == number)).to(pixels.device)[:, None, None, None]
            out = torch.where(mine, trigger.apply(pixels), out)
        return out, labels
