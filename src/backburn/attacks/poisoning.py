"""Which images an attack takes, and what becomes of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Int8
from torch import Tensor, nn

from ..errors import InputError
from ..training import BatchTransform
from ..types import Flags, LabeledImages, Labels, Pixels, State, Trigger, Truth
from .base import Attack, Planted

Change = Callable[[Tensor], Tensor]
"""Pixels to pixels, as a trigger, but it may differ from image to image and from call to call."""


def dirty_label(
    attack: Attack, images: LabeledImages, trigger: Trigger, generator: torch.Generator
) -> Planted:
    """Put the trigger on images of the other classes and call them the target."""
    state = draw_states(attack, images, images.labels != attack.target_label, generator)
    return planted(attack, images, state, trigger)


def clean_label(
    attack: Attack,
    images: LabeledImages,
    trigger: Trigger,
    generator: torch.Generator,
    poison: Change | None = None,
) -> Planted:
    """Put the trigger on images that are of the target class already; no label changes."""
    state = draw_states(attack, images, images.labels == attack.target_label, generator)
    return planted(attack, images, state, trigger, poison=poison)


def draw_states(
    attack: Attack,
    images: LabeledImages,
    eligible: Flags,
    generator: torch.Generator,
    *,
    cover_rate: float = 0.0,
    coverable: Flags | None = None,
) -> Int8[Tensor, " n"]:
    """Which images become poison (of `eligible`), and which of the others cover samples.

    Args:
        cover_rate: cover samples as a fraction of the whole set.
        coverable: what may become a cover sample; everything that is not poison where None.
    Raises:
        InputError: a rate that asks for no image, or for more than there are.
    """
    state = torch.zeros(len(images), dtype=torch.int8)
    rate = attack.poisoning_rate
    state[_some(rate, eligible, generator, "poisoning_rate")] = int(State.POISON)
    if cover_rate:
        left = state == State.CLEAN
        left &= left if coverable is None else coverable
        state[_some(cover_rate, left, generator, "a cover rate of")] = int(State.COVER)
    return state


def _some(rate: float, pool: Flags, generator: torch.Generator, what: str) -> Tensor:
    wanted, rows = round(rate * len(pool)), pool.nonzero().flatten()
    if not 0 < wanted <= len(rows):
        raise InputError(
            f"{what} {rate} asks for {wanted} of {len(pool)} images, but {len(rows)} can carry "
            "this trigger: give another rate"
        )
    return rows[torch.randperm(len(rows), generator=generator)[:wanted]]


def relabeled(labels: Labels, goal: tuple[int, ...]) -> Labels:
    """What an attacker calls poisoned images of these classes; clean-label ones keep theirs."""
    wanted = torch.tensor(goal)[labels]
    return wanted.where(wanted >= 0, labels)


def planted(
    attack: Attack,
    images: LabeledImages,
    state: Int8[Tensor, " n"],
    trigger: Trigger,
    *,
    poison: Change | None = None,
    cover: Change | None = None,
    draws: torch.Generator | None = None,
    controls_training: bool = False,
) -> Planted:
    """The training set with its poison and cover samples.

    Args:
        poison: what becomes of poison; the trigger itself where None.
        cover: what becomes of cover samples; the trigger itself where None.
        draws: what they draw from, where they do.
        controls_training: whether the attacker repeats both in every batch, after augmentation.
    """
    goal = attack.goal(images.class_count)
    restamp = Restamp(images, state, goal, poison or trigger, cover or trigger, draws)
    truth = Truth(state, images.labels)
    return Planted(restamp.settle(), truth, trigger, restamp if controls_training else None)


@dataclass(frozen=True, slots=True)
class Restamp:
    """Poison and cover samples made anew from the clean images, batch by batch."""

    images: LabeledImages
    state: Int8[Tensor, " n"]
    goal: tuple[int, ...]
    poison: Change
    cover: Change
    draws: torch.Generator | None = None

    def begin(self, model: nn.Module) -> BatchTransform:
        return self

    def remember(self) -> dict[str, Tensor]:
        """What the next batch depends on beside the images."""
        drawn = {} if self.draws is None else {"draws": self.draws.get_state()}
        return {"state": self.state, **drawn}

    def recall(self, kept: Mapping[str, Tensor]) -> None:
        """Draw on from there."""
        if self.draws is not None:
            self.draws.set_state(kept["draws"])

    def __call__(self, pixels: Pixels, labels: Labels, index: Tensor) -> tuple[Pixels, Labels]:
        """The batch as the attacker wants it learnt."""
        pixels, labels, state = pixels.clone(), labels.clone(), self.state[index]
        for kind, change in ((State.POISON, self.poison), (State.COVER, self.cover)):
            rows = (state == kind).nonzero().flatten()
            if len(rows):
                here = rows.to(pixels.device)
                pixels[here] = change(pixels[here])
        poisoned = state == State.POISON
        labels[poisoned] = relabeled(labels[poisoned], self.goal)
        return pixels, labels

    def settle(self) -> LabeledImages:
        """The training set as a victim has it on disk."""
        everything = torch.arange(len(self.images))
        return self.images.relabeled(*self(self.images.pixels, self.images.labels, everything))
