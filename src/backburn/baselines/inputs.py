"""What a baseline is handed: looked at once, said in one line where it is missing."""

import copy

import torch
from torch import nn

from ..errors import InputError
from ..models.input_check import check_fit
from ..training.adaptation import forget
from ..types import Case, LabeledImages


def holdout_of(case: Case, method: str) -> LabeledImages:
    """The case's clean images.

    Raises:
        InputError: there are none, or the model does not fit them.
    """
    if case.holdout is None or not len(case.holdout):
        raise InputError(f"{method} needs clean images with true labels: give a holdout")
    check_fit(case.model, case.holdout)
    return case.holdout


def training_set_of(case: Case, method: str) -> LabeledImages:
    """The case's training set.

    Raises:
        InputError: it is empty, or the model does not fit it.
    """
    if not len(case.images):
        raise InputError(f"{method} needs the training set: give images")
    check_fit(case.model, case.images)
    return case.images


def trainable_copy(model: nn.Module) -> nn.Module:
    """A copy in evaluation mode whose parameters can all be trained."""
    return copy.deepcopy(model).eval().requires_grad_(True)


def untrained_copy(model: nn.Module, generator: torch.Generator) -> nn.Module:
    """A copy with all layers drawn anew, as far as they can reset themselves."""
    fresh = trainable_copy(model)
    forget(fresh, 1.0, generator)
    return fresh
