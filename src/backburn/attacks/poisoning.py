"""Selection of the images that an attack poisons, and their poisoning."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Int8
from torch import Tensor, nn

from ..errors import InputError
from ..training import BatchTransform
from ..types import Flags, LabeledImages, Labels, Pixels, State, Trigger, Truth
from .base import Attack, PoisonedData

PixelTransform = Callable[[Tensor], Tensor]
"""Pixels to pixels. Unlike a trigger it may be random, and differ from image to image."""


def dirty_label(
    attack: Attack, images: LabeledImages, trigger: Trigger, generator: torch.Generator
) -> PoisonedData:
    """Put the trigger on images of other classes and label them as the target class."""
    state = draw_states(attack, images, images.labels != attack.target_label, generator)
    return poison_images(attack, images, state, trigger)


def clean_label(
    attack: Attack,
    images: LabeledImages,
    trigger: Trigger,
    generator: torch.Generator,
    poison: PixelTransform | None = None,
) -> PoisonedData:
    """Put the trigger on images of the target class; no label changes.

    Args:
        poison: applied to the poisoned images in place of the trigger.
    """
    state = draw_states(attack, images, images.labels == attack.target_label, generator)
    return poison_images(attack, images, state, trigger, poison=poison)


def draw_states(
    attack: Attack,
    images: LabeledImages,
    eligible: Flags,
    generator: torch.Generator,
    *,
    cover_rate: float = 0.0,
    coverable: Flags | None = None,
) -> Int8[Tensor, " n"]:
    """Draw which images become poison and which cover samples.

    Args:
        eligible: `(n,)`, the images that may become poison.
        cover_rate: cover samples as a fraction of the whole training set.
        coverable: `(n,)`, the images that may become cover samples; by default all that are not
            poison.
    Returns:
        The `State` of each image.
    Raises:
        InputError: a rate selects no image, or more than there are.
    """
    state = torch.zeros(len(images), dtype=torch.int8)
    rate = attack.poisoning_rate
    state[_draw_rows(rate, eligible, generator, "poisoning_rate")] = int(State.POISON)
    if cover_rate:
        clean = state == State.CLEAN
        clean &= clean if coverable is None else coverable
        state[_draw_rows(cover_rate, clean, generator, "a cover rate of")] = int(State.COVER)
    return state


def _draw_rows(rate: float, eligible: Flags, generator: torch.Generator, setting: str) -> Tensor:
    """Draw eligible rows, as many as `rate` times the number of all images."""
    count, rows = round(rate * len(eligible)), eligible.nonzero().flatten()
    if not 0 < count <= len(rows):
        raise InputError(
            f"{setting} {rate} asks for {count} of {len(eligible)} images, but {len(rows)} can "
            "carry this trigger: give another rate"
        )
    return rows[torch.randperm(len(rows), generator=generator)[:count]]


def poisoned_labels(labels: Labels, goal: tuple[int, ...]) -> Labels:
    """Return the labels of poisoned images: the attacker's, or the true one where goal is -1.

    >>> poisoned_labels(torch.tensor([0, 1, 2]), (-1, 0, 0))
    tensor([0, 0, 0])
    """
    wanted = torch.tensor(goal)[labels]
    return wanted.where(wanted >= 0, labels)


def poison_images(
    attack: Attack,
    images: LabeledImages,
    state: Int8[Tensor, " n"],
    trigger: Trigger,
    *,
    poison: PixelTransform | None = None,
    cover: PixelTransform | None = None,
    draws: torch.Generator | None = None,
    controls_training: bool = False,
) -> PoisonedData:
    """Poison the images that `state` selects.

    Args:
        state: `(n,)`, the `State` of each image, see `draw_states`.
        poison: applied to poison; the trigger by default.
        cover: applied to cover samples; the trigger by default.
        draws: the generator of `poison` and `cover`, if they are random.
        controls_training: whether poison and cover samples are made anew in every batch, after
            augmentation.
    """
    goal = attack.goal(images.class_count)
    poisoner = BatchPoisoner(images, state, goal, poison or trigger, cover or trigger, draws)
    truth = Truth(state, images.labels)
    control = poisoner if controls_training else None
    return PoisonedData(poisoner.poisoned_images(), truth, trigger, control)


@dataclass(frozen=True, slots=True)
class BatchPoisoner:
    """A batch transform that makes poison and cover samples from clean images.

    Args:
        images: the clean training set.
        state: `(n,)`, the `State` of each image.
        goal: the attacker's label for each class, see `Attack.goal`.
        poison: applied to poison.
        cover: applied to cover samples.
        draws: their generator, if they are random.
    """

    images: LabeledImages
    state: Int8[Tensor, " n"]
    goal: tuple[int, ...]
    poison: PixelTransform
    cover: PixelTransform
    draws: torch.Generator | None = None

    def batch_transform(self, model: nn.Module) -> BatchTransform:
        """See `TrainingControl.batch_transform`; the model is not needed."""
        return self

    def get_state(self) -> dict[str, Tensor]:
        """Return the state for a checkpoint."""
        generator = {} if self.draws is None else {"draws": self.draws.get_state()}
        return {"state": self.state, **generator}

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore the state from a checkpoint."""
        if self.draws is not None:
            self.draws.set_state(state["draws"])

    def __call__(self, pixels: Pixels, labels: Labels, index: Tensor) -> tuple[Pixels, Labels]:
        """Poison a batch; `index` holds the rows of its images."""
        pixels, labels, state = pixels.clone(), labels.clone(), self.state[index]
        for kind, transform in ((State.POISON, self.poison), (State.COVER, self.cover)):
            rows = (state == kind).nonzero().flatten()
            if len(rows):
                rows = rows.to(pixels.device)
                pixels[rows] = transform(pixels[rows])
        poisoned = state == State.POISON
        labels[poisoned] = poisoned_labels(labels[poisoned], self.goal)
        return pixels, labels

    def poisoned_images(self) -> LabeledImages:
        """Return the whole training set, poisoned."""
        index = torch.arange(len(self.images))
        return self.images.relabeled(*self(self.images.pixels, self.images.labels, index))
