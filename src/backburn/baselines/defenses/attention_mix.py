"""AttentionMix: images and their labels are mixed where the network looks."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ...training import Objective
from ...types import Flags, Images, Labels
from .stage_maps import coarsest_first, record_stages
from .unlearning import cross_entropy

Targets = Float[Tensor, "n k"]
"""Soft labels: a weight of each class, which need not sum to 1."""


@torch.no_grad()
def attention(model: nn.Module, images: Images) -> Float[Tensor, "n 1 h w"]:
    """Where the model looks: the squares of its last feature maps, scaled to [0, 1] per image."""
    with record_stages(model) as maps:
        model(images)
    energy = coarsest_first(maps)[0].float().square().sum(1, keepdim=True)
    energy = F.interpolate(energy, images.shape[-2:], mode="bilinear", align_corners=False)
    low, high = energy.amin((1, 2, 3), keepdim=True), energy.amax((1, 2, 3), keepdim=True)
    return (energy - low) / (high - low).clamp_min(1e-12)


def attention_mix(
    images: Images, maps: Float[Tensor, "n 1 h w"], targets: Targets, threshold: float
) -> tuple[Images, Targets]:
    """Mix each image with the one before it in the batch, where its attention is high.

    Batches are shuffled, so the neighbour is a random partner. With `W_1` and `W_2` the shares of
    both images' attention inside the region, the region becomes the mean of both weighted by
    `W_1` and `W_2`. The share `W_1` of the label is divided in the same proportion.

    Args:
        maps: attention of each image, in [0, 1].
        targets: soft labels `(n, k)`.
        threshold: attention from which a pixel belongs to the region.
    Returns:
        The mixed images and their soft labels.
    """
    partners, partner_maps, partner_targets = (x.roll(1, 0) for x in (images, maps, targets))
    region = maps >= threshold
    own, other = (
        (each * region).sum((1, 2, 3), keepdim=True)
        / each.sum((1, 2, 3), keepdim=True).clamp_min(1e-12)
        for each in (maps, partner_maps)
    )
    part = other / (own + other).clamp_min(1e-12)
    mixed = torch.where(region, (1 - part) * images + part * partners, images)
    moved = (own * part).flatten(1)  # of the label
    return mixed, (1 - moved) * targets + moved * partner_targets


def mixing_loss(targets: Targets, threshold: float) -> Objective:
    """The cross entropy of mixed images.

    Args:
        targets: soft label of each image of the training set. The labels of the training task are
            rows of it.
        threshold: see `attention_mix`.
    """

    def loss(model: nn.Module, images: Images, rows: Labels) -> Tensor:
        maps = attention(model, images)
        mixed, labels = attention_mix(images, maps, targets.to(images.device)[rows], threshold)
        return cross_entropy(model, mixed, labels)

    return loss


def suppression_loss(
    targets: Targets, suspects: Flags, threshold: float, weight: float
) -> Objective:
    """The mean cross entropy of mixed credible images, plus `weight` times that of suspects.

    Args:
        targets, threshold: as for `mixing_loss`.
        suspects: images of the training set that are not mixed.
    """

    def loss(model: nn.Module, images: Images, rows: Labels) -> Tensor:
        labels, suspicious = (x.to(images.device)[rows] for x in (targets, suspects))
        credible = (~suspicious).nonzero().flatten()
        if len(credible):
            maps = attention(model, images)[credible]
            mixed, mixed_labels = attention_mix(images[credible], maps, labels[credible], threshold)
            images, labels = (
                each.index_copy(0, credible, new.to(each.dtype))
                for each, new in ((images, mixed), (labels, mixed_labels))
            )
        entropy = cross_entropy(model, images, labels)
        # the mean over the batch is then the sum of the means over both kinds
        scale = len(rows) / torch.where(suspicious, suspicious.sum(), len(credible))
        return entropy * scale * torch.where(suspicious, weight, 1.0)

    return loss
