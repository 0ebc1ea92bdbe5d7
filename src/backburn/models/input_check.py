"""Check that a model fits its images, before any long computation."""

import torch
from torch import nn

from ..errors import InputError, first_line
from ..types import Images, LabeledImages
from .inference import as_images, device_of, frozen, predict
from .wrapping import needs_contiguous


def check_fit(model: nn.Module, images: LabeledImages) -> None:
    """Raise if the model cannot have been trained on these images.

    Raises:
        InputError: no images, NaN weights, or images that the model cannot take. Also outputs that
            are no finite logits `(n, k)`, or a number of classes that differs from the images'.
    """
    if not len(images):
        raise InputError("there are no images: give those that the model was trained on")
    for name, parameter in model.named_parameters():
        if not bool(parameter.isfinite().all()):
            raise InputError(
                f"the model's {name!r} holds NaN or infinite values: use a checkpoint from before "
                "training diverged"
            )
    shape = tuple(images.pixels.shape[1:])
    few = as_images(images.pixels[:2], device_of(model))
    with frozen(model):
        if needs_contiguous(model, few):
            raise InputError(
                "the model calls view on its feature maps, which fails in the memory format "
                "channels last: give it as WrappedModel(model, (mean, std), contiguous=True), or "
                "call reshape instead"
            )
        if kind := _no_tensor(model, few):
            raise InputError(
                f"the model returns a {kind}: give one that returns one row of logits an image"
            )
    try:
        logits = predict(model, images.pixels[:16])
    except (RuntimeError, ValueError, TypeError, AttributeError) as error:
        what = first_line(error)
        raise InputError(f"the model cannot take images of shape {shape}: {what}") from error
    if logits.ndim != 2 or len(logits) != len(images.pixels[:16]):
        raise InputError(
            f"the model returns shape {tuple(logits.shape)} for {len(images.pixels[:16])} images: "
            "backburn needs one row of logits an image"
        )
    if not bool(torch.isfinite(logits).all()):
        raise InputError("the model returns NaN or infinite logits: check its weights")
    outputs, classes = logits.shape[1], len(images.class_names)
    if outputs != classes if classes else outputs < images.class_count:
        raise InputError(
            f"the model has {outputs} outputs, but the images have {images.class_count} classes: "
            "give the images that it was trained on"
        )


def _no_tensor(model: nn.Module, few: Images) -> str:
    """The type that the model returns instead of a tensor; empty if it returns one, or fails."""
    try:
        with torch.inference_mode():
            output = model(few)
    except Exception:  # a foreign network may fail in any way; it is asked again below
        return ""
    return "" if isinstance(output, torch.Tensor) else type(output).__name__
