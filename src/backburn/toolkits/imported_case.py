"""A victim that was read from the files of another toolkit."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..types import Flags, LabeledImages, Labels, State, Truth


@dataclass(frozen=True, slots=True)
class ImportedCase:
    """A poisoned training set and the model that was trained on it.

    Attributes:
        images: the training set.
        truth: states and true labels; -1 where the toolkit does not save the true label.
        triggered: triggered test images with their true labels; None if there are none.
        wanted: the labels that the attacker wants for them.
        weights: state_dict of the model; empty if there is no model.
        architecture: name of the network, as for `--arch`.
        notes: sentences about what is missing or was assumed.
    """

    images: LabeledImages
    truth: Truth
    triggered: LabeledImages | None
    wanted: Labels | None
    weights: dict[str, Tensor]
    architecture: str
    notes: tuple[str, ...] = ()


def infer_states(triggered: Flags, labels: Labels, true: Labels) -> Tensor:
    """Infer the `State` of each image, int8 `(n,)`, from which images have the trigger.

    If some triggered images are mislabeled, those with their true label are cover samples.
    Otherwise the attack is a clean-label one, and all triggered images are poison.

    >>> labels, true = torch.tensor([7, 7, 2]), torch.tensor([1, 7, 2])
    >>> infer_states(torch.tensor([True, True, False]), labels, true).tolist()
    [2, 1, 0]
    """
    mislabeled = triggered & (labels != true)
    poison = mislabeled if bool(mislabeled.any()) else triggered
    state = torch.full(labels.shape, int(State.CLEAN), dtype=torch.int8)
    state[triggered] = int(State.COVER)
    state[poison] = int(State.POISON)
    return state
