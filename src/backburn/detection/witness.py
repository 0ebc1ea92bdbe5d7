"""A second opinion: does a network that never saw these labels tell a group from its class?"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from torch import Tensor

from ..memory_mapped import evenly
from ..types import Features, Index, Labels
from .probe_test import Asked
from .records import Candidate

FOLDS = 5
SETTLED = 2000
"""Images that the penalty is settled on, at the most."""
PENALTIES = tuple(10.0 ** (power / 2) for power in range(-6, 5))
"""Times the mean square of the features' columns and the number of images."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A linear classifier over an encoder's features, fitted to the given labels in folds.

    The encoder is not of the attacker's making, so that a trigger means nothing to it: poisoned
    images are called what they show, whatever is in the rest of the class.

    Args:
        features: `(n, d)`, standardised.
        labels: as given.
        called: `(n,)` what each image is called by a classifier that was not fitted to it.
        penalty: of the ridge classifier, for as many images as there are.
        sharpness: what its scores are multiplied by to be logits.
    Source: cross-fitting as in confident learning, Northcutt et al., JAIR 2021.
    """

    features: Float[Tensor, "n d"]
    labels: Labels
    called: Labels
    penalty: float
    sharpness: float

    def ask(self, candidate: Candidate) -> Asked:
        """How many more of a group than of the rest of its split are called otherwise."""
        sides = candidate.group, candidate.rest
        group, rest = (self.called[rows] != candidate.label for rows in sides)
        moved = self.called[candidate.group][group]
        counts = torch.bincount(moved, minlength=int(self.labels.max()) + 1).float()
        usual = rest.float().mean() if len(rest) else torch.zeros(())
        return Asked(float(group.float().mean() - usual), counts / max(1, len(moved)))

    def probabilities(self, rows: Index, known: Tensor) -> Float[Tensor, "m k"]:
        """What it says of images when it is fitted to others.

        Args:
            rows: asked about.
            known: `(n,)` which images it may be fitted to.
        """
        values, given = self.features.numpy(), self.labels.numpy()
        count = int(self.labels.max()) + 1
        scores = _scores(self.penalty, values[known], given[known], values[rows], count)
        return torch.from_numpy(softmax(self.sharpness * scores, axis=1)).float()


def second_opinion(features: Features, labels: Labels, seed: int) -> Witness:
    """What a linear classifier over these features calls every image it was not fitted to.

    Args:
        features: `(n, d)` of an encoder; of images of two classes or more.
    """
    table = features.float().nan_to_num()
    table = (table - table.mean(0)) / table.std(0).clamp_min(1e-6)
    folds, given, values = _folds(labels, seed), labels.numpy(), table.numpy()
    sample = evenly(torch.arange(len(labels)), SETTLED).numpy()
    penalty = _settled(values[sample], given[sample], folds[sample]) * len(given) / len(sample)
    count = int(labels.max()) + 1
    scores = np.empty((len(given), count))
    for fold in range(FOLDS):
        left, others = folds == fold, folds != fold
        scores[left] = _scores(penalty, values[others], given[others], values[left], count)
    called = torch.from_numpy(scores.argmax(1))
    return Witness(table, labels, called, penalty, _sharpness(scores, given))


def _scores(
    penalty: float, values: np.ndarray, labels: np.ndarray, asked: np.ndarray, count: int
) -> np.ndarray:
    """What a classifier that is fitted to some images says of others; -inf of unknown classes.

    Args:
        count: of classes.
    """
    ridge = _ridge(penalty).fit(values, labels)
    said = ridge.decision_function(asked)
    scores = np.full((len(asked), count), -np.inf)
    scores[:, ridge.classes_] = np.stack([-said, said], 1) if said.ndim == 1 else said
    return scores


def _ridge(penalty: float) -> RidgeClassifier:
    return RidgeClassifier(penalty, class_weight="balanced")


def _folds(labels: Labels, seed: int) -> np.ndarray:
    """A fold of every image, as many of each class in each as there can be."""
    generator, folds = torch.Generator().manual_seed(seed), torch.zeros_like(labels)
    for label in sorted(set(labels.tolist())):
        rows = (labels == label).nonzero().flatten()
        mixed = rows[torch.randperm(len(rows), generator=generator)]
        folds[mixed] = torch.arange(len(rows)) % FOLDS
    return folds.numpy()


def _settled(values: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> float:
    """The largest penalty that is not worse than the best by more than a standard error.

    Source: the one-standard-error rule, Breiman et al., Classification and Regression Trees, 1984.
    """

    def simplest(results: dict[str, np.ndarray]) -> int:
        mean, spread = results["mean_test_score"], results["std_test_score"] / FOLDS**0.5
        best = int(mean.argmax())
        return int(np.flatnonzero(mean >= mean[best] - spread[best]).max())

    grid = {"alpha": [penalty * len(values) for penalty in PENALTIES]}
    search = GridSearchCV(_ridge(1.0), grid, cv=PredefinedSplit(folds), refit=simplest)
    return float(search.fit(values, labels).best_params_["alpha"])


def _sharpness(scores: np.ndarray, labels: np.ndarray) -> float:
    """The factor under which cross-fitted scores are the likeliest logits of the given labels."""
    own = scores[np.arange(len(labels)), labels]
    known = np.isfinite(own)  # an only image of its class is called by who knows none

    def surprise(power: float) -> float:
        sharp = np.exp(power)
        return -float((sharp * own - logsumexp(sharp * scores, axis=1))[known].mean())

    return float(np.exp(minimize_scalar(surprise, bounds=(0, 6), method="bounded").x))
