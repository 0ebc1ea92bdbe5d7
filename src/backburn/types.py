"""Shape aliases, and the frozen records that everybody passes around.

Axes: `n` images, `c` channels, `h` height, `w` width, `k` classes, `d` features.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import IntEnum
from typing import Any, Literal, Protocol, TypeAlias, overload, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int8, Int64, UInt8
from torch import Tensor, nn

from .errors import missing_extra
from .html_tables import Facts, Shown
from .memory_mapped import evenly, rows_of

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
    """Told how far a phase has come; core never prints."""

    def __call__(self, phase: str, done: int, total: int, /) -> None: ...


def silent(phase: str, done: int, total: int, /) -> None:
    """The default `Progress`: says nothing."""


@dataclass(frozen=True, slots=True)
class LabeledImages:
    """Images as a victim has them on disk, decoded once.

    `class_names` is empty where the source does not name its classes. `names` holds the file
    name or row of each image, `skipped` what could not be decoded and why, `choices` what the
    pixels depend on beside the files: how these are resized, turned, laid on a ground.
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
        """File name or row of an image, for people to find it by."""
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
            self, pixels=rows_of(self.pixels, index), labels=self.labels[index], names=names
        )

    def sample(self, count: int) -> "LabeledImages":
        """At most so many of the images, evenly spaced."""
        return self.take(evenly(torch.arange(len(self)), count))


@dataclass(frozen=True, slots=True)
class Case:
    """Everything a defender may see: no trigger, no poison mask, no true label.

    `holdout`: images with labels that are known to be right, if there are any. `base`: the model as
    it was before it was fine-tuned, with a new head; what fine-tuning left alone needs no gradient.
    `witness`: an encoder, on the same images, that never saw their labels. Both are of the
    defender, who knows where they come from.
    """

    model: nn.Module
    images: LabeledImages
    holdout: LabeledImages | None = None
    base: nn.Module | None = None
    witness: nn.Module | None = None

    @property
    def second(self) -> nn.Module | None:
        """Who gives a second opinion: the witness, or the base where there is no other."""
        return self.base if self.witness is None else self.witness


class State(IntEnum):
    """What was done to a training image. A cover sample has the trigger but its true label."""

    CLEAN = 0
    COVER = 1
    POISON = 2


@dataclass(frozen=True, slots=True)
class Truth:
    """The referee's knowledge of a training set: `State` and true label of each image."""

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
    """The referee's view of an attacked case.

    `goal[y]` is what the attacker wants a triggered image of class `y` called; -1 where the
    trigger is not meant to work (the target class itself, other sources, a case without poison).
    """

    model: nn.Module
    images: LabeledImages
    truth: Truth
    trigger: Trigger
    goal: tuple[int, ...]

    @property
    def target_labels(self) -> tuple[int, ...]:
        """The classes that triggered images are sent to, in order."""
        return tuple(sorted(set(self.goal) - {-1}))

    def case(self) -> Case:
        """What a defender may see of this victim."""
        return Case(self.model, self.images)


@dataclass(frozen=True, slots=True)
class Exam:
    """Test images a model is judged on: clean ones, and triggered ones of other classes.

    `triggered.labels` are the true labels; `wanted` is what the attacker wants said instead.
    """

    clean: LabeledImages
    triggered: LabeledImages
    wanted: Int64[Tensor, " m"]


@dataclass(frozen=True, slots=True)
class BoundaryResult:
    """How far each image is from changing its prediction, and to what.

    `distance` is inf and `crossed_label` -1 where nothing was found. `direction` is the
    perturbation `(n, c * h * w)`, of length 1 in its norm and in half precision, zero where not
    found. `certified` says where fp32 has verified the crossing; elsewhere the distance is an
    estimate. `passes` counts forward and backward passes of each image. `feature` is the
    penultimate layer `(n, f)` at the perturbed image. What was not asked for is None.
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
        """The same results as rows `index` of `count` images; nothing is found for the others."""
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


@dataclass(frozen=True, slots=True)
class Evidence:
    """A score in [0, 1] for every image, and which images are flagged as poison."""

    score: PerImage
    flagged: Flags


@dataclass(frozen=True, slots=True)
class SuspectImage:
    """One image held to be poison: its row, its label, what it should have been called."""

    index: int
    given_label: int
    restored_label: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Suspects:
    """The images held to be poison. `restored_label` is what they should have been called.

    They can be gone through, one `SuspectImage` each, and `suspects[0]` is the first of them.
    """

    index: Index
    given_label: Int64[Tensor, " m"]
    restored_label: Int64[Tensor, " m"]
    confidence: Float[Tensor, " m"]

    def __len__(self) -> int:
        return self.index.shape[0]

    def __iter__(self) -> Iterator[SuspectImage]:
        columns = (getattr(self, each.name).tolist() for each in fields(self))
        return (SuspectImage(*row) for row in zip(*columns, strict=True))

    @overload
    def __getitem__(self, place: int) -> SuspectImage: ...

    @overload
    def __getitem__(self, place: slice | Tensor) -> "Suspects": ...

    def __getitem__(self, place: int | slice | Tensor) -> "SuspectImage | Suspects":
        """One suspect by its place among them, or those of a slice, of places or of flags."""
        columns = [getattr(self, each.name)[place] for each in fields(self)]
        if isinstance(place, int):
            return SuspectImage(*(column.item() for column in columns))
        return Suspects(*columns)

    def to_pandas(self) -> Any:
        """A data frame with a row a suspect.

        Raises:
            InputError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise missing_extra("to_pandas", "pandas", "pandas") from error
        return pd.DataFrame({each.name: getattr(self, each.name).numpy() for each in fields(self)})

    def rows(self, score: PerImage) -> list[dict[str, float]]:
        """A row a suspect, of highest score first."""
        order = score[self.index].argsort(descending=True, stable=True)
        columns = {each.name: getattr(self, each.name)[order].tolist() for each in fields(self)}
        columns["score"] = score[self.index[order]].tolist()
        values = zip(*columns.values(), strict=True)
        return [dict(zip(columns, row, strict=True)) for row in values]


@dataclass(frozen=True, slots=True)
class ClassEvidence:
    """What the tests say of a class: its strongest candidate group (docs/method.md).

    Args:
        images: of that group.
        transfer: by how much more of the images of other classes are called by the label once they
            have what sets the group apart, in [-1, 1].
        necessity: share of the group that loses its lead without it, in [0, 1].
        probe: share of the group that a linear classifier which never saw it calls by other
            classes, less that of random images, times how widely these are spread; in [0, 1].
        p_value: chance of such a group in a class that nobody poisoned, paid for by looks at all
            groups and classes.
    """

    label: int
    images: int
    transfer: float
    necessity: float
    probe: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Verdict(Shown):
    """The verdict on the whole case. `p_value`: chance of such evidence in a clean case.

    `classes` are those that could hold a second population; the others divide too little to be
    tried. `reason` says why it abstained, or why nothing is flagged in a class that is suspicious.
    """

    state: Literal["clean", "suspicious", "backdoored", "abstained"]
    target_labels: tuple[int, ...]
    p_value: float
    classes: tuple[ClassEvidence, ...] = ()
    reason: str = ""

    @property
    def convicted(self) -> tuple[int, ...]:
        """The targets whose images may be flagged: none but of a backdoored case."""
        return self.target_labels if self.state == "backdoored" else ()

    def facts(self) -> Facts:
        """State, target labels and p-value, the reason if there is one, and the classes tried."""
        yield "state", self.state
        yield "target labels", self.target_labels
        yield "p-value", self.p_value
        if self.reason:
            yield "reason", self.reason
        yield "classes tried", [asdict(tried) for tried in self.classes]


@dataclass(frozen=True, slots=True)
class Audit(Shown):
    """What an audit finds; the model is left as it was.

    `statistics` has a row for each candidate group: its class, its size, and every test statistic.
    `second_opinion` is what a witness calls each image `(n,)` from the labels of others; None
    without one.
    """

    suspects: Suspects
    evidence: Evidence
    verdict: Verdict
    boundary: BoundaryResult
    statistics: tuple[Mapping[str, float | int | str], ...] = ()
    second_opinion: Labels | None = None

    def facts(self) -> Facts:
        """The verdict's, how many images are suspect, and which."""
        yield from self.verdict.facts()
        yield "suspects", f"{len(self.suspects)} of {len(self.evidence.score)} images"
        yield "suspects", self.suspects.rows(self.evidence.score)


@dataclass(frozen=True, slots=True)
class Phase:
    """One step of a repair: its name, how long it took, and what it found."""

    name: str
    seconds: float
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What a defence returns. The case's own model is left as it was.

    `suspects` and `evidence` are None where a defence looks for no poison.
    """

    model: nn.Module
    history: tuple[Phase, ...] = ()
    suspects: Suspects | None = None
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlearned(Repaired, Shown):
    """What BURN returns: also the verdict, and what it was reached by (see `Audit`).

    `predictions`: the class `(n,)` that the given model and the repaired one call each training
    image, as far as the repair asked them: -1 where it did not, None where it asked about none.
    """

    suspects: Suspects
    evidence: Evidence
    verdict: Verdict
    boundary: BoundaryResult
    predictions: tuple[Labels | None, Labels | None] = (None, None)
    statistics: tuple[Mapping[str, float | int | str], ...] = ()
    second_opinion: Labels | None = None

    def facts(self) -> Facts:
        """Those of an audit, and what each phase took and found."""
        yield from Audit(self.suspects, self.evidence, self.verdict, self.boundary).facts()
        yield (
            "phases",
            [
                {"phase": each.name, "seconds": each.seconds, "figures": each.figures}
                for each in self.history
            ],
        )
