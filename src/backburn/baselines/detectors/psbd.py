"""PSBD: poison keeps its confidence when dropout is on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ...errors import InputError
from ...interfaces import Detector, Inputs
from ...models.channel_statistics import NORMALIZATION_LAYERS, WEIGHT_LAYERS
from ...models.inference import device_of, forward_hooks
from ...results import Evidence
from ...training.state import seeded_layer_randomness
from ...types import Case, Images, Pixels, Progress, no_progress
from ..input_checks import require_holdout, require_training_set
from ..rank_evidence import evidence_by_rank
from .altered_images import measure_images


@dataclass(frozen=True)
class PSBD(Detector):
    """Prediction shift uncertainty: how much confidence an image loses when dropout is on.

    The uncertainty is the confidence in the prediction, minus the mean confidence in the same class
    with dropout. It is low for poison. The rate of dropout is the one that moves the predictions of
    clean images most, compared with those of the training set.

    Args:
        rates: rates of dropout to select from.
        passes: `k`, predictions with dropout at each rate.
        shift: share of the predictions of clean images that have to change, for a rate to be
            selected. If no rate reaches it, all of them are compared.
        quantile: images are flagged below this quantile of the uncertainty of clean images.
    Source: Li et al., PSBD, CVPR 2025, arXiv 2406.05826; k 3, shift 0.8, quantile 0.25, and rates
    from 0.1 to 0.9. The comparison of rates is that of the authors' code.
    Departures: the model is the one of the case, with dropout added after its blocks by hooks. The
    authors build it into the network, at rate 0 in training, and take a network of an earlier
    epoch.
    """

    rates: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    passes: int = 3
    shift: float = 0.8
    quantile: float = 0.25
    inputs: ClassVar[Inputs] = Inputs(holdout=0.05)

    def __post_init__(self) -> None:
        if not self.rates or not all(0 < rate < 1 for rate in self.rates):
            raise InputError(f"rates is {self.rates}: give numbers in (0, 1), one at the least")
        if self.passes < 1:
            raise InputError(f"passes is {self.passes}: give 1 or more")
        if not 0 <= self.shift <= 1 or not 0 < self.quantile < 1:
            raise InputError(
                f"shift={self.shift}, quantile={self.quantile}: give [0, 1] and (0, 1)"
            )

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Evidence:
        images, clean = require_training_set(case, "PSBD"), require_holdout(case, "PSBD")
        with seeded_layer_randomness(device_of(case.model), generator):
            (clean_shift, clean_loss), (shift, loss) = (
                self._measure(case.model, part.pixels, progress) for part in (clean, images)
            )
        rate = self._select_rate(clean_shift.mean(1), shift.mean(1))
        threshold = clean_loss[rate].quantile(self.quantile)
        return evidence_by_rank(-loss[rate], loss[rate] < threshold)

    def _select_rate(self, clean: Float[Tensor, " rates"], others: Float[Tensor, " rates"]) -> int:
        """Position of the rate at which clean images shift most, compared with the others."""
        far = clean >= self.shift
        allowed = far if bool(far.any()) else torch.ones_like(far)
        return int((clean - others).where(allowed, torch.tensor(-torch.inf)).argmax())

    def _measure(
        self, model: nn.Module, pixels: Pixels, progress: Progress
    ) -> tuple[Float[Tensor, "rates n"], Float[Tensor, "rates n"]]:
        """The share of the passes that change the prediction, and the loss of confidence."""

        def measure(images: Images) -> Tensor:
            plain = model(images).float().softmax(1)
            confidence, predictions = plain.max(1)
            columns = []
            for rate in self.rates:
                with dropout_after(sites, rate):
                    passes = [model(images).float().softmax(1) for _ in range(self.passes)]
                changed = torch.stack([each.argmax(1) != predictions for each in passes])
                kept = torch.stack(passes).mean(0).gather(1, predictions[:, None]).squeeze(1)
                columns += [changed.float().mean(0), confidence - kept]
            return torch.stack(columns, 1)

        sites = dropout_sites(model)
        columns = measure_images(model, pixels, measure, "dropout", progress).T
        return columns[0::2], columns[1::2]


def dropout_sites(model: nn.Module) -> list[nn.Module]:
    """The modules after which dropout is added.

    These are the residual blocks: the innermost modules that run two or more weight layers in a
    forward of their own. A network without them has dropout after each normalization layer, or
    without any after each weight layer but the last. Dropout before a ReLU and after it is the
    same.

    Raises:
        InputError: the model has at most one weight layer.
    """
    blocks = [module for module in model.modules() if module is not model and _is_block(module)]
    inner = [block for block in blocks if not any(map(_is_block, list(block.modules())[1:]))]
    layers = [layer for layer in model.modules() if isinstance(layer, NORMALIZATION_LAYERS)]
    weights = [layer for layer in model.modules() if isinstance(layer, WEIGHT_LAYERS)]
    sites: list[nn.Module] = [*(inner or layers or weights[:-1])]
    if not sites:
        raise InputError("PSBD adds dropout between layers: give a model with two or more")
    return sites


def _is_block(module: nn.Module) -> bool:
    weights = [layer for layer in module.modules() if isinstance(layer, WEIGHT_LAYERS)]
    return len(weights) > 1 and not isinstance(module, nn.Sequential | nn.ModuleList)


@contextmanager
def dropout_after(sites: list[nn.Module], rate: float) -> Iterator[None]:
    """Dropout at this rate after each of these modules, also in evaluation mode."""

    def drop(_layer: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        return F.dropout(output, rate)

    with forward_hooks(sites, drop):
        yield
