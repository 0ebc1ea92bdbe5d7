"""Projected gradient descent in the L-infinity norm, on uint8 images."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data.pixels import to_pixels
from ..models.inference import as_images, device_of, frozen, has_native_bf16
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
    """Perturb images so that the loss of `labels` increases.

    Args:
        epsilon: largest change of a pixel, in 0..255 units.
        step: step size, in 0..255 units.
        steps: number of steps.
        generator: draws the random start.
    Source: Madry et al., arXiv 1706.06083, algorithm of section 2.1.
    """
    device = device_of(model)
    images, labels = as_images(pixels, device), labels.to(device)
    radius, length = epsilon / 255, step / 255
    start = torch.rand(pixels.shape, generator=generator).to(device) * 2 - 1
    perturbed = (images + radius * start).clamp(0, 1)
    with frozen(model):
        for _ in range(steps):
            perturbed = perturbed + length * _gradient(model, perturbed, labels).sign()
            perturbed = torch.minimum(torch.maximum(perturbed, images - radius), images + radius)
            perturbed = perturbed.clamp(0, 1)
    return to_pixels(perturbed.to(pixels.device) * 255)


def adversarial_training(
    model: nn.Module, epsilon: float, generator: torch.Generator
) -> BatchTransform:
    """Return a batch transform that trains `model` on one-step adversarial images.

    Source: Wong et al., Fast is better than free, arXiv 2001.03994: random start, one step of
    1.25 epsilon.
    """

    def perturb(pixels: Pixels, labels: Labels, index: Tensor) -> tuple[Pixels, Labels]:
        return linf_pgd(model, pixels, labels, epsilon, 1.25 * epsilon, 1, generator), labels

    return perturb


def _gradient(model: nn.Module, images: Tensor, labels: Labels) -> Tensor:
    """Return the gradient of the summed cross-entropy with respect to the images."""
    images = images.detach().requires_grad_()
    with torch.enable_grad():
        with torch.autocast(
            images.device.type, torch.bfloat16, enabled=has_native_bf16(images.device)
        ):
            logits = model(images)
        loss = F.cross_entropy(logits.float(), labels, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, images)
    return gradient
