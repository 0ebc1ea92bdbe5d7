"""A model and its images brought together, for the command line and for Python: see `fit`."""

from ..data.decoding_options import Way
from ..fit import FitCheck
from ..fit.channels import in_channels
from ..fit.find_reading import Explained, Read, explain
from ..fit.readings import Choices
from ..models.input_check import check_fit
from ..models.open.network_names import Normalization
from ..models.open.opened_model import OpenedModel
from ..types import LabeledImages


def fitted(
    model: OpenedModel,
    images: LabeledImages,
    check: FitCheck,
    choices: Choices,
    read: Read | None = None,
    way: Way | None = None,
) -> Explained:
    """The model on pixels in [0, 1], the images as it takes them, and lines about both.

    Args:
        choices, read, way: see `fit.explaining.explain`.
    Raises:
        InputError: a model and images that do not go together.
    """
    images, line = in_channels(images, model.channels)
    shown = model.network if model.settled else model.normalized(_some(model))
    check_fit(shown, images)  # before anything is said or computed for an hour
    found = explain(model, images, check, choices, read, way)
    images, _ = in_channels(found.images, model.channels)
    named = f"class order: that of {model.names_from}" if _is_reordered(model, images) else ""
    lines = (*model.report, *filter(None, (line, named)), *found.notes)
    return found._replace(images=images, notes=lines)


def _some(model: OpenedModel) -> Normalization:
    return model.normalization or ((0.0,) * model.channels, (1.0,) * model.channels)


def _is_reordered(model: OpenedModel, images: LabeledImages) -> bool:
    names = images.class_names
    return bool(model.class_names) and names == model.class_names and list(names) != sorted(names)
