"""The contract of an attack, and the two ways of planting a fixed trigger."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import NamedTuple, final

import torch
from torch import Tensor

from ..errors import InputError
from ..models.zoo import build, parse_architecture
from ..training import Training, fit
from ..types import Exam, LabeledImages, Progress, State, Trigger, Truth, Victim, silent


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a victim is trained: a built-in network (see `models.zoo`) and the fit's settings."""

    architecture: str = "preact_resnet18"
    training: Training = field(default_factory=Training)

    def __post_init__(self) -> None:
        parse_architecture(self.architecture)


class Planted(NamedTuple):
    """A poisoned training set, the truth about it, and the trigger that was used."""

    images: LabeledImages
    truth: Truth
    trigger: Trigger


@dataclass(frozen=True)
class Attack(ABC):
    """A way to plant a backdoor. The fields of a subclass are its hyperparameters.

    Args:
        poisoning_rate: poisoned images as a fraction of the WHOLE training set, in (0, 1).
        target_label: the class that triggered images shall be taken for.
    """

    poisoning_rate: float = 0.05
    target_label: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.poisoning_rate < 1:
            raise InputError(
                f"poisoning_rate is {self.poisoning_rate}: give a fraction between 0 and 1, such "
                "as 0.05"
            )
        if self.target_label < 0:
            raise InputError(f"target_label is {self.target_label}: give a class number from 0")

    @abstractmethod
    def plant(self, images: LabeledImages, generator: torch.Generator) -> Planted:
        """Poison a training set. `images` stays as it is."""

    @final
    def mount(
        self,
        images: LabeledImages,
        recipe: Recipe,
        generator: torch.Generator,
        progress: Progress = silent,
    ) -> Victim:
        """Poison the training set and train a victim on it.

        Raises:
            InputError: a target label or a rate that this training set cannot serve.
        """
        if self.target_label >= images.class_count:
            raise InputError(
                f"target_label is {self.target_label}, but the images have "
                f"{images.class_count} classes: give 0 to {images.class_count - 1}"
            )
        planted = self.plant(images, generator)
        model = build(
            recipe.architecture,
            images.class_count,
            images.pixels.shape[1],
            generator=generator,
            pixels=planted.images.pixels,
        ).to(images.pixels.device)
        fit(
            model,
            planted.images.pixels,
            planted.images.labels,
            recipe.training,
            generator,
            phase="train the victim",
            progress=progress,
        )
        poisoned = bool(planted.truth.poison.any())
        target = self.target_label if poisoned else -1
        return Victim(model, planted.images, planted.truth, planted.trigger, target)


def exam_of(victim: Victim, test: LabeledImages) -> Exam:
    """The test images that judge this victim: clean, and triggered from every other class."""
    others = (test.labels != victim.target_label).nonzero().flatten()
    chosen = test.take(others if victim.target_label >= 0 else others[:0])
    triggered = chosen.relabeled(victim.trigger(chosen.pixels), chosen.labels)
    return Exam(test, triggered, torch.full_like(chosen.labels, victim.target_label))


def dirty_label(
    attack: Attack, images: LabeledImages, trigger: Trigger, generator: torch.Generator
) -> Planted:
    """Put the trigger on images of the other classes and call them the target."""
    return _plant(attack, images, trigger, images.labels != attack.target_label, generator)


def clean_label(
    attack: Attack, images: LabeledImages, trigger: Trigger, generator: torch.Generator
) -> Planted:
    """Put the trigger on images that are of the target class already; no label changes."""
    return _plant(attack, images, trigger, images.labels == attack.target_label, generator)


def _plant(
    attack: Attack,
    images: LabeledImages,
    trigger: Trigger,
    eligible: Tensor,
    generator: torch.Generator,
) -> Planted:
    wanted = round(attack.poisoning_rate * len(images))
    pool = eligible.nonzero().flatten()
    if not 0 < wanted <= len(pool):
        raise InputError(
            f"poisoning_rate {attack.poisoning_rate} asks for {wanted} of {len(images)} images, "
            f"but {len(pool)} can carry this trigger: give another rate"
        )
    chosen = pool[torch.randperm(len(pool), generator=generator)[:wanted]]
    pixels, labels = images.pixels.clone(), images.labels.clone()
    pixels[chosen] = trigger(pixels[chosen])
    labels[chosen] = attack.target_label
    state = torch.zeros(len(images), dtype=torch.int8)
    state[chosen] = int(State.POISON)
    return Planted(images.relabeled(pixels, labels), Truth(state, images.labels), trigger)
