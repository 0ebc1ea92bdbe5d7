"""Trigger inversion: for each class, the smallest patch that sends all images to it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InputError
from ...models.inference import as_images, device_of, frozen, has_native_bf16
from ...types import Images, Pixels, Progress, no_progress
from .inverted_triggers import CostSchedule, InvertedTriggers

MAX_BATCH = 1024
"""Approximate number of triggered images in a batch, over all of its classes."""


@dataclass(frozen=True)
class TriggerInversion:
    """Optimize a mask and a pattern for each class with Adam.

    The loss is the cross entropy to the class plus `cost` times the L1 norm of the mask. The cost
    of a class rises while its trigger works and falls while it does not.

    Args:
        epochs: largest number of passes over the images.
        batch_size: number of images that a class's trigger is put on at once.
        learning_rate: learning rate of Adam, with betas 0.5 and 0.9.
        cost: initial weight of the norm.
        success: share of images that a trigger must send to its class.
        multiplier: a cost rises by this factor, and falls by it to the power of 1.5.
        patience: consecutive epochs after which a cost is changed.
        stop_after: epochs without a norm smaller by 1 % after which a class is done, if its cost
            has both risen and fallen.
    Source: Wang et al., Neural Cleanse, S&P 2019. Epochs, batch size and cost are those of
    BackdoorBench.
    """

    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 0.1
    cost: float = 1e-3
    success: float = 0.99
    multiplier: float = 2.0
    patience: int = 5
    stop_after: int = 25

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size, self.patience, self.stop_after) < 1:
            raise InputError(
                f"inversion: epochs={self.epochs}, batch_size={self.batch_size}, "
                f"patience={self.patience}, stop_after={self.stop_after}: give 1 or more"
            )
        if not 0 < self.learning_rate < math.inf or not 0 <= self.cost < math.inf:
            raise InputError(
                f"inversion: learning_rate={self.learning_rate}, cost={self.cost}: "
                "give above 0, and >= 0"
            )
        if not 0 < self.success <= 1 or not 1 < self.multiplier < math.inf:
            raise InputError(
                f"inversion: success={self.success}, multiplier={self.multiplier}: "
                "give (0, 1], and above 1"
            )

    def invert(
        self,
        model: nn.Module,
        pixels: Pixels,
        classes: int,
        generator: torch.Generator,
        progress: Progress = no_progress,
    ) -> InvertedTriggers:
        """Invert the trigger of every class, as many classes at once as fit into a batch.

        The result is on the CPU.
        """
        groups = torch.split(torch.arange(classes), max(1, MAX_BATCH // self.batch_size))
        triggers: list[InvertedTriggers] = []

        def on_epoch(epoch: int) -> None:
            progress("inversion", len(triggers) * self.epochs + epoch, len(groups) * self.epochs)

        with frozen(model):
            for labels in groups:
                triggers.append(self._invert_group(model, pixels, labels, generator, on_epoch))
        return InvertedTriggers(
            torch.cat([group.mask for group in triggers]),
            torch.cat([group.pattern for group in triggers]),
            torch.cat([group.norm for group in triggers]),
            torch.cat([group.works for group in triggers]),
        )

    def _invert_group(
        self,
        model: nn.Module,
        pixels: Pixels,
        labels: Tensor,
        generator: torch.Generator,
        on_epoch: Callable[[int], None],
    ) -> InvertedTriggers:
        parameters = _draw_parameters(len(labels), pixels, generator, device_of(model))
        optimizer = torch.optim.Adam(parameters, self.learning_rate, betas=(0.5, 0.9))
        none_works = torch.zeros(len(labels), dtype=torch.bool)
        best = InvertedTriggers(
            *_to_cpu(parameters), torch.full((len(labels),), torch.inf), none_works
        )
        costs = CostSchedule(
            len(labels), self.cost, self.multiplier, self.patience, self.stop_after
        )
        for epoch in range(self.epochs):
            active, hits = (~costs.done).nonzero().flatten(), torch.zeros(len(labels))
            order = torch.randperm(len(pixels), generator=generator)
            for rows in torch.split(order, self.batch_size):
                mask, pattern = (part[active.to(part.device)] for part in _bounded(parameters))
                images = as_images(pixels[rows], device_of(model))
                loss, new_hits = _trigger_loss(model, images, mask, pattern, labels[active])
                loss = loss + costs.value.to(loss)[active] * mask.flatten(1).sum(1)
                optimizer.zero_grad(set_to_none=True)
                torch.autograd.backward(loss.sum())
                optimizer.step()
                hits[active] += new_hits
            works = (hits >= self.success * len(pixels)) & ~costs.done
            best = best.update(*_to_cpu(parameters), works)
            costs.update(works, best)
            on_epoch(epoch + 1)
            if bool(costs.done.all()):
                break
        return best


def _draw_parameters(
    count: int, pixels: Pixels, generator: torch.Generator, device: torch.device
) -> list[Tensor]:
    """Draw a mask and a pattern for each class, as unbounded parameters."""
    _, channels, height, width = pixels.shape
    values = (
        torch.rand(count, depth, height, width, generator=generator) for depth in (1, channels)
    )
    # arctanh is infinite at -1 and 1
    unbounded = (torch.atanh((2 * part - 1).clamp(-1 + 1e-6, 1 - 1e-6)) for part in values)
    return [part.to(device).requires_grad_() for part in unbounded]


def _bounded(parameters: list[Tensor]) -> list[Tensor]:
    """Mask and pattern, in [0, 1]."""
    return [(part.tanh() + 1) / 2 for part in parameters]


def _to_cpu(parameters: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The current mask and pattern, on the CPU."""
    mask, pattern = (part.detach().cpu() for part in _bounded(parameters))
    return mask, pattern


def _trigger_loss(
    model: nn.Module, images: Images, mask: Tensor, pattern: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """The loss `(k,)` of each class's trigger, and how many images it sends there (on the CPU)."""
    mask, pattern = mask[:, None], pattern[:, None]
    triggered = ((1 - mask) * images + mask * pattern).flatten(0, 1)
    triggered = triggered.contiguous(memory_format=torch.channels_last)
    device, shape = images.device, (len(labels), len(images))
    with torch.autocast(device.type, torch.bfloat16, enabled=has_native_bf16(device)):
        logits = model(triggered).float()
    wanted = labels.to(device).repeat_interleave(len(images))
    loss = F.cross_entropy(logits, wanted, reduction="none").view(shape).mean(1)
    return loss, (logits.argmax(1) == wanted).view(shape).sum(1).cpu()
