"""FLARE: across all layers, poison is abnormal in a way of its own."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from sklearn.cluster import HDBSCAN
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...errors import InputError
from ...interfaces import Detector
from ...models.inference import forward_hooks
from ...results import Evidence
from ...types import Case, Flags, Images, Pixels, Progress, no_progress
from ..flagging import rank_flagged_first
from ..input_checks import require_training_set
from ..rank_evidence import evidence_by_rank
from .altered_images import measure_images
from .cluster_tree import stable_cut
from .features import draw_seed
from .umap_layout import umap_layout

MIN_IMAGES = 3
"""Fewer images are not clustered."""


@dataclass(frozen=True)
class FLARE(Detector):
    """Cluster images by their least likely activation in each batch-norm layer.

    An activation's likelihood is that of the normal distribution with the layer's running mean and
    variance. The images are laid out in the plane by UMAP and clustered by HDBSCAN. The last
    layers are left out, one after another, until the largest cluster is stable. All other clusters
    are poison then. If it never is, nothing is flagged.

    Args:
        stability: `xi`, by how much the density has to grow until the largest cluster splits. A
            density is one over a distance of the layout.
        depth: `d`, splits of the tree at which the largest cluster is followed.
        neighbors: neighborhood of an image in UMAP.
        smallest: images in a cluster, at the least.
        smallest_share: the same as a share of the images. The smaller of both counts.
    Source: Hou et al., FLARE, TIFS 2025, arXiv 2411.19479; stability 0.02, and depth, neighbors
    and smallest as in the authors' code for 50,000 images.
    Departures: the paper calls the more stable of two clusters poison. Here it is every cluster but
    the largest, as in the authors' code. Small sets may have smaller clusters. UMAP is our own
    (`umap_layout`). The score is ours: minus the mean log likelihood over the layers in use, with
    flagged images above all others.
    """

    stability: float = 0.02
    depth: int = 3
    neighbors: int = 40
    smallest: int = 100
    smallest_share: float = 0.02

    def __post_init__(self) -> None:
        if not 0 <= self.stability < math.inf or not 0 < self.smallest_share < 1:
            raise InputError(
                f"stability={self.stability}, smallest_share={self.smallest_share}: "
                "give at least 0 and a share in (0, 1)"
            )
        if self.depth < 1 or min(self.neighbors, self.smallest) < 2:
            raise InputError(
                f"depth={self.depth}, neighbors={self.neighbors}, smallest={self.smallest}: "
                "give at least 1, 2 and 2"
            )

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Evidence:
        images, seed = require_training_set(case, "FLARE"), draw_seed(generator)
        likelihoods = least_likelihoods(case.model, images.pixels, progress)
        layers = likelihoods.shape[1]
        flagged = torch.zeros(len(images), dtype=torch.bool)
        kept = layers if len(images) >= MIN_IMAGES else 0
        while kept and not bool(flagged.any()):
            flagged = self._other_clusters(likelihoods[:, :kept].numpy(), seed)
            progress("clusters", layers - kept + 1, layers)
            kept -= 1
        used = likelihoods[:, : kept + 1] if bool(flagged.any()) else likelihoods
        return evidence_by_rank(rank_flagged_first(-used.mean(1), flagged), flagged)

    def _other_clusters(self, likelihoods: np.ndarray, seed: int) -> Flags:
        """All clusters but the largest, where that is stable; else nothing."""
        count = len(likelihoods)
        smallest = max(2, min(self.smallest, round(self.smallest_share * count)))
        layout = umap_layout(likelihoods, self.neighbors, seed)
        clusters = HDBSCAN(min_cluster_size=smallest, copy=True).fit(layout)
        # the only access to the tree that scikit-learn gives
        tree = clusters._single_linkage_tree_
        cut = stable_cut(tree, smallest, self.stability, self.depth)
        if cut is None:
            return torch.zeros(count, dtype=torch.bool)
        labels = clusters.dbscan_clustering(cut, min_cluster_size=smallest)
        largest = np.bincount(labels[labels >= 0], minlength=1).argmax()
        return torch.from_numpy((labels >= 0) & (labels != largest))


def least_likelihoods(
    model: nn.Module, pixels: Pixels, progress: Progress = no_progress
) -> Float[Tensor, "n layers"]:
    """Log likelihood of the least likely input of each batch-norm layer.

    Returns:
        In the order in which the layers run, the minimum over channels and positions, on the CPU.
    Raises:
        InputError: no layer keeps running statistics.
    """
    layers = [
        layer
        for layer in model.modules()
        if isinstance(layer, _BatchNorm) and layer.running_mean is not None
    ]
    if not layers:
        raise InputError("FLARE reads batch norm: give a model that has it, with statistics")
    minima: list[Tensor] = []

    def record(layer: _BatchNorm, inputs: tuple[Tensor, ...], _output: object) -> None:
        minima.append(_least(layer, inputs[0]))

    def measure(images: Images) -> Tensor:
        minima.clear()
        model(images)
        return torch.stack(minima, 1)

    with forward_hooks(layers, record):
        return measure_images(model, pixels, measure, "likelihoods", progress)


def _least(layer: _BatchNorm, activations: Tensor) -> Tensor:
    """Smallest log density `(n,)` of each image's activations `(n, c, ...)`."""
    shape = (1, -1) + (1,) * (activations.dim() - 2)
    mean, variance = (
        statistic.float().view(shape)
        for statistic in (layer.running_mean, layer.running_var)
        if statistic is not None
    )
    variance = variance + layer.eps
    density = -((activations.float() - mean) ** 2 / variance + (2 * math.pi * variance).log()) / 2
    return density.flatten(1).amin(1)
