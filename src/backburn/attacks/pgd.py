"""Projected gradient descent in L-infinity, on bytes: an attacker's tool, not a defender's."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data.pixels import to_pixels
from ..models.inference import as_images, device_of, frozen, gains_from_bf16
from ..training import BatchTransform
from ..types import Labels, Pixels


def linf_pgd(
    model: nn.Module,
    pixels: Pixels,
    labels: Labels,
    epsilon: float,
    step: float,
    steps: int,
    generator: torch.Generator,
) -> Pixels:
    """Images that a model takes less for `labels`, within `epsilon` of the given ones.

    Args:
        epsilon, step: in 0..255 units.
        generator: draws where in the box the descent starts.
    Source: Madry et al., arXiv 1706.06083, algorithm of section 2.1.
    """
    device = device_of(model)
    images, labels = as_images(pixels, device), labels.to(device)
    radius, length = epsilon / 255, step / 255
    start = torch.rand(pixels.shape, generator=generator).to(device) * 2 - 1
    moved = (images + radius * start).clamp(0, 1)
    with frozen(model):
        for _ in range(steps):
            moved = moved + length * _gradient(model, moved, labels).sign()
            moved = torch.minimum(torch.maximum(moved, images - radius), images + radius)
            moved = moved.clamp(0, 1)
    return to_pixels(moved.to(pixels.device) * 255)


def adversarial_training(
    model: nn.Module, epsilon: float, generator: torch.Generator
) -> BatchTransform:
    """A batch transform that trains `model` on one-step adversarial images.

    Source: Wong et al., Fast is better than free, arXiv 2001.03994: random start, one step of
    1.25 epsilon.
    """

    def perturb(pixels: Pixels, labels: Labels, index: Tensor) -> tuple[Pixels, Labels]:
        return linf_pgd(model, pixels, labels, epsilon, 1.25 * epsilon, 1, generator), labels

    return perturb


def _gradient(model: nn.Module, images: Tensor, labels: Labels) -> Tensor:
    images = images.detach().requires_grad_()
    with torch.enable_grad():
        with torch.autocast(
            images.device.type, torch.bfloat16, enabled=gains_from_bf16(images.device)
        ):
            logits = model(images)
        loss = F.cross_entropy(logits.float(), labels, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, images)
    return gradient
