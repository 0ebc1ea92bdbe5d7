"""The interface of an attack, and the training of a victim."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Protocol, final, runtime_checkable

import torch
from torch import nn

from ..data.augmentation import Augmentation
from ..errors import InputError
from ..executor.interface import LOCAL, Executor
from ..models.nets.base import Classifier
from ..models.nets.zoo import build, parse_architecture
from ..training import BatchTransform, Objective, Training, TrainingTask, WeightChange
from ..types import EvaluationSet, LabeledImages, Progress, Trigger, Truth, Victim, no_progress
from .surrogates import Surrogates, draw_seed


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is trained.

    Args:
        architecture: name of a built-in network, see `models.nets.zoo`.
        training: settings of the fit.
    """

    architecture: str = "preact_resnet18"
    training: Training = field(default_factory=Training)

    def __post_init__(self) -> None:
        parse_architecture(self.architecture)

    def network(
        self, images: LabeledImages, classes: int, generator: torch.Generator
    ) -> Classifier:
        """Return a freshly initialized network for these images, on their device."""
        channels, pixels = images.pixels.shape[1], images.pixels
        model = build(self.architecture, classes, channels, generator=generator, pixels=pixels)
        return model.to(pixels.device)


def surrogate_recipe() -> Recipe:
    """Return the default recipe of surrogate models: ten epochs at width 16."""
    return Recipe("preact_resnet18-w16", Training(10, augmentation=Augmentation(flip=True)))


def train_clean_network(
    recipe: Recipe, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
) -> Classifier:
    """Train a surrogate on the clean images, or load it if it was trained before."""
    seed = draw_seed(generator)
    model = recipe.network(images, images.class_count, torch.Generator().manual_seed(seed))
    return surrogates.fit(model, images, recipe.training, seed, "train a clean network")


@runtime_checkable
class TrainingControl(Protocol):
    """An attacker who also controls the training of the victim."""

    def batch_transform(self, model: nn.Module) -> BatchTransform:
        """Return the transform that poisons each clean batch while `model` is trained."""
        ...

    def poisoned_images(self) -> LabeledImages:
        """Return the poisoned training set as of the current state of the attack."""
        ...


@dataclass(frozen=True, slots=True)
class PoisonedData:
    """A poisoned training set, its ground truth, and the trigger.

    With a `control`, the victim is trained on the clean images through its batch transform. With an
    `objective`, it minimizes that; else the cross-entropy. `after_epoch` changes its weights at the
    end of every epoch.
    """

    images: LabeledImages
    truth: Truth
    trigger: Trigger
    control: TrainingControl | None = None
    objective: Objective | None = None
    after_epoch: WeightChange | None = None


@dataclass(frozen=True)
class Attack(ABC):
    """Base class of backdoor attacks. The fields of a subclass are its hyperparameters.

    Args:
        poisoning_rate: poisoned images as a fraction of the WHOLE training set, in (0, 1).
        target_label: the class that triggered images are classified as.
    """

    poisoning_rate: float = 0.05
    target_label: int = 0

    def __post_init__(self) -> None:
        check_rate("poisoning_rate", self.poisoning_rate)
        if self.target_label < 0:
            raise InputError(f"target_label is {self.target_label}: give a class number from 0")

    def goal(self, classes: int) -> tuple[int, ...]:
        """Return the attacker's label for triggered images of each class.

        It is -1 for classes that are not attacked.
        """
        return tuple(
            -1 if label == self.target_label else self.target_label for label in range(classes)
        )

    def named_classes(self) -> dict[str, int]:
        """Return the settings that are class numbers, which must exist in the images."""
        return {"target_label": self.target_label}

    @abstractmethod
    def poison(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> PoisonedData:
        """Poison a training set without changing `images`.

        Args:
            images: the clean training set.
            generator: the only source of randomness.
            surrogates: trains or loads the surrogate models that some attacks need.
        """

    @final
    def train_victim(
        self,
        images: LabeledImages,
        recipe: Recipe,
        generator: torch.Generator,
        progress: Progress = no_progress,
        surrogates: Surrogates | None = None,
        executor: Executor = LOCAL,
    ) -> Victim:
        """Poison a training set and train a victim model on it.

        Args:
            images: the clean training set.
            recipe: architecture and training settings of the victim.
            generator: the only source of randomness.
            surrogates: trains or loads surrogate models; by default they are not saved.
            executor: runs the training.
        Raises:
            InputError: the target label or the rate does not fit this training set.
        """
        self.check(images)
        surrogates = surrogates or Surrogates(None, progress, executor)
        poisoned = self.poison(images, generator, surrogates)
        control = poisoned.control
        training_images = images if control else poisoned.images
        model = recipe.network(poisoned.images, images.class_count, generator)
        task = TrainingTask(
            training_images.pixels,
            training_images.labels,
            recipe.training,
            batch_transform=control.batch_transform(model) if control else None,
            objective=poisoned.objective,
            after_epoch=poisoned.after_epoch,
            phase="train the victim",
        )
        executor.fit(model, task, generator, progress=progress)
        final_images = control.poisoned_images() if control else poisoned.images
        goal = self.goal(images.class_count)
        return Victim(model, final_images, poisoned.truth, poisoned.trigger, goal)

    @final
    def check(self, images: LabeledImages) -> None:
        """Check that every class the attack names exists.

        Raises:
            InputError: the target label, or another class of the attack, is out of range.
        """
        classes = images.class_count
        for name, label in self.named_classes().items():
            if label >= classes:
                raise InputError(
                    f"{name} is {label}, but the images have {classes} classes: give 0 to "
                    f"{classes - 1}"
                )


def check_rate(name: str, rate: float) -> None:
    """Check that a rate is in (0, 1).

    Raises:
        InputError: it is not.
    """
    if not 0 < rate < 1:
        raise InputError(f"{name} is {rate}: give a fraction between 0 and 1, such as 0.05")


def make_evaluation_set(victim: Victim, test: LabeledImages) -> EvaluationSet:
    """Return the clean test images, and triggered copies of those the attacker aims at.

    Images that already have the attacker's label are not triggered.
    """
    goal = torch.full((max(len(victim.goal), int(test.labels.max()) + 1),), -1)
    goal[: len(victim.goal)] = torch.tensor(victim.goal)
    wanted = goal[test.labels]
    rows = ((wanted >= 0) & (wanted != test.labels)).nonzero().flatten()
    sources = test.take(rows)
    triggered = sources.relabeled(victim.trigger(sources.pixels), sources.labels)
    return EvaluationSet(test, triggered, wanted[rows])
