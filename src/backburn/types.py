"""Shape aliases, and the frozen records of a case: images, model, truth, boundary distances.

Axes: `n` images, `c` channels, `h` height, `w` width, `k` classes, `d` features.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int8, Int64, UInt8
from torch import Tensor, nn

from .memory_mapped import copy_rows, evenly_spaced

__all__ = [
    "BoundaryResult",
    "Case",
    "EvaluationSet",
    "Features",
    "Flags",
    "Images",
    "Index",
    "LabeledImages",
    "Labels",
    "Logits",
    "PerImage",
    "Pixels",
    "Progress",
    "State",
    "Trigger",
    "Truth",
    "Victim",
    "no_progress",
]

Pixels: TypeAlias = UInt8[Tensor, "n c h w"]
Images: TypeAlias = Float[Tensor, "n c h w"]
Logits: TypeAlias = Float[Tensor, "n k"]
Features: TypeAlias = Float[Tensor, "n d"]
Labels: TypeAlias = Int64[Tensor, " n"]
PerImage: TypeAlias = Float[Tensor, " n"]
Flags: TypeAlias = Bool[Tensor, " n"]
Index: TypeAlias = Int64[Tensor, " m"]

Trigger: TypeAlias = Callable[[Tensor], Tensor]
"""A deterministic function on uint8 batches `(n, c, h, w)`: images in, triggered images out."""


@runtime_checkable
class Progress(Protocol):
    """Called with a phase, its steps done and its steps in all. Core never prints."""

    def __call__(self, phase: str, done: int, total: int, /) -> None: ...


def no_progress(phase: str, done: int, total: int, /) -> None:
    """The default `Progress`: says nothing."""


@dataclass(frozen=True, slots=True)
class LabeledImages:
    """Decoded images and their labels.

    Args:
        pixels: uint8 `(n, c, h, w)`.
        labels: class numbers `(n,)`.
        class_names: empty if the source does not name its classes.
        names: file name or row of each image; empty if the images have none.
        skipped: what could not be decoded, and why.
        choices: how files became pixels: resizing, orientation, background of transparent images.
    """

    pixels: Pixels
    labels: Labels
    class_names: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.pixels.shape[0]

    @property
    def class_count(self) -> int:
        return len(self.class_names) or int(self.labels.max()) + 1

    def name_of(self, index: int) -> str:
        """File name or row of an image, by which a person finds it."""
        return self.names[index] if self.names else str(index)

    def relabeled(self, pixels: Pixels, labels: Labels) -> "LabeledImages":
        """The same rows and names with other pixels and labels."""
        return replace(self, pixels=pixels, labels=labels)

    def on(self, device: torch.device) -> "LabeledImages":
        """The same images with their pixels on a device."""
        return replace(self, pixels=self.pixels.to(device))

    def take(self, index: Tensor) -> "LabeledImages":
        """The rows of `index`, in that order."""
        index = index.nonzero().flatten() if index.dtype == torch.bool else index
        names = tuple(self.names[i] for i in index.tolist()) if self.names else ()
        return replace(
            self, pixels=copy_rows(self.pixels, index), labels=self.labels[index], names=names
        )

    def sample(self, count: int) -> "LabeledImages":
        """At most `count` of the images, evenly spaced."""
        return self.take(evenly_spaced(torch.arange(len(self)), count))


@dataclass(frozen=True, slots=True)
class Case:
    """Everything a defender may see: no trigger, no poison mask, no true label.

    Args:
        model: the model in question.
        images: the images it was trained on, with the given labels.
        holdout: images whose labels are known to be right, if there are any.
        base: the model before it was fine-tuned, with a new head. Parameters that fine-tuning left
            unchanged have `requires_grad=False`.
        witness: an encoder that never saw the labels of these images.
    Base and witness are the defender's own; the attacker had no part in them.
    """

    model: nn.Module
    images: LabeledImages
    holdout: LabeledImages | None = None
    base: nn.Module | None = None
    witness: nn.Module | None = None

    @property
    def second(self) -> nn.Module | None:
        """The network that gives a second opinion: the witness, else the base."""
        return self.base if self.witness is None else self.witness


class State(IntEnum):
    """What the attacker did to an image. A cover sample has the trigger but its true label."""

    CLEAN = 0
    COVER = 1
    POISON = 2


@dataclass(frozen=True, slots=True)
class Truth:
    """The ground truth of a training set: `State` and true label of each image."""

    state: Int8[Tensor, " n"]
    labels: Labels

    @property
    def poison(self) -> Flags:
        return self.state == State.POISON

    def take(self, index: Index) -> "Truth":
        """The truth about the rows of `index`, in that order."""
        return Truth(self.state[index], self.labels[index])


@dataclass(frozen=True, slots=True)
class Victim:
    """What an evaluation knows of an attacked case.

    Args:
        goal: for each class the label that the attacker wants for its triggered images. It is -1
            where the trigger is not meant to work: for the target class, for classes that are no
            source, and in a case without poison.
    """

    model: nn.Module
    images: LabeledImages
    truth: Truth
    trigger: Trigger
    goal: tuple[int, ...]

    @property
    def target_labels(self) -> tuple[int, ...]:
        """The target classes, in order."""
        return tuple(sorted(set(self.goal) - {-1}))

    def case(self) -> Case:
        """The defender's view of this victim."""
        return Case(self.model, self.images)


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """Test images that a model is evaluated on.

    Args:
        clean: images without a trigger.
        triggered: triggered images of classes other than the target, with their true labels.
        wanted: the label `(m,)` that the attacker wants for each triggered image.
    """

    clean: LabeledImages
    triggered: LabeledImages
    wanted: Int64[Tensor, " m"]


@dataclass(frozen=True, slots=True)
class BoundaryResult:
    """Distance of each image to the decision boundary, and the class behind it.

    Args:
        found: whether the search reached the boundary.
        distance: in the norm of the search, in pixels of [0, 1]; inf where not found.
        crossed_label: the class behind the boundary; -1 where not found.
        direction: the perturbation `(n, c * h * w)` in half precision, of norm 1; zero where not
            found.
        certified: where fp32 has verified the crossing; elsewhere the distance is an estimate.
        passes: forward and backward passes spent on each image.
        feature: penultimate layer `(n, f)` at the perturbed image.
    The last four are None if they were not requested.
    """

    found: Flags
    distance: PerImage
    crossed_label: Labels
    direction: Float[Tensor, "n d"] | None = None
    certified: Flags | None = None
    passes: Int64[Tensor, " n"] | None = None
    feature: Float[Tensor, "n f"] | None = None

    def __len__(self) -> int:
        return self.found.shape[0]

    def take(self, index: Index | Flags) -> "BoundaryResult":
        """The results of the rows of `index`, in that order, or of those flagged."""

        def taken(name: str) -> Tensor | None:
            column = getattr(self, name)
            return None if column is None else column[index]

        columns: dict[str, Any] = {column.name: taken(column.name) for column in fields(self)}
        return BoundaryResult(**columns)

    def scattered(self, index: Index, count: int) -> "BoundaryResult":
        """These results as rows `index` of `count` images, with nothing found for the others."""
        fills = {"distance": torch.inf, "crossed_label": -1}

        def spread(name: str) -> Tensor | None:
            column = getattr(self, name)
            if column is None:
                return None
            out = torch.full((count, *column.shape[1:]), fills.get(name, 0), dtype=column.dtype)
            out[index] = column
            return out

        columns: dict[str, Any] = {column.name: spread(column.name) for column in fields(self)}
        return BoundaryResult(**columns)
