"""The accuracy that a model attains on these images after fine-tuning on half of them.

It tells whether a low accuracy is all that can be reached. If the model exposes its penultimate
features, only its last layer is fine-tuned. Images that are read in another way than in training
have other features, on which another last layer is better. That takes one pass over some images,
while training the whole network takes as long as an audit.
"""

import copy
import hashlib
import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from ..executor.interface import LOCAL, Executor
from ..models.inference import accuracy, device_of, frozen, penultimate_features
from ..results import Verdict
from ..training import Training, TrainingTask
from ..types import Case, Pixels, Progress, no_progress
from .fit_check import FitCheck, FitResult

FINE_TUNING = Training(epochs=2, learning_rate=0.02, warmup=0.1)
MIN_STEPS = 300
"""Fewest steps of the fine-tuning."""
SEED = 0
MIN_IMAGES, MAX_IMAGES = 100, 1200
"""Fewest images for which an accuracy is compared, and most images for the last layer."""
CORRECTION_STEPS, WEIGHT_DECAY = 50, 0.03
"""Steps that fit the correction of the last layer, and the weight of its squares beside the loss.
With this weight a correct layer stays nearly as it is: 600 images of ten classes change its
accuracy by a point."""


def resolve_low_accuracy(
    verdict: Verdict,
    fit: FitResult,
    check: FitCheck,
    case: Case,
    progress: Progress = no_progress,
    executor: Executor = LOCAL,
) -> Verdict:
    """The verdict, changed to clean if it was withheld for an accuracy that can't be improved.

    Args:
        verdict: of a detector that was given `fit.reason`.
        fit: of the model and the images.
        check: the settings of the fit.
    """
    withheld = verdict.state == "abstained" and verdict.reason == fit.reason
    if not (withheld and fit.low) or len(case.images) < MIN_IMAGES:
        return verdict
    before, after = measure_attainable_accuracy(case, progress, executor)
    if after - before > check.reach:
        line = (
            f"{fit.reason} Fine-tuned on half of them, it calls {100 * after:.1f} % of the others"
        )
        return replace(verdict, reason=f"{line} by their label ({100 * before:.1f} % before)")
    return replace(verdict, state="clean", reason="")


def measure_attainable_accuracy(
    case: Case, progress: Progress = no_progress, executor: Executor = LOCAL
) -> tuple[float, float]:
    """Accuracy on one half of the images before and after fine-tuning on the other half."""
    if callable(getattr(case.model, "features", None)):
        return _fine_tune_last_layer(case)
    images = case.images
    trained, held_out = _halves(images.pixels)
    steps = math.ceil(len(trained) / FINE_TUNING.batch_size)
    training = replace(FINE_TUNING, epochs=max(FINE_TUNING.epochs, math.ceil(MIN_STEPS / steps)))
    model = copy.deepcopy(case.model).requires_grad_(True)
    task = TrainingTask(images.pixels, images.labels, training, trained, phase="fit")
    executor.fit(model, task, torch.Generator().manual_seed(SEED), progress=progress)
    others = images.take(held_out)
    return accuracy(case.model, others), accuracy(model, others)


def _halves(pixels: Pixels) -> tuple[Tensor, Tensor]:
    """Rows of two random halves; the second one has no copy of an image of the first.

    Copies would be learnt by heart, so that any model seems to gain.
    """
    shuffled = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(SEED))
    trained, others = shuffled[::2].sort().values, shuffled[1::2].sort().values
    learnt = {_digest(pixels[row]) for row in trained.tolist()}
    new = [row for row in others.tolist() if _digest(pixels[row]) not in learnt]
    return trained, torch.tensor(new or others.tolist(), dtype=torch.long)


def _digest(image: Tensor) -> bytes:
    return hashlib.sha256(image.cpu().numpy().tobytes()).digest()


def _fine_tune_last_layer(case: Case) -> tuple[float, float]:
    images, model = case.images.sample(MAX_IMAGES), case.model
    features, labels = penultimate_features(model, images.pixels), images.labels.cpu()
    with frozen(model), torch.no_grad():
        logits = model.head(features.to(device_of(model))).float().cpu()  # type: ignore[operator]
    trained, held_out = _halves(images.pixels)
    spread = features[trained].std(0, correction=0).clamp_min(1e-6)
    scaled = (features - features[trained].mean(0)) / spread
    correction = _fit_correction(scaled[trained], logits[trained], labels[trained])
    corrected = logits + correction(scaled)

    def held_out_accuracy(logits: Tensor) -> float:
        return float((logits.argmax(1) == labels)[held_out].double().mean())

    return held_out_accuracy(logits), held_out_accuracy(corrected.detach())


def _fit_correction(features: Tensor, logits: Tensor, labels: Tensor) -> nn.Linear:
    """Fit a linear layer of the features that corrects the logits."""
    layer = nn.Linear(features.shape[1], logits.shape[1])
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    optimizer = torch.optim.LBFGS(
        layer.parameters(), max_iter=CORRECTION_STEPS, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(logits + layer(features), labels)
        loss = loss + WEIGHT_DECAY * layer.weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with torch.enable_grad():
        optimizer.step(closure)  # type: ignore[no-untyped-call]
    return layer
