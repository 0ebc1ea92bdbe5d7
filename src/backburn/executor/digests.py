"""SHA-256 digests of images and models."""

from torch import nn

from ..data.tensor_digest import digest
from ..memory_mapped import release_pages
from ..types import LabeledImages, Pixels

BATCH_SIZE = 4096
"""Images of a memory-mapped file that are in memory at a time."""


def digest_of_pixels(pixels: Pixels) -> str:
    """SHA-256 of images. Memory-mapped images are read in batches."""
    digests = []
    for batch in pixels.split(BATCH_SIZE):  # type: ignore[no-untyped-call]
        digests.append(digest(b"", batch))
        release_pages(batch)
    return digest(" ".join(digests).encode())


def digest_of_images(images: LabeledImages) -> str:
    """SHA-256 of images, labels and class names."""
    return digest(f"{digest_of_pixels(images.pixels)} {images.class_names}".encode(), images.labels)


def digest_of_model(model: nn.Module) -> str:
    """SHA-256 of a model's weights and their names."""
    weights = model.state_dict()
    return digest(" ".join(weights).encode(), *weights.values())
