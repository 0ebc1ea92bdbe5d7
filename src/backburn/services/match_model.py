"""Matching a model to its images, for the command line and for Python; see `fit`."""

from ..data.decoding_options import DecodingOptions
from ..fit import FitCheck
from ..fit.channel_count import match_channels
from ..fit.find_reading import ReadImages, ReadingResult, find_reading
from ..fit.readings import ReadingChoices
from ..models.input_check import check_fit
from ..models.open.find_network import Normalization
from ..models.open.opened_model import OpenedModel
from ..types import LabeledImages


def match_model_and_images(
    model: OpenedModel,
    images: LabeledImages,
    check: FitCheck,
    choices: ReadingChoices,
    read: ReadImages | None = None,
    decoding: DecodingOptions | None = None,
) -> ReadingResult:
    """Adapt a model to pixels in [0, 1] and the images to the model.

    Args:
        check: accuracy that the model must reach on its images.
        choices, read, decoding: see `fit.find_reading.find_reading`.
    Returns:
        The model, its images, and notes about both.
    Raises:
        InputError: the model does not take such images.
    """
    images, channel_note = match_channels(images, model.channels)
    network = model.network if model.normalizes_inside else model.normalized(_normalization(model))
    check_fit(network, images)  # fail before the long computations
    result = find_reading(model, images, check, choices, read, decoding)
    images, _ = match_channels(result.images, model.channels)
    order_note = (
        f"class order: that of {model.class_names_source}" if _is_reordered(model, images) else ""
    )
    notes = (*model.report, *filter(None, (channel_note, order_note)), *result.notes)
    return result._replace(images=images, notes=notes)


def _normalization(model: OpenedModel) -> Normalization:
    """The normalization of a model, or the identity if it is unknown."""
    return model.normalization or ((0.0,) * model.channels, (1.0,) * model.channels)


def _is_reordered(model: OpenedModel, images: LabeledImages) -> bool:
    """Whether the model's own class order is used, and is not alphabetical."""
    names = images.class_names
    return bool(model.class_names) and names == model.class_names and list(names) != sorted(names)
