"""The witness test: does an encoder that never saw these labels tell a group from its class?"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from torch import Tensor

from ..memory_mapped import evenly_spaced
from ..types import Features, Index, Labels
from .linear_probe import ProbeResult
from .records import CandidateGroup

FOLDS = 5
PENALTY_SAMPLE = 2000
"""Most images that the penalty is chosen on."""
PENALTIES = tuple(10.0 ** (power / 2) for power in range(-6, 5))
"""Candidate penalties, in units of the mean square of the features' columns and the number of
images."""


@dataclass(frozen=True, slots=True)
class WitnessClassifier:
    """A linear classifier over an encoder's features, cross-fitted to the given labels.

    The attacker did not make the encoder, so a trigger means nothing to it. It calls poisoned
    images by what they show, whatever the rest of their class is.

    Args:
        features: `(n, d)`, standardized.
        labels: the given labels.
        predictions: `(n,)` the class of each image by a classifier that was not fitted to it.
        penalty: of the ridge classifier, for the full number of images.
        logit_scale: factor from its scores to logits.
    Source: cross-fitting as in confident learning, Northcutt et al., JAIR 2021.
    """

    features: Float[Tensor, "n d"]
    labels: Labels
    predictions: Labels
    penalty: float
    logit_scale: float

    def test_group(self, candidate: CandidateGroup) -> ProbeResult:
        """Compare the predictions for a candidate group with those for the rest of its split."""
        predicted, rest = self.predictions[candidate.group], self.predictions[candidate.rest]
        share = (predicted != candidate.label).float().mean()
        reference = (rest != candidate.label).float().mean() if len(rest) else torch.zeros(())
        return ProbeResult(float(share - reference), predicted)

    def probabilities(self, rows: Index, fitted: Tensor) -> Float[Tensor, "m k"]:
        """Class probabilities of images by a classifier that is fitted to other images.

        Args:
            rows: the images to classify.
            fitted: `(n,)` flags of the images to fit to.
        """
        values, labels = self.features.numpy(), self.labels.numpy()
        count = int(self.labels.max()) + 1
        scores = _scores(self.penalty, values[fitted], labels[fitted], values[rows], count)
        return torch.from_numpy(softmax(self.logit_scale * scores, axis=1)).float()


def fit_witness(features: Features, labels: Labels, seed: int) -> WitnessClassifier:
    """Cross-fit a linear classifier, so that every image is classified without its own label.

    Args:
        features: `(n, d)` of an encoder, for images of at least two classes.
        seed: for the folds.
    """
    table = features.float().nan_to_num()
    table = (table - table.mean(0)) / table.std(0).clamp_min(1e-6)
    folds, targets, values = _folds(labels, seed), labels.numpy(), table.numpy()
    sample = evenly_spaced(torch.arange(len(labels)), PENALTY_SAMPLE).numpy()
    penalty = _choose_penalty(values[sample], targets[sample], folds[sample])
    penalty = penalty * len(targets) / len(sample)
    count = int(labels.max()) + 1
    scores = np.empty((len(targets), count))
    for fold in range(FOLDS):
        held_out, others = folds == fold, folds != fold
        scores[held_out] = _scores(
            penalty, values[others], targets[others], values[held_out], count
        )
    predictions = torch.from_numpy(scores.argmax(1))
    return WitnessClassifier(table, labels, predictions, penalty, _fit_logit_scale(scores, targets))


def _scores(
    penalty: float, values: np.ndarray, labels: np.ndarray, queries: np.ndarray, count: int
) -> np.ndarray:
    """Scores `(m, count)` of `queries` by a ridge classifier; -inf for classes not fitted.

    Args:
        count: number of classes.
    """
    ridge = _ridge(penalty).fit(values, labels)
    decision = ridge.decision_function(queries)
    scores = np.full((len(queries), count), -np.inf)
    scores[:, ridge.classes_] = (
        np.stack([-decision, decision], 1) if decision.ndim == 1 else decision
    )
    return scores


def _ridge(penalty: float) -> RidgeClassifier:
    return RidgeClassifier(penalty, class_weight="balanced")


def _folds(labels: Labels, seed: int) -> np.ndarray:
    """The fold of every image, stratified by class."""
    generator, folds = torch.Generator().manual_seed(seed), torch.zeros_like(labels)
    for label in sorted(set(labels.tolist())):
        rows = (labels == label).nonzero().flatten()
        shuffled = rows[torch.randperm(len(rows), generator=generator)]
        folds[shuffled] = torch.arange(len(rows)) % FOLDS
    return folds.numpy()


def _choose_penalty(values: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> float:
    """The largest penalty whose accuracy is within one standard error of the best.

    Source: the one-standard-error rule, Breiman et al., Classification and Regression Trees, 1984.
    """

    def simplest(results: dict[str, np.ndarray]) -> int:
        mean, error = results["mean_test_score"], results["std_test_score"] / FOLDS**0.5
        best = int(mean.argmax())
        return int(np.flatnonzero(mean >= mean[best] - error[best]).max())

    grid = {"alpha": [penalty * len(values) for penalty in PENALTIES]}
    search = GridSearchCV(_ridge(1.0), grid, cv=PredefinedSplit(folds), refit=simplest)
    return float(search.fit(values, labels).best_params_["alpha"])


def _fit_logit_scale(scores: np.ndarray, labels: np.ndarray) -> float:
    """The factor that makes cross-fitted scores the likeliest logits of the given labels."""
    own = scores[np.arange(len(labels)), labels]
    # the only image of a class is scored by a classifier that does not know the class
    fitted = np.isfinite(own)

    def loss(power: float) -> float:
        scale = np.exp(power)
        return -float((scale * own - logsumexp(scale * scores, axis=1))[fitted].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(0, 6), method="bounded").x))
