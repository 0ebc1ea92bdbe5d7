"""Making a victim: poison a data set, train a model on it, and evaluate it."""

from dataclasses import dataclass

import torch
from sklearn.model_selection import train_test_split

from ..attacks.base import Attack, Recipe, make_evaluation_set
from ..attacks.surrogates import Surrogates
from ..config import to_toml
from ..data.load_images import has_split, load_images
from ..data.tensor_digest import digest
from ..errors import InputError
from ..executor.digests import digest_of_images
from ..executor.interface import LOCAL, Executor
from ..metrics import evaluate_model
from ..results import Scores
from ..runs import Stopwatch
from ..training import Training
from ..types import EvaluationSet, LabeledImages, Progress, Victim

SMALL_SIDE = 16
"""Largest height and width in pixels for which `default_recipe` takes the small network."""


@dataclass(frozen=True)
class AttackPlan:
    """Hyperparameters of `backburn attack`, as its config file has them."""

    attack: Attack
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class AttackOutcome:
    """A victim, the images that it is evaluated on, and its scores."""

    victim: Victim
    evaluation_set: EvaluationSet
    scores: Scores


def attack_digests(plan: AttackPlan, images: LabeledImages, test: LabeledImages) -> dict[str, str]:
    """Digests of all that the victim depends on beside the command line, by name."""
    return {
        "settings": digest(to_toml(plan)),
        "images": digest_of_images(images),
        "test images": digest_of_images(test),
    }


def make_victim(
    plan: AttackPlan,
    images: LabeledImages,
    test: LabeledImages,
    device: torch.device,
    seed: int,
    stopwatch: Stopwatch,
    progress: Progress,
    surrogates: Surrogates | None = None,
    executor: Executor = LOCAL,
) -> AttackOutcome:
    """Poison the images, train a victim on them and evaluate it.

    Args:
        images, test: clean training and test images.
        device: to train on.
        stopwatch: takes the seconds of the phases `victim` and `test`.
        surrogates: auxiliary networks that some attacks train; made anew if None.
    """
    generator = torch.Generator().manual_seed(seed)
    with stopwatch("victim"):
        victim = plan.attack.train_victim(
            images.on(device), plan.recipe, generator, progress, surrogates, executor
        )
    with stopwatch("test"):
        evaluation_set = make_evaluation_set(victim, test)
        scores = evaluate_model(victim.model, evaluation_set, progress)
        return AttackOutcome(victim, evaluation_set, scores)


def load_train_and_test(
    data: str, test: str | None, limit: int | None, seed: int, progress: Progress
) -> tuple[LabeledImages, LabeledImages]:
    """Load training and test images; without test images a fifth is held out, by class.

    Args:
        data: source of the training images.
        test: source of the test images; None for the test split of `data`, if it has one.
        limit: load only the first so many training images.
    Raises:
        InputError: no test images, and too few training images to hold some out.
    """
    images = load_images(data, limit=limit, progress=progress)
    if test is not None or has_split(data, "test"):
        return images, load_images(test or data, split="test", progress=progress)
    labels = images.labels.numpy()
    counts = images.labels.bincount()
    classes = int((counts > 0).sum())
    if len(images) < 5 * classes:
        raise InputError(
            f"{data} has {len(images)} images of {classes} classes, too few to hold a fifth out: "
            "give test images with --test"
        )
    train, held_out = train_test_split(
        range(len(images)),
        test_size=0.2,
        random_state=seed,
        stratify=labels if int(counts[counts > 0].min()) >= 2 else None,
    )
    return images.take(torch.tensor(sorted(train))), images.take(torch.tensor(sorted(held_out)))


def default_recipe(images: LabeledImages, architecture: str | None = None) -> Recipe:
    """A small CNN for images up to 16 pixels, else a pre-activation ResNet-18 of width 16."""
    if max(images.pixels.shape[-2:]) <= SMALL_SIDE:
        training = Training(epochs=20, batch_size=64, learning_rate=0.05)
        return Recipe(architecture or "small_cnn", training)
    return Recipe(architecture or "preact_resnet18-w16", Training())
