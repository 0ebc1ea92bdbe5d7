"""MSPC: scaled prediction consistency behind a mask that is learnt."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InputError
from ...interfaces import Detector
from ...models.inference import as_images, device_of, frozen, gains_from_bf16, predict
from ...types import Case, Evidence, Images, Logits, PerImage, Pixels, Progress, silent
from ..inputs import training_set_of
from ..scores import evidence_by_rank
from .asking import agreement, measured

PIECE = 128
"""Suspects passed at a time; gradients add up to those of the batch."""


@dataclass(frozen=True)
class MSPC(Detector):
    """Mask-aware scaled prediction consistency, without clean images.

    The lower level learns one mask over the positions of all images, in which suspects say the same
    at every scale; the upper level takes as suspects those whose consistency behind the mask,
    from -1 to 1, is above 0. The first suspects are those of no mask.

    Args:
        scales: factors of the masked pixels, which are clipped to [0, 1].
        shift: `tau`, taken off the pixels first, so that clean images do not last as white.
        rounds: of the upper level; `epochs`: passes over the images of the lower one in each.
        batch_size, learning_rate, momentum, weight_decay: of the mask's SGD.
        sparsity: `lambda`, of the mask's L1 norm.
    Source: Pal et al., Backdoor secrets unveiled, ICLR 2024, arXiv 2403.10717; scales 2 to 12,
    flagged above 0. The rest from the authors' code, for CIFAR-10.
    Departures: images are shuffled, for they may be sorted by class; a case without suspects ends
    the search. Only suspects, which alone have weight, are passed through the network.
    """

    scales: tuple[float, ...] = tuple(float(scale) for scale in range(2, 13))
    shift: float = 0.1
    rounds: int = 4
    epochs: int = 10
    batch_size: int = 1000
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    sparsity: float = 0.01

    def __post_init__(self) -> None:
        if not self.scales or not all(0 < scale < math.inf for scale in self.scales):
            raise InputError(f"scales is {self.scales}: give factors above 0, one at the least")
        if not 0 <= self.shift < 1:
            raise InputError(f"shift is {self.shift}: give a part of the pixels' range in [0, 1)")
        if min(self.rounds, self.epochs, self.batch_size) < 1:
            raise InputError(
                f"rounds={self.rounds}, epochs={self.epochs}, batch_size={self.batch_size}: "
                "give 1 or more"
            )
        rate, others = self.learning_rate, (self.weight_decay, self.sparsity)
        if not 0 < rate < math.inf or not all(0 <= other < math.inf for other in others):
            raise InputError(
                f"learning_rate={rate}, weight_decay={self.weight_decay}, "
                f"sparsity={self.sparsity}: give > 0, >= 0 and >= 0"
            )
        if not 0 <= self.momentum < 1:
            raise InputError(f"momentum is {self.momentum}: give a number in [0, 1)")

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Evidence:
        model, pixels = case.model, training_set_of(case, "MSPC").pixels
        plain = predict(model, pixels, progress=progress)
        mask = torch.ones(pixels.shape[-2:], device=device_of(model), requires_grad=True)
        optimizer = torch.optim.SGD(
            [mask],
            lr=self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
        )
        found = self._consistency(model, pixels, mask, progress)
        for number in range(self.rounds):
            if not bool((found > 0).any()):
                break
            self._learn(model, pixels, plain, found > 0, mask, optimizer, generator)
            found = self._consistency(model, pixels, mask, progress)
            progress("mask", number + 1, self.rounds)
        return evidence_by_rank(found, found > 0)

    def _consistency(
        self, model: nn.Module, pixels: Pixels, mask: Tensor, progress: Progress
    ) -> PerImage:
        """From -1, where no scale keeps what is said of an image, to 1, where all do."""
        fixed = mask.detach()

        def measure(images: Images) -> Tensor:
            said, shown = model(images).argmax(1), (images - self.shift) * fixed
            return 2 * agreement(model, shown, said, self.scales) - 1

        return measured(model, pixels, measure, "consistency", progress)

    def _learn(
        self,
        model: nn.Module,
        pixels: Pixels,
        plain: Logits,
        suspected: Tensor,
        mask: Tensor,
        optimizer: torch.optim.Optimizer,
        generator: torch.Generator,
    ) -> None:
        """The lower level: the divergence of the suspects, and a sparse mask."""
        with frozen(model):
            for _ in range(self.epochs):
                order = torch.randperm(len(pixels), generator=generator)
                for rows in torch.split(order, self.batch_size):
                    optimizer.zero_grad()
                    torch.autograd.backward(self.sparsity * mask.abs().sum())
                    for chosen in torch.split(rows[suspected[rows]], PIECE):
                        images = as_images(pixels[chosen.to(pixels.device)], mask.device)
                        wanted = plain[chosen].to(mask.device).log_softmax(1)
                        self._diverge(model, images, wanted, mask, len(rows))
                    optimizer.step()
                    with torch.no_grad():
                        mask.clamp_(0, 1)

    def _diverge(
        self, model: nn.Module, images: Images, wanted: Tensor, mask: Tensor, count: int
    ) -> None:
        """Add to the mask's gradient that of the mean divergence over scales and `count` images."""
        device = mask.device
        for scale in self.scales:
            shown = (scale * (images - self.shift) * mask).clamp(0, 1)
            with torch.autocast(device.type, torch.bfloat16, gains_from_bf16(device)):
                said = model(shown).float().log_softmax(1)
            loss = F.kl_div(said, wanted, reduction="sum", log_target=True)
            torch.autograd.backward(loss / (count * len(self.scales)))
