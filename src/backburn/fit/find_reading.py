"""Which reading of the images does this model want? Looked for where it does not know them."""

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..data.decoding_options import Way
from ..errors import InputError
from ..memory_mapped import evenly
from ..models.inference import predict
from ..models.nets.zoo import channel_statistics
from ..models.open.network_names import Normalization
from ..models.open.opened_model import OpenedModel
from ..types import LabeledImages, Labels
from .channels import made_gray
from .class_matching import renumbered
from .class_order import order_of
from .fit_check import Fit, FitCheck
from .readings import Candidate, Choices, Reading, blue_first, candidates, listed, raw

Read = Callable[[Way, Container[str] | None], LabeledImages]
"""Reads the images of these names, or all, in another way."""
KNOWN = 0.99
"""A model that knows more of the images than this is not asked about any other reading."""
CHANCE = 1.2
"""No better than so many times the share of the commonest class is chance."""
FEW = 250
"""Images that a reading is tried on first; what is worse on them is not tried on all."""
ROUNDS = 3
"""Choices that are changed at the most, one after the other."""


class Explained(NamedTuple):
    """A model on pixels in [0, 1], the images as it wants them, and what was found out."""

    model: nn.Module
    images: LabeledImages
    fit: Fit
    reading: Reading
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trier:
    """Asks a model about a sample of the images, read in this way and that."""

    model: OpenedModel
    sample: LabeledImages
    read: Read | None
    start: Way
    samples: dict[tuple[Way, bool], LabeledImages] = field(default_factory=dict)
    answers: dict[Reading, Labels | None] = field(default_factory=dict)

    def wrapped(self, reading: Reading) -> nn.Module:
        """The model on pixels in [0, 1]."""
        return as_read(self.model, reading)

    def images(self, reading: Reading) -> LabeledImages | None:
        """The sample's pixels; None where other files could be read than before."""
        key = (reading.way, reading.gray)
        if key not in self.samples:
            found = self.sample
            if reading.way != self.start and self.read is not None:
                found = self.read(reading.way, frozenset(self.sample.names))
            self.samples[key] = made_gray(found) if reading.gray else found
        found = self.samples[key]
        return found if found.names == self.sample.names else None

    def said(self, reading: Reading) -> Labels | None:
        """What the model calls the sample's images; it is asked once about each reading."""
        key = replace(reading, order=None)  # which has to do with labels only
        if key not in self.answers:
            images = self.images(key)
            self.answers[key] = (
                None if images is None else predict(self.wrapped(key), images.pixels).argmax(1)
            )
        return self.answers[key]

    def labels(self, reading: Reading) -> Labels:
        """The sample's labels, as the model numbers them."""
        labels = self.sample.labels.cpu()
        return labels if reading.order is None else torch.tensor(reading.order)[labels]

    def right(self, reading: Reading) -> Tensor | None:
        """Whether it calls each of them by its label."""
        said = self.said(reading)
        return None if said is None else said == self.labels(reading)

    def of_few(self) -> "Trier":
        """The same with fewer images."""
        return Trier(self.model, self.sample.sample(FEW), self.read, self.start)


def as_read(model: OpenedModel, reading: Reading) -> nn.Module:
    """The model on pixels in [0, 1], as this reading has it."""
    if reading.normalization is None:
        return model.network
    return model.normalized(reading.normalization, reading.bgr)


def explain(
    model: OpenedModel,
    images: LabeledImages,
    check: FitCheck,
    open_to: Choices,
    read: Read | None = None,
    way: Way | None = None,
) -> Explained:
    """The model and the images as they fit, if they do.

    A normalization that nothing says is the one of a short list that calls most of the images by
    their label. Where the model knows few of them, or something of the files was cut off, turned or
    laid on a ground, other readings are tried on the sample. The best is taken if it is better by
    more than chance; a normalization that the user gave is kept, and the case not called clean.

    Args:
        read: reads the images again; None where they cannot be.
        way: how they were read.
    Raises:
        InputError: no normalization of the list is better than chance.
    """
    sample, way = images.sample(check.images), way or Way()
    own = channel_statistics(sample.pixels.cpu())
    open_to = replace(
        open_to,
        images=images.choices,
        own=own,
        color=sample.pixels.shape[1] == 3,
        reread=read is not None,
    )
    trier = Trier(model, sample, read, way)
    first, notes = _start(trier, own)
    best, words = _searched(trier, first, check, open_to)
    said, before = _certain(trier.said(best)), _certain(trier.right(first))
    if not (model.settled or model.normalization or _orders(trier, {"": best}) is not None):
        _check_chance(_share(trier.right(best)), sample)
    kept = best if _may_use(model, first, best) else first
    fit = _fit(check, trier, kept, before, open_to.options)
    if kept != first:
        fit = replace(fit, explanation=f"{fit.as_read:.1%} as read, {fit.accuracy:.1%} {words}")
        notes += (f"{fit.explanation}: used",)
    elif best != first:
        share = _share(said == trier.labels(best))
        told = f"{fit.accuracy:.1%} as given, {share:.1%} {words}"
        line = f"the model calls {told}: give that, or leave --mean and --std out"
        fit = replace(fit, reason=line, low=False)
    images = images if kept.way == way or read is None else read(kept.way, None)
    images = made_gray(images) if kept.gray else images
    images = images if kept.order is None else renumbered(images, kept.order)
    return Explained(trier.wrapped(kept), images, fit, kept, (*notes, fit.line()))


def _start(trier: Trier, own: Normalization) -> tuple[Reading, tuple[str, ...]]:
    """How images are read before anything is questioned."""
    model, reading = trier.model, Reading(trier.start)
    if model.settled or model.normalization is not None:
        return replace(reading, normalization=model.normalization), ()
    tried = {
        name: replace(reading, normalization=values) for name, values in listed(model, own).items()
    }
    scores = {name: _share(trier.right(each)) for name, each in tried.items()}
    if _is_chance(max(scores.values()), trier.sample):
        more = {**raw(model, reading), **blue_first(model, tried)}
        tried, scores = {**tried, **more}, {
            **scores, **{name: _share(trier.right(each)) for name, each in more.items()}
        }  # fmt: skip
    best = max(scores, key=lambda name: scores[name])
    told = ", ".join(f"{name} {share:.1%}" for name, share in scores.items())
    best = _orders(trier, tried) or best if _is_chance(scores[best], trier.sample) else best
    return tried[best], (f"normalization: {best}, the best of {told}",)


def _orders(trier: Trier, tried: dict[str, Reading]) -> str | None:
    """The normalization with which whole classes go by other numbers; None if none does."""
    labels = trier.sample.labels.cpu()
    for name, reading in tried.items():
        said = trier.said(reading)
        if said is None:
            continue
        order = order_of(said, labels, len(trier.sample.class_names))
        if order is not None and _share(said == torch.tensor(order)[labels]) > 0.5:
            return name
    return None


def _searched(
    trier: Trier, first: Reading, check: FitCheck, open_to: Choices
) -> tuple[Reading, str]:
    """The reading with which the model knows most images, and what is said of it."""
    best, words = first, []
    right, few = _certain(trier.right(first)), trier.of_few()
    for _ in range(ROUNDS):
        share = _share(right)
        if share > KNOWN:
            break
        tried = [each for each in _tried(best, trier.model, open_to) if _worth(each, share, check)]
        least = _share(evenly(right, FEW))
        hopeful = [each for each in tried if _share(few.right(each.reading)) >= least]
        found = [(each, trier.right(each.reading)) for each in hopeful]
        gains = [
            (_share(after), -place, each, after)
            for place, (each, after) in enumerate(found)
            if after is not None and check.better(right, after, len(tried))
        ]
        if not gains:
            break
        _, _, chosen, right = max(gains, key=lambda gain: gain[:2])
        best = chosen.reading
        words.append(chosen.words + f" ({chosen.option})" * bool(chosen.option))
    return best, " and ".join(words)


def _tried(now: Reading, model: OpenedModel, open_to: Choices) -> Iterator[Candidate]:
    """Candidates; where nothing says the normalization, each with every one of the list."""
    for candidate in candidates(now, model, open_to):
        yield candidate
        told = model.settled or model.normalization is not None
        if told or not (candidate.always or candidate.reading.bgr != now.bgr):
            continue
        for name, values in listed(model, open_to.own).items():
            if values != now.normalization:
                other = replace(candidate.reading, normalization=values)
                words = f"{candidate.words} and normalized by {name}"
                yield candidate._replace(reading=other, words=words, always=False)


def _worth(candidate: Candidate, share: float, check: FitCheck) -> bool:
    return candidate.always or share < check.accuracy


def _may_use(model: OpenedModel, first: Reading, best: Reading) -> bool:
    """Whether nothing is changed that the user has said."""
    return not model.told or best.normalization == first.normalization


def _fit(
    check: FitCheck, trier: Trier, kept: Reading, before: Tensor, options: Sequence[str]
) -> Fit:
    """The fit of the sample as it is read in the end."""
    sample = trier.sample
    if kept.order is not None:
        sample = renumbered(sample, kept.order)
    fit = check.judged(_certain(trier.said(kept)), sample, options)
    return replace(fit, as_read=_share(before))


def _certain(found: Tensor | None) -> Tensor:
    if found is None:
        raise InputError("other images were read than before: give the same command again")
    return found


def _share(right: Tensor | None) -> float:
    return 0.0 if right is None else float(right.double().mean())


def _check_chance(share: float, sample: LabeledImages) -> None:
    if _is_chance(share, sample):
        raise InputError(
            f"the model's normalization is not known, and the best of those tried calls only "
            f"{share:.1%} of these images by their label: are these its training images? If they "
            "are, give --mean and --std"
        )


def _is_chance(share: float, sample: LabeledImages) -> bool:
    most = float(sample.labels.bincount().max()) / len(sample)
    return share <= min(CHANCE * most, (1 + most) / 2)
