"""The interface of trigger estimates, and a batch transform that applies them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ..types import Pixels


@runtime_checkable
class TriggerEstimate(Protocol):
    """An estimated trigger that can be applied to images."""

    def apply(self, pixels: Pixels) -> Pixels:
        """The images with the trigger, as uint8."""
        ...

    def tensors(self) -> Mapping[str, Tensor]:
        """All tensors of the estimate, by name."""
        ...


@dataclass(frozen=True, slots=True)
class TriggerStamp:
    """A batch transform that applies triggers to random images and keeps their labels.

    The trigger then occurs under every label. That breaks its correlation with the target class
    without a single restored label.

    Args:
        triggers: one of them, drawn at random, is applied to each chosen image.
        share: fraction of the images that are chosen.
        generator: draws the images and the triggers.

    >>> from backburn.detection.interventions.quantization import QuantizationChange
    >>> table = torch.arange(255, -1, -1, dtype=torch.uint8)[None]
    >>> stamp = TriggerStamp((QuantizationChange(table),), 1.0, torch.Generator())
    >>> pixels, labels = stamp(torch.zeros(1, 1, 2, 2, dtype=torch.uint8), torch.tensor([3]), None)
    >>> pixels.flatten().tolist(), labels.tolist()
    ([255, 255, 255, 255], [3])
    """

    triggers: tuple[TriggerEstimate, ...]
    share: float
    generator: torch.Generator

    def get_state(self) -> dict[str, Tensor]:
        """The triggers, the share and the state of the generator."""
        tensors = {
            f"{name}{number or ''}": tensor
            for number, trigger in enumerate(self.triggers)
            for name, tensor in trigger.tensors().items()
        }
        return {
            **tensors,
            "share": torch.tensor(self.share),
            "draws": self.generator.get_state(),
        }

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore the generator; the triggers and the share never change."""
        self.generator.set_state(state["draws"])

    def __call__(self, pixels: Tensor, labels: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        chosen = torch.rand(len(pixels), generator=self.generator) < self.share
        which = torch.zeros(len(pixels), dtype=torch.long)
        if len(self.triggers) > 1:
            which = torch.randint(len(self.triggers), (len(pixels),), generator=self.generator)
        stamped = pixels
        for number, trigger in enumerate(self.triggers):
            mask = (chosen & (which == number)).to(pixels.device)[:, None, None, None]
            stamped = torch.where(mask, trigger.apply(pixels), stamped)
        return stamped, labels
