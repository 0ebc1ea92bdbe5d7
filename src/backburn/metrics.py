"""ACC, ASR, RA, DER, TPR, FPR, AUROC."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from .errors import missing_extra
from .models.inference import predict
from .results import Evidence, Scores, Suspects
from .types import (
    EvaluationSet,
    Flags,
    LabeledImages,
    Labels,
    PerImage,
    Pixels,
    Progress,
    State,
    Truth,
    no_progress,
)

SSIM_WINDOW = 11


@dataclass(frozen=True, slots=True)
class DetectionScores:
    """How well the suspects match the poison.

    `restored` is the share of poison among the suspects whose restored label is the true one;
    `restored_easy` the same among the poison that a model trained on clean images gets right.
    """

    auroc: float
    tpr: float
    fpr: float
    restored: float
    count: int
    restored_easy: float = math.nan


@dataclass(frozen=True, slots=True)
class Stealth:
    """How hard a trigger is to see: mean PSNR in decibels and mean SSIM over changed images."""

    psnr: float
    ssim: float


def share_of_true(hits: Tensor) -> float:
    """Share of True; NaN of nothing."""
    return float(hits.double().mean()) if hits.numel() else math.nan


def der(before: Scores, after: Scores) -> float:
    """Defense effectiveness rating, in [0, 1]: (max(0, ASR drop) - max(0, ACC drop) + 1) / 2.

    Source: Zhu et al., Enhancing fine-tuning based backdoor defense with sharpness-aware
    minimization (FT-SAM), arXiv 2304.11823.
    """
    return (max(0.0, before.asr - after.asr) - max(0.0, before.acc - after.acc) + 1) / 2


def auroc(score: PerImage, positive: Flags) -> float:
    """Area under the ROC curve; NaN where only one kind is present."""
    if bool(positive.all()) or not bool(positive.any()):
        return math.nan
    return float(roc_auc_score(positive.numpy(), score.numpy()))


def evaluate_model(
    model: nn.Module, exam: EvaluationSet, progress: Progress = no_progress
) -> Scores:
    """ACC on the clean test images; ASR and RA on the triggered ones (target class left out).

    NaN where there are none.
    """
    clean, triggered = (_called(model, part, progress) for part in (exam.clean, exam.triggered))
    return Scores(
        share_of_true(clean == exam.clean.labels),
        share_of_true(triggered == exam.wanted),
        share_of_true(triggered == exam.triggered.labels),
    )


def _called(model: nn.Module, images: LabeledImages, progress: Progress) -> Labels:
    if not len(images):
        return images.labels
    return predict(model, images.pixels, phase="test", progress=progress).argmax(1)


def score_detection(
    evidence: Evidence, suspects: Suspects | None, truth: Truth, easy: Flags | None = None
) -> DetectionScores:
    """What was found against the truth; cover samples count neither as poison nor as clean.

    Args:
        suspects: None where nobody restored labels; what is flagged counts then.
        easy: the images that a model trained on clean images calls by their true label.
    """
    known = truth.state != State.COVER
    named, restored, restored_easy = evidence.flagged, math.nan, math.nan
    if suspects is not None:
        named = torch.zeros_like(named)
        named[suspects.index] = True
        restored, restored_easy = _restored(suspects, truth, easy)
    return DetectionScores(
        auroc=auroc(evidence.score[known], truth.poison[known]),
        tpr=share_of_true(named[truth.poison]),
        fpr=share_of_true(named[truth.state == State.CLEAN]),
        restored=restored,
        count=int(named.sum()),
        restored_easy=restored_easy,
    )


def _restored(suspects: Suspects, truth: Truth, easy: Flags | None) -> tuple[float, float]:
    """Share of right labels: of the poison among the suspects, and of what is easy of it."""
    # some toolkits do not save what poison was
    hit = truth.poison[suspects.index] & (truth.labels[suspects.index] >= 0)
    right = suspects.restored_label == truth.labels[suspects.index]
    return share_of_true(right[hit]), math.nan if easy is None else share_of_true(
        right[hit & easy[suspects.index]]
    )


def stealth(plain: Pixels, triggered: Pixels) -> Stealth:
    """PSNR and SSIM of triggered images against the same images as they were.

    PSNR is 10 lg(255^2 / MSE) of each image, and images that the trigger leaves as they are do not
    count; SSIM has the usual window of 11 pixels, Gaussian with sigma 1.5, and images are mirrored
    at their edges.
    Source: Wang et al., Image quality assessment, IEEE TIP 2004, by scikit-image.
    """
    changed = (plain != triggered).flatten(1).any(1)
    before, after = plain[changed].cpu(), triggered[changed].cpu()
    if not len(before):
        return Stealth(math.nan, math.nan)
    error = (before.float() - after.float()).square().flatten(1).mean(1)
    similar = sum(map(_similarity, before.numpy(), after.numpy())) / len(before)
    return Stealth(float((10 * torch.log10(255**2 / error)).mean()), similar)


def _similarity(before: np.ndarray, after: np.ndarray) -> float:
    """SSIM of one image `(c, h, w)`."""
    try:
        from skimage.metrics import structural_similarity
    except ImportError as error:
        raise missing_extra("SSIM", "scikit-image", "benchmark") from error
    edges = ((0, 0), (SSIM_WINDOW // 2, SSIM_WINDOW // 2), (SSIM_WINDOW // 2, SSIM_WINDOW // 2))
    first, second = (np.pad(image, edges, mode="reflect") for image in (before, after))
    return float(
        structural_similarity(  # type: ignore[no-untyped-call]
            first,
            second,
            data_range=255,
            channel_axis=0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )
