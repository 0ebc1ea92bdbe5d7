"""A network whose weights depend on the size of its images, such as a ViT's positions."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from torch import nn

from .match_weights import match
from .network_names import Recipe, Sizes, sketched

if TYPE_CHECKING:
    from .build_network import Fitting

POSITIONS = re.compile(r"(^|\.)(pos_embed|pos_embedding|position_embeddings?)$")
USUAL = (32, 64, 96, 112, 128, 160, 192, 224, 240, 256, 288, 320, 336, 384, 448, 512)
"""Sides that networks are made for, tried where positions do not tell."""


def with_image_size(fitting: Fitting, recipe: Recipe, side: int | None) -> Fitting:
    """The fitting of a network made for images of another size, where one fits better.

    Args:
        fitting: of the network at its usual size.
        side: pixels a side of the images, where that is known.
    """
    tried = [_told(fitting), side, *USUAL]
    for wanted in dict.fromkeys(each for each in tried if each):
        sizes = Sizes(fitting.sizes.classes, fitting.sizes.channels, fitting.sizes.width, wanted)
        try:
            sketch = sketched(recipe, sizes)
        except (
            TypeError,
            AssertionError,
            ValueError,
            RuntimeError,
        ):  # not of any size, or not this
            continue
        found = match(sketch, fitting.found.weights)
        if not found.misshapen and len(found.missing) <= len(fitting.match.missing):
            return fitting._replace(sizes=sizes, match=found, sketch=sketch)
    return fitting


def _told(fitting: Fitting) -> int | None:
    """The side of images that as many positions as the file has are for."""
    own = fitting.sketch.state_dict()
    names = [name for name in own if POSITIONS.search(name)]
    patch = next((m for m in fitting.sketch.modules() if isinstance(m, nn.Conv2d)), None)
    for name in names:
        end = [n for n in fitting.found.weights if n.endswith(name)]
        if end and patch is not None:
            tokens = fitting.found.weights[end[0]].shape[-2]
            for extra in (1, 2, 0):  # a token for the class, and one for a teacher
                root = math.isqrt(max(0, tokens - extra))
                if root and root * root == tokens - extra:
                    return root * int(patch.kernel_size[0])
    return None
