"""Making a victim, for `attack` and `demo`."""

from dataclasses import dataclass

import torch
from sklearn.model_selection import train_test_split

from ..attacks.base import Attack, Recipe, exam_of
from ..attacks.surrogates import Surrogates
from ..config import to_toml
from ..data.digest import digest
from ..data.load_images import has_split, load_images
from ..errors import InputError
from ..executor.digests import digest_of_images
from ..executor.interface import HERE, Work
from ..metrics import Scores, judge
from ..runs import Stopwatch
from ..training import Training
from ..types import Exam, LabeledImages, Progress, Victim

SMALL = 16


@dataclass(frozen=True)
class Plan:
    """What `attack` reads from a config file."""

    attack: Attack
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class Made:
    """A victim, the exam it is judged by, and how it did."""

    victim: Victim
    exam: Exam
    scores: Scores


def digests(plan: Plan, images: LabeledImages, test: LabeledImages) -> dict[str, str]:
    """What comes of it depends on these, and the command line does not say them."""
    read = {"images": images, "test images": test}
    return {
        "settings": digest(to_toml(plan)),
        **{name: digest_of_images(each) for name, each in read.items()},
    }


def make(
    plan: Plan,
    images: LabeledImages,
    test: LabeledImages,
    device: torch.device,
    seed: int,
    watch: Stopwatch,
    progress: Progress,
    surrogates: Surrogates | None = None,
    work: Work = HERE,
) -> Made:
    """Poison, train and judge."""
    generator = torch.Generator().manual_seed(seed)
    with watch("victim"):
        given = (images.on(device), plan.recipe, generator, progress, surrogates, work)
        victim = plan.attack.mount(*given)
    with watch("test"):
        exam = exam_of(victim, test)
        return Made(victim, exam, judge(victim.model, exam, progress))


def read_both(
    data: str, test: str | None, limit: int | None, seed: int, progress: Progress
) -> tuple[LabeledImages, LabeledImages]:
    """Training and test images; a fifth is held out where there are no test images."""
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
    """A small CNN for images up to 16 pixels; else a pre-activation ResNet-18 of width 16."""
    if max(images.pixels.shape[-2:]) <= SMALL:
        training = Training(epochs=20, batch_size=64, learning_rate=0.05)
        return Recipe(architecture or "small_cnn", training)
    return Recipe(architecture or "preact_resnet18-w16", Training())
