"""Retraining: what does a model say of a group that it never saw?"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..errors import InputError
from ..mapping import rows_of
from ..models.inference import predict
from ..training import Lesson, Training
from ..training.adaptation import forget, freeze_before, lasting, suited
from ..types import Case, Flags, Index, Logits, Progress
from ..work.contract import Work
from .records import Candidate
from .samples import shrunk, some

HELD_OUT, FEWEST = 0.1, 10
SMOOTHING = 0.1
"""Images' worth of even errors that a class is taken to have beside those that were seen."""


@dataclass(frozen=True)
class Retraining:
    """Two models, each retrained without one group of every suspicious class.

    They tell which of both groups was poisoned, and what its images show.

    The last layers forget and learn again; what the early ones see of a trigger means nothing to
    later ones that never met it.

    Args:
        reset: the last layers, with this share of all weights, are drawn anew and trained; those
            before them stay as they are. Poisoned images that the early layers carry to the label
            can't be seen with a small share; with a large one, too little can be learnt again.
        steps: of each training, at the least.
        training: of both models.
    Source: ours. Related: FST (Min et al., arXiv 2310.01875) draws the last linear layer anew.
    """

    reset: float = 0.75
    steps: int = 120
    training: Training = field(
        default_factory=lambda: Training(epochs=1, learning_rate=0.05, warmup=0.1)
    )

    def __post_init__(self) -> None:
        if not 0 < self.reset <= 1 or self.steps < 1:
            raise InputError(
                f"retraining: reset={self.reset}, steps={self.steps}: give (0, 1] and 1 or more"
            )

    def run(
        self,
        case: Case,
        agreed: Flags,
        splits: Sequence[tuple[Candidate, Candidate]],
        generator: torch.Generator,
        progress: Progress,
        work: Work,
    ) -> "CrossFitted":
        """What two models say, each of which saw only one side of every split.

        Args:
            agreed: images that the model calls by their label; the others are trained on by
                neither, since poison that was not learnt would teach its trigger again.
            splits: one of each suspicious class. The first model sees no first group, the second no
                second.
        """
        training = suited(self.training, case)
        first, second = (
            self._without(
                case,
                agreed,
                [each[side].group for each in splits],
                training,
                generator,
                progress,
                work,
            )
            for side in (0, 1)
        )
        return CrossFitted(first, second)

    def _without(
        self,
        case: Case,
        agreed: Flags,
        groups: Sequence[Tensor],
        training: Training,
        generator: torch.Generator,
        progress: Progress,
        work: Work,
    ) -> "Unseen":
        """What a model says that saw none of these groups."""
        hidden, labels = torch.zeros_like(agreed), case.images.labels
        for rows in groups:
            hidden[rows] = True
        held_out = _held_out(labels, agreed & ~hidden, generator)
        shown = (agreed & ~hidden & ~held_out).nonzero().flatten()
        model = self._retrained(case, shown, training, generator, progress, work)
        asked = (hidden | held_out | ~agreed).nonzero().flatten()
        pixels = rows_of(case.images.pixels, asked)
        answers = predict(model, pixels, phase="retraining", progress=progress).log_softmax(1)
        said = torch.full((len(labels), answers.shape[1]), torch.nan)
        said[asked] = answers
        return _unseen(said, labels, held_out, hidden)

    def _retrained(
        self,
        case: Case,
        rows: Index,
        training: Training,
        generator: torch.Generator,
        progress: Progress,
        work: Work,
    ) -> nn.Module:
        model = copy.deepcopy(case.model).requires_grad_(True)
        freeze_before(model, forget(model, self.reset, generator))
        enough, images = lasting(training, len(rows), self.steps), case.images
        lesson = Lesson(images.pixels, images.labels, enough, rows, phase="retraining")
        work.fit(model, lesson, generator, progress=progress)
        return model


@dataclass(frozen=True, slots=True)
class Unseen:
    """What models say of images that they were not trained on.

    Args:
        log_probabilities: `(n, k)`; NaN for images that it was trained on.
        hidden: images that the model in question did not see, and was to say something of.
        moved: images that are called by another class than their label, and as confidently as the
            median held-out image that is called by its own.
        held_out: random images of each class that the model in question did not see, either.
        usual: `(k, k)` for each class, how the model's errors on its held-out images are spread
            over the classes; rows sum to 1.
        known: `(k,)` share of each class's held-out images that are called by their label.
    """

    log_probabilities: Logits
    hidden: Flags
    moved: Flags
    held_out: Flags
    usual: Float[Tensor, "k k"]
    known: Float[Tensor, " k"]

    def destinations(self, rows: Index) -> Float[Tensor, " k"]:
        """How the images of a group that moved are spread over the classes; zeros if none did."""
        moved = rows[self.moved[rows]]
        called = self.log_probabilities[moved].argmax(1)
        return torch.bincount(called, minlength=len(self.usual)).float() / max(1, len(moved))

    def share(self, rows: Index, label: int) -> float:
        """How much of a group confidently moves to where images of its class do not, in [0, 1].

        Images of a natural kind that a model never saw may move, too, but to the classes that look
        like theirs; poisoned images move to where they came from.

        Returns:
            The share that moved (`shrunk`), times how far its destinations differ from the class's
            usual errors (total variation), times how well the model knows the class.
        """
        share = float(self.moved[rows].float().mean()) * shrunk(len(rows))
        foreign = (self.destinations(rows) - self.usual[label]).clamp_min(0).sum()
        return share * float(foreign * self.known[label])


@dataclass(frozen=True, slots=True)
class CrossFitted:
    """Two retrained models: of each image, the one says what it is that did not see it."""

    first: Unseen
    second: Unseen

    @property
    def log_probabilities(self) -> Logits:
        """`(n, k)`; of images that both models did not see, what the first says."""
        mine = self.first.hidden | ~self.second.hidden
        first, second = self.first.log_probabilities, self.second.log_probabilities
        return torch.where(mine[:, None], first, second)

    def of(self, rows: Index) -> Unseen:
        """The model that saw fewer of these images."""
        hidden = [int(each.hidden[rows].sum()) for each in (self.first, self.second)]
        return self.first if hidden[0] >= hidden[1] else self.second


def _unseen(said: Logits, labels: Tensor, held_out: Flags, hidden: Flags) -> Unseen:
    top, called = said.max(1)
    right = called == labels
    known = held_out & right
    median = top[known].median() if known.any() else top.max()
    classes = said.shape[1]
    usual = torch.full((classes, classes), SMOOTHING / classes)
    errors = said.exp().scatter(1, labels[:, None], 0)
    usual.index_add_(0, labels[held_out], errors[held_out])
    count = torch.bincount(labels[held_out], minlength=classes)
    known_of = torch.bincount(labels[known], minlength=classes) / count.clamp_min(1)
    moved = ~right & (top >= median)
    return Unseen(said, hidden, moved, held_out, usual / usual.sum(1, keepdim=True), known_of)


def _held_out(labels: Tensor, free: Flags, generator: torch.Generator) -> Flags:
    """A tenth of each class, of ten images at the least and half of them at the most."""
    chosen = torch.zeros_like(free)
    for label in sorted(set(labels.tolist())):
        rest = ((labels == label) & free).nonzero().flatten()
        count = min(max(FEWEST, round(HELD_OUT * len(rest))), (len(rest) + 1) // 2)
        chosen[some(rest, count, generator)] = True
    return chosen
