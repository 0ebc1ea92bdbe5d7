"""The search for the reading of the images that a model was trained with."""

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..data.decoding_options import DecodingOptions
from ..errors import InputError
from ..memory_mapped import evenly_spaced
from ..models.inference import predict
from ..models.nets.zoo import channel_statistics
from ..models.open.find_network import Normalization
from ..models.open.opened_model import OpenedModel
from ..types import LabeledImages, Labels
from .channel_count import to_gray_images
from .class_matching import reorder_classes
from .class_order import find_class_order
from .fit_check import FitCheck, FitResult
from .readings import (
    CandidateReading,
    Reading,
    ReadingChoices,
    candidate_readings,
    common_normalizations,
    raw_readings,
    with_blue_first,
)

ReadImages = Callable[[DecodingOptions, Container[str] | None], LabeledImages]
"""Reads the images of these names, or all if None, with other decoding options."""
WELL_FITTED = 0.99
"""Accuracy above which no other reading is tried."""
CHANCE_FACTOR = 1.2
"""An accuracy up to this multiple of the most frequent class's share is no better than chance."""
PILOT_IMAGES = 250
"""Images that a reading is tried on first. It is tried on all only if it is no worse on these."""
MAX_CHANGES = 3
"""Most choices that are changed, one after another."""


class ReadingResult(NamedTuple):
    """A model on pixels in [0, 1], the images as it was trained on, and how they were read.

    `notes` are lines for the user.
    """

    model: nn.Module
    images: LabeledImages
    fit: FitResult
    reading: Reading
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadingTrials:
    """Predictions of a model for a sample of the images under different readings.

    Args:
        sample: as first read.
        read: reads the images again; None if they can't be.
        decoding: how the sample was decoded.
        samples: the sample under each decoding, in color or gray.
        predictions_of: the model's predictions under each reading.
    """

    model: OpenedModel
    sample: LabeledImages
    read: ReadImages | None
    decoding: DecodingOptions
    samples: dict[tuple[DecodingOptions, bool], LabeledImages] = field(default_factory=dict)
    predictions_of: dict[Reading, Labels | None] = field(default_factory=dict)

    def wrapped_model(self, reading: Reading) -> nn.Module:
        """The model on pixels in [0, 1]."""
        return wrap_for_reading(self.model, reading)

    def images(self, reading: Reading) -> LabeledImages | None:
        """The sample under this reading; None if other files can be decoded than before."""
        key = (reading.decoding, reading.gray)
        if key not in self.samples:
            images = self.sample
            if reading.decoding != self.decoding and self.read is not None:
                images = self.read(reading.decoding, frozenset(self.sample.names))
            self.samples[key] = to_gray_images(images) if reading.gray else images
        images = self.samples[key]
        return images if images.names == self.sample.names else None

    def predictions(self, reading: Reading) -> Labels | None:
        """The class that the model calls each image of the sample; cached by reading."""
        key = replace(reading, order=None)  # predictions do not depend on the labels' order
        if key not in self.predictions_of:
            images = self.images(key)
            self.predictions_of[key] = (
                None
                if images is None
                else predict(self.wrapped_model(key), images.pixels).argmax(1)
            )
        return self.predictions_of[key]

    def labels(self, reading: Reading) -> Labels:
        """The sample's labels, as the model numbers them."""
        labels = self.sample.labels.cpu()
        return labels if reading.order is None else torch.tensor(reading.order)[labels]

    def correct(self, reading: Reading) -> Tensor | None:
        """Whether the model calls each image of the sample by its label."""
        predictions = self.predictions(reading)
        return None if predictions is None else predictions == self.labels(reading)

    def pilot(self) -> "ReadingTrials":
        """The same trials with fewer images."""
        return ReadingTrials(self.model, self.sample.sample(PILOT_IMAGES), self.read, self.decoding)


def wrap_for_reading(model: OpenedModel, reading: Reading) -> nn.Module:
    """The model on pixels in [0, 1], with the normalization of this reading."""
    if reading.normalization is None:
        return model.network
    return model.normalized(reading.normalization, reading.bgr)


def find_reading(
    model: OpenedModel,
    images: LabeledImages,
    check: FitCheck,
    choices: ReadingChoices,
    read: ReadImages | None = None,
    decoding: DecodingOptions | None = None,
) -> ReadingResult:
    """Find how the images were read when the model was trained on them.

    An unknown normalization is the one of a short list with the highest accuracy. Other readings
    are tried on a sample if the accuracy is low, or if something of the files was cut off, turned
    or laid on a backdrop. The best is used if it is better by more than chance. A normalization
    that the user gave is kept, and the case is then not called clean.

    Args:
        check: what the model must reach.
        choices: what the user has not said.
        read: reads the images again; None if they can't be.
        decoding: how they were read.
    Raises:
        InputError: no normalization of the list is better than chance.
    """
    sample, decoding = images.sample(check.images), decoding or DecodingOptions()
    own = channel_statistics(sample.pixels.cpu())
    choices = replace(
        choices,
        decoding=images.choices,
        own_normalization=own,
        in_color=sample.pixels.shape[1] == 3,
        can_reread=read is not None,
    )
    trials = ReadingTrials(model, sample, read, decoding)
    first, notes = _first_reading(trials, own)
    best, words = _best_reading(trials, first, check, choices)
    predictions, before = _require(trials.predictions(best)), _require(trials.correct(first))
    if not (
        model.normalizes_inside
        or model.normalization
        or _explained_by_order(trials, {"": best}) is not None
    ):
        _check_chance(_share(trials.correct(best)), sample)
    used = best if _may_use(model, first, best) else first
    fit = _evaluate(check, trials, used, before, choices.options)
    if used != first:
        fit = replace(fit, explanation=f"{fit.as_read:.1%} as read, {fit.accuracy:.1%} {words}")
        notes += (f"{fit.explanation}: used",)
    elif best != first:
        share = _share(predictions == trials.labels(best))
        comparison = f"{fit.accuracy:.1%} as given, {share:.1%} {words}"
        reason = f"the model calls {comparison}: give that, or leave --mean and --std out"
        fit = replace(fit, reason=reason, low=False)
    images = images if used.decoding == decoding or read is None else read(used.decoding, None)
    images = to_gray_images(images) if used.gray else images
    images = images if used.order is None else reorder_classes(images, used.order)
    return ReadingResult(trials.wrapped_model(used), images, fit, used, (*notes, fit.summary()))


def _first_reading(trials: ReadingTrials, own: Normalization) -> tuple[Reading, tuple[str, ...]]:
    """The reading before others are tried, with the best normalization if none is known."""
    model, reading = trials.model, Reading(trials.decoding)
    if model.normalizes_inside or model.normalization is not None:
        return replace(reading, normalization=model.normalization), ()
    readings = {
        name: replace(reading, normalization=values)
        for name, values in common_normalizations(model, own).items()
    }
    scores = {name: _share(trials.correct(each)) for name, each in readings.items()}
    if _is_chance(max(scores.values()), trials.sample):
        more = {**raw_readings(model, reading), **with_blue_first(model, readings)}
        scores = {**scores, **{name: _share(trials.correct(each)) for name, each in more.items()}}
        readings = {**readings, **more}
    best = max(scores, key=lambda name: scores[name])
    listed = ", ".join(f"{name} {share:.1%}" for name, share in scores.items())
    if _is_chance(scores[best], trials.sample):
        best = _explained_by_order(trials, readings) or best
    return readings[best], (f"normalization: {best}, the best of {listed}",)


def _explained_by_order(trials: ReadingTrials, readings: dict[str, Reading]) -> str | None:
    """The name of the reading under which the model only numbers classes in another order."""
    labels = trials.sample.labels.cpu()
    for name, reading in readings.items():
        predictions = trials.predictions(reading)
        if predictions is None:
            continue
        order = find_class_order(predictions, labels, len(trials.sample.class_names))
        if order is not None and _share(predictions == torch.tensor(order)[labels]) > 0.5:
            return name
    return None


def _best_reading(
    trials: ReadingTrials, first: Reading, check: FitCheck, choices: ReadingChoices
) -> tuple[Reading, str]:
    """The reading with the highest accuracy, and its description."""
    best, words = first, []
    correct, pilot = _require(trials.correct(first)), trials.pilot()
    for _ in range(MAX_CHANGES):
        share = _share(correct)
        if share > WELL_FITTED:
            break
        candidates = [
            candidate
            for candidate in _candidates(best, trials.model, choices)
            if candidate.always or share < check.accuracy
        ]
        pilot_share = _share(evenly_spaced(correct, PILOT_IMAGES))
        hopeful = [
            candidate
            for candidate in candidates
            if _share(pilot.correct(candidate.reading)) >= pilot_share
        ]
        results = [(candidate, trials.correct(candidate.reading)) for candidate in hopeful]
        gains = [
            (_share(after), -place, candidate, after)
            for place, (candidate, after) in enumerate(results)
            if after is not None and check.is_better(correct, after, len(candidates))
        ]
        if not gains:
            break
        _, _, chosen, correct = max(gains, key=lambda gain: gain[:2])
        best = chosen.reading
        words.append(chosen.words + f" ({chosen.option})" * bool(chosen.option))
    return best, " and ".join(words)


def _candidates(
    current: Reading, model: OpenedModel, choices: ReadingChoices
) -> Iterator[CandidateReading]:
    """Candidate readings; if the normalization is unknown, each with every common one."""
    for candidate in candidate_readings(current, model, choices):
        yield candidate
        known = model.normalizes_inside or model.normalization is not None
        if known or not (candidate.always or candidate.reading.bgr != current.bgr):
            continue
        for name, values in common_normalizations(model, choices.own_normalization).items():
            if values != current.normalization:
                other = replace(candidate.reading, normalization=values)
                words = f"{candidate.words} and normalized by {name}"
                yield candidate._replace(reading=other, words=words, always=False)


def _may_use(model: OpenedModel, first: Reading, best: Reading) -> bool:
    """Whether the best reading keeps a normalization that the user gave."""
    return not model.normalization_from_user or best.normalization == first.normalization


def _evaluate(
    check: FitCheck,
    trials: ReadingTrials,
    used: Reading,
    before: Tensor,
    options: Sequence[str],
) -> FitResult:
    """The fit of the sample as it is finally read."""
    sample = trials.sample
    if used.order is not None:
        sample = reorder_classes(sample, used.order)
    fit = check.evaluate(_require(trials.predictions(used)), sample, options)
    return replace(fit, as_read=_share(before))


def _require(values: Tensor | None) -> Tensor:
    if values is None:
        raise InputError("other images were read than before: give the same command again")
    return values


def _share(correct: Tensor | None) -> float:
    return 0.0 if correct is None else float(correct.double().mean())


def _check_chance(share: float, sample: LabeledImages) -> None:
    if _is_chance(share, sample):
        raise InputError(
            f"the model's normalization is not known, and the best of those tried calls only "
            f"{share:.1%} of these images by their label: are these its training images? If they "
            "are, give --mean and --std"
        )


def _is_chance(share: float, sample: LabeledImages) -> bool:
    largest = float(sample.labels.bincount().max()) / len(sample)
    return share <= min(CHANCE_FACTOR * largest, (1 + largest) / 2)
