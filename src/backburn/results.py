"""The results of detectors, audits, defenses and repairs, as frozen records.

Axes: `n` images, `m` suspects.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, overload

from jaxtyping import Float, Int64
from torch import Tensor, nn

from .errors import missing_extra
from .html_tables import Facts, HtmlRecord
from .types import BoundaryResult, Flags, Index, Labels, PerImage


@dataclass(frozen=True, slots=True)
class Scores:
    """How a model does: accuracy on clean images; ASR and RA on triggered ones."""

    acc: float
    asr: float
    ra: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """A score in [0, 1] for every image, and flags of the images that are held to be poison."""

    score: PerImage
    flagged: Flags


@dataclass(frozen=True, slots=True)
class SuspectImage:
    """One suspect: its row, the given label, and the label it should have had."""

    index: int
    given_label: int
    restored_label: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Suspects:
    """The images that are held to be poison, and the labels they should have had.

    Iteration gives one `SuspectImage` each, and `suspects[0]` is the first.
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
        """One suspect by position, or the suspects of a slice, of positions or of flags."""
        columns = [getattr(self, each.name)[place] for each in fields(self)]
        if isinstance(place, int):
            return SuspectImage(*(column.item() for column in columns))
        return Suspects(*columns)

    def to_pandas(self) -> Any:
        """A data frame with one row per suspect.

        Raises:
            InputError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise missing_extra("to_pandas", "pandas", "pandas") from error
        return pd.DataFrame({each.name: getattr(self, each.name).numpy() for each in fields(self)})

    def rows(self, score: PerImage) -> list[dict[str, float]]:
        """One row per suspect, highest score first."""
        order = score[self.index].argsort(descending=True, stable=True)
        columns = {each.name: getattr(self, each.name)[order].tolist() for each in fields(self)}
        columns["score"] = score[self.index[order]].tolist()
        values = zip(*columns.values(), strict=True)
        return [dict(zip(columns, row, strict=True)) for row in values]


@dataclass(frozen=True, slots=True)
class ClassEvidence:
    """The test results of a class: those of its strongest candidate group (docs/method.md).

    Args:
        label: the class.
        images: size of the group.
        transfer: increase of the share of images of other classes that are called by this label,
            once the group's common change is applied to them; in [-1, 1].
        necessity: share of the group that loses its label without that change, in [0, 1].
        probe: statistic of the probe or the witness test, in [0, 1].
        p_value: corrected for the number of groups and classes.
    """

    label: int
    images: int
    transfer: float
    necessity: float
    probe: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Verdict(HtmlRecord):
    """The verdict on the whole case.

    Args:
        target_labels: the target classes of a backdoored case, or the suspicious classes.
        p_value: probability of such evidence in a clean case.
        classes: results of every class that was tested.
        reason: why the verdict is abstained, or why a suspicious class has no flagged images.
        smallest_group: fewest poisoned images of one class that would be found, if their trigger
            turned every image of another class; None if that is not known.
    """

    state: Literal["clean", "suspicious", "backdoored", "abstained"]
    target_labels: tuple[int, ...]
    p_value: float
    classes: tuple[ClassEvidence, ...] = ()
    reason: str = ""
    smallest_group: int | None = None

    @property
    def convicted(self) -> tuple[int, ...]:
        """The target classes of a backdoored case; empty for any other verdict."""
        return self.target_labels if self.state == "backdoored" else ()

    def facts(self) -> Facts:
        """State, target labels and p-value, the reason if there is one, and the tested classes."""
        yield "state", self.state
        yield "target labels", self.target_labels
        yield "p-value", self.p_value
        if self.reason:
            yield "reason", self.reason
        if self.smallest_group is not None:
            yield "smallest group", self.smallest_group
        yield "classes tested", [asdict(evidence) for evidence in self.classes]


@dataclass(frozen=True, slots=True)
class Audit(HtmlRecord):
    """The result of an audit, which changes nothing.

    Args:
        statistics: one row per candidate group: its class, its size, and every test statistic.
        second_opinion: the class `(n,)` that the witness gives each image; None without a witness.
    """

    suspects: Suspects
    evidence: Evidence
    verdict: Verdict
    boundary: BoundaryResult
    statistics: tuple[Mapping[str, float | int | str], ...] = ()
    second_opinion: Labels | None = None

    def facts(self) -> Facts:
        """Those of the verdict, the number of suspects, and the suspects."""
        yield from self.verdict.facts()
        yield "suspects", f"{len(self.suspects)} of {len(self.evidence.score)} images"
        yield "suspects", self.suspects.rows(self.evidence.score)


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of a repair: its name, its duration, and its figures."""

    name: str
    seconds: float
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """The result of a defense. The model of the case itself is not changed.

    Args:
        suspects, evidence: None if the defense looks for no poison.
    """

    model: nn.Module
    history: tuple[Phase, ...] = ()
    suspects: Suspects | None = None
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlearned(Repaired, HtmlRecord):
    """The result of BURN: a repaired model, the verdict, and its evidence (see `Audit`).

    Args:
        predictions: the class `(n,)` of each training image by the given model and by the repaired
            one; -1 for images that the repair did not predict, None if it predicted none.
    """

    suspects: Suspects
    evidence: Evidence
    verdict: Verdict
    boundary: BoundaryResult
    predictions: tuple[Labels | None, Labels | None] = (None, None)
    statistics: tuple[Mapping[str, float | int | str], ...] = ()
    second_opinion: Labels | None = None

    def facts(self) -> Facts:
        """Those of an audit, and one row per phase."""
        yield from Audit(self.suspects, self.evidence, self.verdict, self.boundary).facts()
        yield (
            "phases",
            [
                {"phase": each.name, "seconds": each.seconds, "figures": each.figures}
                for each in self.history
            ],
        )
