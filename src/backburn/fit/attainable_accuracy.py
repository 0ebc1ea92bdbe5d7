"""Is a low accuracy all that can be had of these images? The model is fine-tuned on half of them.

Where the layer before the last is known, only what comes after it is: images that are read
otherwise than in training have other features, on which another last layer does better. That takes
one look at some images; to train a whole network takes as long as an audit.
"""

import copy
import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from ..executor.interface import HERE, Work
from ..models.inference import accuracy, device_of, frozen, penultimate
from ..training import Training, TrainingTask
from ..types import Case, Progress, Verdict, silent
from .fit_check import Fit, FitCheck

FINE_TUNING = Training(epochs=2, learning_rate=0.02, warmup=0.1)
STEPS = 300
"""Of the fine-tuning, at the least."""
SEED = 0
FEWEST, SAMPLE = 100, 1200
"""Images that accuracies are told by, at the least and at the most."""
CORRECTIONS, DECAY = 50, 0.03
"""Steps in which the last layer's correction is fitted, and what its squares weigh beside the loss.
So much keeps a layer that is right as it is: 600 images of ten classes move it by a point."""


def earned(
    verdict: Verdict,
    fit: Fit,
    check: FitCheck,
    case: Case,
    progress: Progress = silent,
    work: Work = HERE,
) -> Verdict:
    """The verdict; clean where it was withheld for an accuracy that is all there is to be reached.

    Args:
        verdict: that of a detector that was told `fit.reason`.
        fit: of the model and the images.
    """
    withheld = verdict.state == "abstained" and verdict.reason == fit.reason
    if not (withheld and fit.low) or len(case.images) < FEWEST:
        return verdict
    before, after = reached(case, progress, work)
    if after - before > check.reach:
        line = (
            f"{fit.reason} Fine-tuned on half of them, it calls {100 * after:.1f} % of the others"
        )
        return replace(verdict, reason=f"{line} by their label ({100 * before:.1f} % before)")
    return replace(verdict, state="clean", reason="")


def reached(case: Case, progress: Progress = silent, work: Work = HERE) -> tuple[float, float]:
    """Accuracy on every second image, before and after fine-tuning on the others."""
    if callable(getattr(case.model, "features", None)):
        return _by_the_last_layer(case)
    images = case.images
    shown, asked = _halves(len(images))
    steps = math.ceil(len(shown) / FINE_TUNING.batch_size)
    training = replace(FINE_TUNING, epochs=max(FINE_TUNING.epochs, math.ceil(STEPS / steps)))
    model = copy.deepcopy(case.model).requires_grad_(True)
    lesson = TrainingTask(images.pixels, images.labels, training, shown, phase="fit")
    work.fit(model, lesson, torch.Generator().manual_seed(SEED), progress=progress)
    others = images.take(asked)
    return accuracy(case.model, others), accuracy(model, others)


def _halves(count: int) -> tuple[Tensor, Tensor]:
    shuffled = torch.randperm(count, generator=torch.Generator().manual_seed(SEED))
    return shuffled[::2].sort().values, shuffled[1::2].sort().values


def _by_the_last_layer(case: Case) -> tuple[float, float]:
    images, model = case.images.sample(SAMPLE), case.model
    features, labels = penultimate(model, images.pixels), images.labels.cpu()
    with frozen(model), torch.no_grad():
        said = model.head(features.to(device_of(model))).float().cpu()  # type: ignore[operator]
    shown, asked = _halves(len(labels))
    spread = features[shown].std(0, correction=0).clamp_min(1e-6)
    scaled = (features - features[shown].mean(0)) / spread
    corrected = said + _correction(scaled[shown], said[shown], labels[shown])(scaled)

    def share(logits: Tensor) -> float:
        return float((logits.argmax(1) == labels)[asked].double().mean())

    return share(said), share(corrected.detach())


def _correction(features: Tensor, said: Tensor, labels: Tensor) -> nn.Linear:
    """What is to be added to the logits of these images, so that they are called by their label."""
    layer = nn.Linear(features.shape[1], said.shape[1])
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    optimizer = torch.optim.LBFGS(
        layer.parameters(), max_iter=CORRECTIONS, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        found = nn.functional.cross_entropy(said + layer(features), labels)
        found = found + DECAY * layer.weight.square().sum()
        found.backward()  # type: ignore[no-untyped-call]
        return found

    with torch.enable_grad():
        optimizer.step(loss)  # type: ignore[no-untyped-call]
    return layer
