"""The contract of an attack, and how a victim comes of it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Protocol, final, runtime_checkable

import torch
from torch import nn

from ..data.augmentation import Augmentation
from ..errors import InputError
from ..executor.interface import HERE, Work
from ..models.classifier import Classifier
from ..models.nets.zoo import build, parse_architecture
from ..training import BatchTransform, Training, TrainingTask
from ..types import Exam, LabeledImages, Progress, Trigger, Truth, Victim, silent
from .surrogates import Surrogates


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a victim is trained: a built-in network (see `models.zoo`) and the fit's settings."""

    architecture: str = "preact_resnet18"
    training: Training = field(default_factory=Training)

    def __post_init__(self) -> None:
        parse_architecture(self.architecture)

    def network(
        self, images: LabeledImages, classes: int, generator: torch.Generator
    ) -> Classifier:
        """A freshly initialized network for these images, where they are."""
        channels, pixels = images.pixels.shape[1], images.pixels
        model = build(self.architecture, classes, channels, generator=generator, pixels=pixels)
        return model.to(pixels.device)


def short_recipe() -> Recipe:
    """How an auxiliary classifier is trained where nothing else is said: ten epochs at width 16."""
    return Recipe("preact_resnet18-w16", Training(10, augmentation=Augmentation(flip=True)))


@runtime_checkable
class Control(Protocol):
    """The hand of an attacker who controls the training, too."""

    def begin(self, model: nn.Module) -> BatchTransform:
        """What is done to each batch of clean images while `model` is trained."""
        ...

    def settle(self) -> LabeledImages:
        """The poisoned training set, as it stands when the training is over."""
        ...


@dataclass(frozen=True, slots=True)
class Planted:
    """A poisoned training set, the truth about it, and the trigger that is used afterwards.

    Where there is a `control`, the victim is trained on the clean images through it.
    """

    images: LabeledImages
    truth: Truth
    trigger: Trigger
    control: Control | None = None


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
        check_rate("poisoning_rate", self.poisoning_rate)
        if self.target_label < 0:
            raise InputError(f"target_label is {self.target_label}: give a class number from 0")

    def goal(self, classes: int) -> tuple[int, ...]:
        """What a triggered image of each class shall be called; -1 where nothing is wanted."""
        return tuple(
            -1 if label == self.target_label else self.target_label for label in range(classes)
        )

    def named_classes(self) -> dict[str, int]:
        """The settings that name a class, which must be among the images'."""
        return {"target_label": self.target_label}

    @abstractmethod
    def plant(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> Planted:
        """Poison a training set. `images` stays as it is."""

    @final
    def mount(
        self,
        images: LabeledImages,
        recipe: Recipe,
        generator: torch.Generator,
        progress: Progress = silent,
        surrogates: Surrogates | None = None,
        work: Work = HERE,
    ) -> Victim:
        """Poison the training set and train a victim on it.

        Args:
            surrogates: trains or remembers the auxiliary networks that some attacks need.
            work: who trains.
        Raises:
            InputError: a target label or a rate that this training set cannot serve.
        """
        self.check(images)
        planted = self.plant(images, generator, surrogates or Surrogates(None, progress, work))
        used = images if planted.control else planted.images
        model = recipe.network(planted.images, images.class_count, generator)
        lesson = TrainingTask(
            used.pixels,
            used.labels,
            recipe.training,
            batch_transform=planted.control.begin(model) if planted.control else None,
            phase="train the victim",
        )
        work.fit(model, lesson, generator, progress=progress)
        poisoned = planted.control.settle() if planted.control else planted.images
        return Victim(
            model, poisoned, planted.truth, planted.trigger, self.goal(images.class_count)
        )

    @final
    def check(self, images: LabeledImages) -> None:
        """Raise where a class that the attack names is not there.

        Raises:
            InputError: a target label, or another class of the attack, beyond the images' classes.
        """
        classes = images.class_count
        for name, label in self.named_classes().items():
            if label >= classes:
                raise InputError(
                    f"{name} is {label}, but the images have {classes} classes: give 0 to "
                    f"{classes - 1}"
                )


def check_rate(name: str, rate: float) -> None:
    """Raise where a rate is no fraction between 0 and 1."""
    if not 0 < rate < 1:
        raise InputError(f"{name} is {rate}: give a fraction between 0 and 1, such as 0.05")


def exam_of(victim: Victim, test: LabeledImages) -> Exam:
    """The test images that judge this victim: clean, and triggered where the attacker aims."""
    goal = torch.full((max(len(victim.goal), int(test.labels.max()) + 1),), -1)
    goal[: len(victim.goal)] = torch.tensor(victim.goal)
    wanted = goal[test.labels]
    aimed = ((wanted >= 0) & (wanted != test.labels)).nonzero().flatten()
    chosen = test.take(aimed)
    triggered = chosen.relabeled(victim.trigger(chosen.pixels), chosen.labels)
    return Exam(test, triggered, wanted[aimed])
