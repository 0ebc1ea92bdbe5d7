"""Trigger inversion: the smallest patch that sends every image to a class, for all classes."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InputError
from ...models.inference import as_images, device_of, frozen, gains_from_bf16
from ...types import Images, Pixels, Progress, silent
from .patches import Costs, Patches

AT_ONCE = 1024
"""Stamped images in a batch over all its classes, about."""


@dataclass(frozen=True)
class Inversion:
    """Adam on mask and pattern: cross entropy to the class plus `cost` times the mask's L1 norm.

    The cost of a class rises while its patch works and falls while it does not.

    Args:
        epochs: passes over the images, at the most.
        batch_size: images that each class's patch is put on at once.
        learning_rate: of Adam, with betas 0.5 and 0.9.
        cost: the first weight of the norm.
        success: share of images that a patch must send to its class.
        multiplier: a cost rises by it, and falls by it to the power of 1.5.
        patience: epochs in a row after which a cost is changed.
        stop_after: epochs without a norm smaller by 1 % after which a class, whose cost has both
            risen and fallen, is done.
    Source: Wang et al., Neural Cleanse, S&P 2019; epochs, batch size, cost as in BackdoorBench.
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

    def patches(
        self,
        model: nn.Module,
        pixels: Pixels,
        classes: int,
        generator: torch.Generator,
        progress: Progress = silent,
    ) -> Patches:
        """The patch of every class, on the CPU; as many classes at once as fit into a batch."""
        groups = torch.split(torch.arange(classes), max(1, AT_ONCE // self.batch_size))
        found: list[Patches] = []

        def tell(epoch: int) -> None:
            progress("inversion", len(found) * self.epochs + epoch, len(groups) * self.epochs)

        with frozen(model):
            for labels in groups:
                found.append(self._of(model, pixels, labels, generator, tell))
        return Patches(
            torch.cat([one.mask for one in found]),
            torch.cat([one.pattern for one in found]),
            torch.cat([one.norm for one in found]),
            torch.cat([one.found for one in found]),
        )

    def _of(
        self,
        model: nn.Module,
        pixels: Pixels,
        labels: Tensor,
        generator: torch.Generator,
        tell: Callable[[int], None],
    ) -> Patches:
        free = _drawn(len(labels), pixels, generator, device_of(model))
        optimizer = torch.optim.Adam(free, self.learning_rate, betas=(0.5, 0.9))
        nothing = torch.zeros(len(labels), dtype=torch.bool)
        best = Patches(*_kept(free), torch.full((len(labels),), torch.inf), nothing)
        costs = Costs(len(labels), self.cost, self.multiplier, self.patience, self.stop_after)
        for epoch in range(self.epochs):
            left, hits = (~costs.done).nonzero().flatten(), torch.zeros(len(labels))
            order = torch.randperm(len(pixels), generator=generator)
            for rows in torch.split(order, self.batch_size):
                patch = [part[left.to(part.device)] for part in _bounded(free)]
                images = as_images(pixels[rows], device_of(model))
                loss, sent = _sent(model, images, patch, labels[left])
                loss = loss + costs.value.to(loss)[left] * patch[0].flatten(1).sum(1)
                optimizer.zero_grad(set_to_none=True)
                torch.autograd.backward(loss.sum())
                optimizer.step()
                hits[left] += sent
            works = (hits >= self.success * len(pixels)) & ~costs.done
            best = best.improved(*_kept(free), works)
            costs.look(works, best)
            tell(epoch + 1)
            if bool(costs.done.all()):
                break
        return best


def _drawn(
    count: int, pixels: Pixels, generator: torch.Generator, device: torch.device
) -> list[Tensor]:
    """A mask and a pattern for each class, as numbers without bounds."""
    _, channels, height, width = pixels.shape
    drawn = (
        torch.rand(count, depth, height, width, generator=generator) for depth in (1, channels)
    )
    # arctanh has no value at -1
    bare = (torch.atanh((2 * part - 1).clamp(-1 + 1e-6, 1 - 1e-6)) for part in drawn)
    return [part.to(device).requires_grad_() for part in bare]


def _bounded(free: list[Tensor]) -> list[Tensor]:
    """Mask and pattern in [0, 1]."""
    return [(part.tanh() + 1) / 2 for part in free]


def _kept(free: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Mask and pattern as they are now, on the CPU."""
    mask, pattern = (part.detach().cpu() for part in _bounded(free))
    return mask, pattern


def _sent(
    model: nn.Module, images: Images, patch: list[Tensor], labels: Tensor
) -> tuple[Tensor, Tensor]:
    """The loss `(k,)` of each class's patch, and on the CPU how many images it sends there."""
    mask, pattern = (part[:, None] for part in patch)
    stamped = ((1 - mask) * images + mask * pattern).flatten(0, 1)
    stamped = stamped.contiguous(memory_format=torch.channels_last)
    device, shape = images.device, (len(labels), len(images))
    with torch.autocast(device.type, torch.bfloat16, enabled=gains_from_bf16(device)):
        logits = model(stamped).float()
    wanted = labels.to(device).repeat_interleave(len(images))
    loss = F.cross_entropy(logits, wanted, reduction="none").view(shape).mean(1)
    return loss, (logits.argmax(1) == wanted).view(shape).sum(1).cpu()
