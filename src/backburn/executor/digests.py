"""What images and models are, as one number each."""

from torch import nn

from ..data.digest import digest
from ..memory_mapped import release
from ..types import LabeledImages, Pixels

AT_ONCE = 4096
"""Images whose pages are held."""


def digest_of_pixels(pixels: Pixels) -> str:
    """SHA-256 of images; of a mapped file no more is held than is looked at."""
    parts = []
    for part in pixels.split(AT_ONCE):  # type: ignore[no-untyped-call]
        parts.append(digest(b"", part))
        release(part)
    return digest(" ".join(parts).encode())


def digest_of_images(images: LabeledImages) -> str:
    """SHA-256 of images, labels and class names."""
    return digest(f"{digest_of_pixels(images.pixels)} {images.class_names}".encode(), images.labels)


def digest_of_model(model: nn.Module) -> str:
    """SHA-256 of a model's weights and their names."""
    weights = model.state_dict()
    return digest(" ".join(weights).encode(), *weights.values())
