"""Checking what a method is given, and copies of its model."""

import copy

import torch
from torch import nn

from ..errors import InputError
from ..models.input_check import check_fit
from ..training.adapt_settings import reset_last_layers
from ..types import Case, LabeledImages


def require_holdout(case: Case, method: str) -> LabeledImages:
    """Return the case's clean images.

    Args:
        method: name of the method, for the message.
    Raises:
        InputError: there are none, or the model does not accept them.
    """
    if case.holdout is None or not len(case.holdout):
        raise InputError(f"{method} needs clean images with true labels: give a holdout")
    check_fit(case.model, case.holdout)
    return case.holdout


def require_training_set(case: Case, method: str) -> LabeledImages:
    """Return the case's training set.

    Args:
        method: name of the method, for the message.
    Raises:
        InputError: it is empty, or the model does not accept it.
    """
    if not len(case.images):
        raise InputError(f"{method} needs the training set: give images")
    check_fit(case.model, case.images)
    return case.images


def require_linear_head(model: nn.Module, method: str) -> nn.Linear:
    """Return the linear layer that turns the model's features into logits.

    Args:
        method: name of the method, for the message.
    Raises:
        InputError: the model has no method `features`, or its `head` is not a linear layer.
    """
    head = getattr(model, "head", None)
    if not isinstance(head, nn.Linear) or not callable(getattr(model, "features", None)):
        raise InputError(
            f"{method} needs features(images) and a linear head, which {type(model).__name__} "
            "has not: give a model that has"
        )
    return head


def trainable_copy(model: nn.Module) -> nn.Module:
    """Return a copy of the model in evaluation mode, all of whose parameters can be trained."""
    return copy.deepcopy(model).eval().requires_grad_(True)


def untrained_copy(model: nn.Module, generator: torch.Generator) -> nn.Module:
    """Return a copy of the model whose layers are reinitialized, as far as they can be."""
    fresh = trainable_copy(model)
    reset_last_layers(fresh, 1.0, generator)
    return fresh
