"""The choices that reading an image takes: those of a training script may not be a person's."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Resize: TypeAlias = Literal["crop", "squash", "letterbox", "zoom"]
RESIZES: tuple[Resize, ...] = ("crop", "squash", "letterbox", "zoom")
ZOOM = 256 / 224
"""How much larger than its middle an image is made, by the usual recipe for ImageNet."""


@dataclass(frozen=True, slots=True)
class Way:
    """How images are read.

    Args:
        resize: an image of another shape is scaled to cover the wanted one and center-cropped
            (`crop`), squashed into it, scaled to fit inside with black bars (`letterbox`), or made
            larger by 256/224 first and center-cropped (`zoom`).
        turned: EXIF orientation is applied.
        backdrop: what is transparent lies on white or black; `dropped` takes the colors below it.
    """

    resize: Resize = "crop"
    turned: bool = True
    backdrop: Literal["white", "black", "dropped"] = "white"


AS_SEEN = Way()
"""As a person sees an image, but for its margins."""
