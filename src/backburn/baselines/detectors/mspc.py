"""MSPC: scaled prediction consistency behind a learned mask."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InputError
from ...interfaces import Detector
from ...models.inference import as_images, device_of, frozen, has_native_bf16, predict
from ...results import Evidence
from ...types import Case, Images, Logits, PerImage, Pixels, Progress, no_progress
from ..input_checks import require_training_set
from ..rank_evidence import evidence_by_rank
from .altered_images import agreement, measure_images

CHUNK = 128
"""Number of suspects in a forward pass; gradients add up to those of the batch."""


@dataclass(frozen=True)
class MSPC(Detector):
    """Mask-aware scaled prediction consistency, without clean images.

    The lower level learns one mask over positions, behind which suspects have the same prediction
    at every scale. The upper level selects the suspects: images whose consistency behind the mask,
    in [-1, 1], is above 0. The first suspects are selected without a mask.

    Args:
        scales: factors of the masked pixels, which are clipped to [0, 1].
        shift: `tau`, subtracted from the pixels first, so that clean images do not saturate to
            white.
        rounds: rounds of the upper level.
        epochs: passes over the images of the lower level in each round.
        batch_size: batch size of the mask's SGD.
        learning_rate: learning rate of the mask's SGD.
        momentum: momentum of the mask's SGD.
        weight_decay: weight decay of the mask's SGD.
        sparsity: `lambda`, weight of the mask's L1 norm.
    Source: Pal et al., Backdoor secrets unveiled, ICLR 2024, arXiv 2403.10717; scales 2 to 12,
    flagged above 0. The rest is from the authors' code for CIFAR-10.
    Departures: images are shuffled, since they may be sorted by class. The search ends if there
    are no suspects. Only suspects are passed through the network, since others have no weight.
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
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Evidence:
        model, pixels = case.model, require_training_set(case, "MSPC").pixels
        logits = predict(model, pixels, progress=progress)
        mask = torch.ones(pixels.shape[-2:], device=device_of(model), requires_grad=True)
        optimizer = torch.optim.SGD(
            [mask],
            lr=self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
        )
        consistency = self._consistency(model, pixels, mask, progress)
        for number in range(self.rounds):
            if not bool((consistency > 0).any()):
                break
            self._learn_mask(model, pixels, logits, consistency > 0, mask, optimizer, generator)
            consistency = self._consistency(model, pixels, mask, progress)
            progress("mask", number + 1, self.rounds)
        return evidence_by_rank(consistency, consistency > 0)

    def _consistency(
        self, model: nn.Module, pixels: Pixels, mask: Tensor, progress: Progress
    ) -> PerImage:
        """Consistency of each image: 1 if every scale keeps its prediction, -1 if none does."""
        fixed = mask.detach()

        def measure(images: Images) -> Tensor:
            predictions, masked = model(images).argmax(1), (images - self.shift) * fixed
            return 2 * agreement(model, masked, predictions, self.scales) - 1

        return measure_images(model, pixels, measure, "consistency", progress)

    def _learn_mask(
        self,
        model: nn.Module,
        pixels: Pixels,
        logits: Logits,
        suspects: Tensor,
        mask: Tensor,
        optimizer: torch.optim.Optimizer,
        generator: torch.Generator,
    ) -> None:
        """Train the mask: minimize the divergence of suspects and the mask's L1 norm."""
        with frozen(model):
            for _ in range(self.epochs):
                order = torch.randperm(len(pixels), generator=generator)
                for rows in torch.split(order, self.batch_size):
                    optimizer.zero_grad()
                    torch.autograd.backward(self.sparsity * mask.abs().sum())
                    for chunk in torch.split(rows[suspects[rows]], CHUNK):
                        images = as_images(pixels[chunk.to(pixels.device)], mask.device)
                        target = logits[chunk].to(mask.device).log_softmax(1)
                        self._backward(model, images, target, mask, len(rows))
                    optimizer.step()
                    with torch.no_grad():
                        mask.clamp_(0, 1)

    def _backward(
        self, model: nn.Module, images: Images, target: Tensor, mask: Tensor, count: int
    ) -> None:
        """Add the gradient of the mean divergence over scales and `count` images."""
        device = mask.device
        for scale in self.scales:
            masked = (scale * (images - self.shift) * mask).clamp(0, 1)
            with torch.autocast(device.type, torch.bfloat16, has_native_bf16(device)):
                output = model(masked).float().log_softmax(1)
            loss = F.kl_div(output, target, reduction="sum", log_target=True)
            torch.autograd.backward(loss / (count * len(self.scales)))
