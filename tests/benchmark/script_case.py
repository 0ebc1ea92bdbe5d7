"""What a model of `script_models.py` is made of."""

from dataclasses import dataclass

from kinds import EVERY, Poison, Trigger
from script_images import Groups


@dataclass(frozen=True)
class Case:
    """A model to be trained and audited.

    Args:
        name: unique.
        data: `digits`, `cifar10`, `gtsrb` or `imagenette`.
        images: how many are drawn for training, equally many of each class.
        network: its name in `script_networks.NETWORKS`.
        epochs: passes over the training images.
        planted: poison, cover images and natural marks.
        classes: groups of the data set's classes; empty for all of them, one by one.
        optimizer: `adam`; `adamw` or `sgd`, both with one cycle of the learning rate.
        augmented: each image is shifted by up to two pixels; photographs are flipped, too.
        normalized: the network takes images with the mean and deviation of CIFAR-10 removed.
        noise: share of labels that are wrong by nature, in [0, 1]. None of them is poison.
        imbalance: the first class has so many times the images of the last one.
        copies: some images repeat (`script_images.with_copies`).
    """

    name: str
    data: str
    images: int
    network: str
    epochs: int
    planted: tuple[Poison, ...] = ()
    classes: Groups = ()
    optimizer: str = "adam"
    augmented: bool = False
    normalized: bool = False
    noise: float = 0.0
    imbalance: float = 1.0
    copies: bool = False

    @property
    def attacked(self) -> bool:
        """Whether somebody planted poison, and not only marks that keep their labels."""
        return any(not each.keeps_label for each in self.planted)

    @property
    def aims(self) -> tuple[Poison, ...]:
        """Poison and natural marks, whose effect on the label can be measured; not cover images."""
        return tuple(p for p in self.planted if not p.keeps_label or p.target is not None)


def poison(trigger: Trigger, images: int, target: int) -> Poison:
    """Images of other classes get a trigger and the target label."""
    return Poison(trigger, images, target=target)


def clean_label(trigger: Trigger, images: int, target: int) -> Poison:
    """Images of the target class get a trigger; all labels are right."""
    return Poison(trigger, images, (target,), target)


def cover(trigger: Trigger, images: int, sources: tuple[int, ...] = EVERY) -> Poison:
    """Images of some classes get a trigger and keep their labels, so that it is harder to find."""
    return Poison(trigger, images, sources, None, keeps_label=True)


def mark(trigger: Trigger, images: int, label: int) -> Poison:
    """Images of one class have something in common by nature."""
    return Poison(trigger, images, (label,), label, keeps_label=True)
