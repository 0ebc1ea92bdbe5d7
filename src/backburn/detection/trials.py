"""Trials: would a second population of a class be there if nobody had planted it?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..types import Logits
from .boundary_statistics import evenness
from .rounding import Rounding

EVEN = 0.8
KNOWN = 0.5
"""Share of a class's held-out images that a student calls by their label, if it is to be heard."""
TRANSFER, REVERSION = 0.04, 0.08
"""Means of both in classes where nothing is planted (docs/method.md); see `usual_transfer`."""
MOST = 0.1
"""Mean transfer of such classes at the most: all of ten can be targets, if much carries over."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of trying a class's division.

    Args:
        carried: for each other class, by how much more of it is called by the label once it has
            what sets the group apart (see `likeness.carry_over`).
        reversion: how far a student that never saw the group takes it for something else, in
            [0, 1].
        rounding: what carries over, where it is the values that the group holds.
    """

    carried: Mapping[int, float] = field(default_factory=dict)
    reversion: float = 0.0
    rounding: Rounding | None = None

    @property
    def transfer(self) -> float:
        """What is carried over, in [0, 1]: the mean over the other classes."""
        return max(0.0, sum(self.carried.values()) / max(1, len(self.carried)))

    def strength(self, usual: float) -> float:
        """The stronger of both, in multiples of what a clean class has of it on average.

        Args:
            usual: such a class's transfer.
        """
        return max(self.transfer / usual, self.reversion / REVERSION)


def usual_transfer(transfers: Sequence[float], classes: int) -> float:
    """What carries over of a class of this case where nothing is planted, on average.

    Signs that look alike carry over more than animals do. Three quarters of all classes are below
    the upper quartile, which a few targets move little; an exponential's mean is that quartile by
    the logarithm of four.

    Args:
        transfers: of the classes that were tried; of all others nothing carries over.
        classes: how many there are.
    Returns:
        0.04 to 0.1.
    """
    every = [0.0] * (classes - len(transfers)) + list(transfers)
    quartile = float(np.quantile(every or [0.0], 0.75, method="lower"))
    return min(max(quartile / math.log(4), TRANSFER), MOST)


def reversion(
    said: Logits, held_out: Float[Tensor, "m k"], label: int, carried: Mapping[int, float]
) -> float:
    """How far a student that never saw a group takes it for something else, of every kind.

    A natural group is still called by its label by many, or goes to its look-alikes. Poison that
    came from everywhere goes back to everywhere; poison of one source goes back to that one, from
    which the trigger can be seen to carry over.

    Args:
        said: the student's logits of the group.
        held_out: its logits of other images of the class that it never saw.
        carried: see `Trial`.
    Returns:
        `1 - kept / held`, the shares of both called by the label; times how evenly the other labels
        are spread (0 up to an evenness of 0.8, 1 where even), or times what carries over from the
        likeliest of them, whichever is more. Nothing where the student knows the class too little:
        what it does not know, it takes for anything.
    """
    if not len(said) or not len(held_out):
        return 0.0
    kept = float((said.argmax(1) == label).float().mean())
    held = float((held_out.argmax(1) == label).float().mean())
    if held < KNOWN:
        return 0.0
    likely = said.softmax(1).mean(0)
    likely[label] = 0
    spread = (evenness(torch.cat([likely[:label], likely[label + 1 :]])) - EVEN) / (1 - EVEN)
    back = max(0.0, spread, carried.get(int(likely.argmax()), 0.0))
    return max(0.0, 1 - kept / held) * back
