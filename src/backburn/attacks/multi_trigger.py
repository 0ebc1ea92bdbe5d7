"""Several triggers, each for some source classes only, with one target or one for each source."""

from dataclasses import dataclass

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from ..errors import InputError
from ..types import LabeledImages, Pixels
from .adap_patch import corner_masks
from .base import Attack, PoisonedData, check_rate
from .poisoning import draw_states, poison_images
from .surrogates import Surrogates
from .triggers import patch_side, uniform_noise

MAX_TRIGGERS = 4
"""Most triggers: there is one in each corner."""


@dataclass(frozen=True)
class MultiTrigger(Attack):
    """Paste one of several patches on images of some source classes.

    The image itself decides which patch it gets. Cover samples are images of the other classes,
    with a patch and their own label. So each target class holds several small groups of poison.

    Args:
        triggers: number of patches, each of its own noise and in its own corner.
        source_labels: the source classes.
        target_labels: the target class of each source; `target_label` for all if empty.
        cover_rate: cover samples as a fraction of the whole training set.
        size: side of each patch in pixels; 0 for 6 per 32 pixels of height.
    Source: source classes and cover samples, Tang et al., Demon in the variant, arXiv 1908.00686.
    One target for each source is the target mapping of Mo et al., TED-LaST, arXiv 2506.10722.
    Several triggers for one class, Xue et al., One-to-N and N-to-one, TDSC 2020. Departures: only
    the abstract of TED-LaST was available, so the mapping is ours. N-to-one needs all triggers
    together; here each of them works alone.
    """

    poisoning_rate: float = 0.06
    triggers: int = 3
    source_labels: tuple[int, ...] = (1, 2, 3)
    target_labels: tuple[int, ...] = ()
    cover_rate: float = 0.06
    size: int = 0

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        check_rate("cover_rate", self.cover_rate)
        if not 1 <= self.triggers <= MAX_TRIGGERS:
            raise InputError(f"triggers is {self.triggers}: give 1 to {MAX_TRIGGERS}")
        sources, targets = self.source_labels, self.targets()
        if not sources or len(set(sources)) < len(sources) or min(sources) < 0:
            raise InputError(f"source_labels is {sources}: give different class numbers")
        if len(targets) != len(sources) or min(targets) < 0:
            raise InputError(
                f"target_labels is {targets}: give one class for each of {len(sources)} sources, "
                "or none"
            )
        for source, target in zip(sources, targets, strict=True):
            if source == target:
                raise InputError(
                    f"source_labels is {sources}, target_labels {targets}: class {source} is its "
                    "own target, give another"
                )

    def targets(self) -> tuple[int, ...]:
        """Return the target class of each source."""
        return self.target_labels or (self.target_label,) * len(self.source_labels)

    def goal(self, classes: int) -> tuple[int, ...]:
        wanted = dict(zip(self.source_labels, self.targets(), strict=True))
        return tuple(wanted.get(label, -1) for label in range(classes))

    def named_classes(self) -> dict[str, int]:
        labels = {"source_labels": max(self.source_labels), "target_labels": max(self.targets())}
        return {**Attack.named_classes(self), **labels}

    def poison(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> PoisonedData:
        shape, side = images.pixels.shape[1:], patch_side(self.size, 6, images.pixels)
        if 2 * side > min(shape[1:]):
            raise InputError(f"size is {self.size}: patches of {side} pixels overlap")
        pattern, masks = uniform_noise(shape, generator), corner_masks(shape, side).bool()

        def paste_one_patch(pixels: Pixels) -> Pixels:
            chosen = masks[choose_trigger(pixels, self.triggers)].to(pixels.device)
            return torch.where(chosen, pattern.to(pixels.device), pixels)

        labels = images.labels
        source = torch.isin(labels, torch.tensor(self.source_labels))
        coverable = ~source & ~torch.isin(labels, torch.tensor(self.targets()))
        state = draw_states(
            self, images, source, generator, cover_rate=self.cover_rate, coverable=coverable
        )
        return poison_images(self, images, state, paste_one_patch)


def choose_trigger(pixels: UInt8[Tensor, "n c h w"], triggers: int) -> Int64[Tensor, " n"]:
    """Return the number of each image's trigger: the sum of its pixels, modulo the number.

    So the choice has nothing to do with what the image shows, and is the same at test time.

    >>> choose_trigger(torch.tensor([4, 5], dtype=torch.uint8).view(2, 1, 1, 1), 3)
    tensor([1, 2])
    """
    return pixels.flatten(1).sum(1, dtype=torch.int64).remainder(triggers).cpu()
