"""Options for decoding an image: resizing, EXIF orientation and transparency.

They exist because a model may have been trained on images that were read differently.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Resize: TypeAlias = Literal["crop", "squash", "letterbox", "zoom"]
RESIZES: tuple[Resize, ...] = ("crop", "squash", "letterbox", "zoom")
ZOOM_FACTOR = 256 / 224
"""Size of the resized image relative to the crop, as in the common ImageNet recipe."""


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """How images are decoded. The defaults show an image as a viewer would, cropped to size.

    Args:
        resize: how an image of another shape is fitted. `crop` scales it to cover the target and
            crops the center; `squash` ignores the aspect ratio; `letterbox` scales it to fit inside
            and adds black bars; `zoom` scales it to 256/224 of the target and crops the center.
        turned: whether the EXIF orientation is applied.
        backdrop: color behind transparent pixels; `dropped` discards the alpha channel.
    """

    resize: Resize = "crop"
    turned: bool = True
    backdrop: Literal["white", "black", "dropped"] = "white"


DEFAULT_DECODING = DecodingOptions()
