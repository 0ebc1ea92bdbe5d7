"""What another toolkit's folder holds, in our records."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..types import Flags, LabeledImages, Labels, State, Truth


@dataclass(frozen=True, slots=True)
class Imported:
    """A poisoned training set and the model that was trained on it.

    `truth.labels` is -1 where the toolkit does not save what an image was. `triggered` holds
    triggered test images with their true labels and `wanted` what the attacker wants said of them;
    both are None where there are none. `weights` is the plain state_dict of the network that
    `architecture` names (as `--arch` does), empty where no model was found. `notes` says in plain
    sentences what was left out or taken for granted.
    """

    images: LabeledImages
    truth: Truth
    triggered: LabeledImages | None
    wanted: Labels | None
    weights: dict[str, Tensor]
    architecture: str
    notes: tuple[str, ...] = ()


def states_of(planted: Flags, given: Labels, true: Labels) -> Tensor:
    """`State` of each image, int8 `(n,)`, of those that carry the trigger (`planted`).

    Where some of them are mislabeled, those that keep their label are cover samples. Where none
    is, the attack is a clean-label one, and all of them are poison.
    """
    mislabeled = planted & (given != true)
    poison = mislabeled if bool(mislabeled.any()) else planted
    state = torch.full(given.shape, int(State.CLEAN), dtype=torch.int8)
    state[planted] = int(State.COVER)
    state[poison] = int(State.POISON)
    return state
