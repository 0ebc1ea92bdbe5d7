"""Triggers that a network paints: applied as masks and patterns, taught beside the victim."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int8
from torch import Tensor, nn

from ..data.pixels import to_pixels
from ..models.inference import as_images, device_of, frozen, gains_from_bf16
from ..training import BatchTransform
from ..training.flat_state import below, flattened, under, unflatten
from ..types import Images, LabeledImages, Labels, PerImage, Pixels, State
from .poisoning import Restamp, relabeled
from .triggers import computed, in_batches


def binary(mask: Tensor) -> Tensor:
    """Nearly 0 or 1, with a gradient: the paper's threshold."""
    return torch.tanh(20 * mask - 10) / 2 + 0.5


def unlike(images: Images, made: Tensor) -> PerImage:
    """How much less two made maps differ than the images they were made for."""
    return _distance(images) / (_distance(made) + 1e-3)


def _distance(maps: Tensor) -> PerImage:
    """Of each to the next of the batch."""
    return (maps - maps.roll(1, 0)).square().flatten(1).mean(1).clamp_min(1e-12).sqrt()


@dataclass(frozen=True, slots=True)
class Painter:
    """The control of IAD: teaches the pattern a step before every step of the victim.

    `goal[y]` is what poison of class `y` is called; `mask` is fixed, `pattern` learns at
    `learning_rate`, by Adam, with `diversity` as the weight of unlike patterns.
    """

    images: LabeledImages
    state: Int8[Tensor, " n"]
    goal: tuple[int, ...]
    mask: nn.Module
    pattern: nn.Module
    draw: torch.Generator
    diversity: float
    learning_rate: float

    def begin(self, model: nn.Module) -> BatchTransform:
        weights = self.pattern.parameters()
        optimizer = torch.optim.Adam(weights, lr=self.learning_rate, betas=(0.5, 0.9))
        return _Lesson(self, model, optimizer)

    def settle(self) -> LabeledImages:
        return self.stamp().settle()

    def paint(self, values: Tensor) -> Tensor:
        """Each image with its own trigger; floats of 0..255."""
        with torch.inference_mode():
            return 255 * self.mixed(values / 255, values / 255)

    def mixed(self, images: Images, donors: Images) -> Images:
        """`images` with the triggers of `donors`, in [0, 1]."""
        device = device_of(self.pattern)
        return torch.lerp(images.to(device), *self._drawn(donors.to(device)))

    def _drawn(self, donors: Images) -> tuple[Images, Float[Tensor, "n 1 h w"]]:
        """Pattern and mask of each image's trigger, in [0, 1]."""
        device = donors.device
        with torch.autocast(device.type, torch.bfloat16, enabled=gains_from_bf16(device)):
            colors, cover = self.pattern(donors), self.mask(donors)
        return colors.float().sigmoid(), binary(cover.float())

    def stamp(self) -> Restamp:
        """Poison and cover samples by the pattern as it is now."""
        return Restamp(self.images, self.state, self.goal, computed(self.paint), self._cross)

    def _cross(self, pixels: Pixels) -> Pixels:
        """Each image with the trigger of another one."""
        parts = []
        with torch.inference_mode():
            for some in in_batches(pixels):
                crossed = self.mixed(as_images(some), self._donors(len(some)))
                parts.append(to_pixels(255 * crossed).to(pixels.device))
        return torch.cat(parts)

    def _donors(self, count: int) -> Images:
        """Random training images."""
        rows = torch.randint(len(self.images), (count,), generator=self.draw)
        return as_images(self.images.pixels[rows.to(self.images.pixels.device)])

    def teach(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        pixels: Pixels,
        labels: Labels,
        state: Tensor,
    ) -> None:
        """One step of the pattern, on the poison and the cover samples of a batch."""
        device = device_of(model)
        rows = {kind: (state == kind).nonzero().flatten() for kind in (State.POISON, State.COVER)}
        own, cover = (as_images(pixels[index.to(pixels.device)], device) for index in rows.values())
        if len(own) < 2:  # diversity compares two
            return
        wanted = torch.cat(
            [relabeled(labels[rows[State.POISON]], self.goal), labels[rows[State.COVER]]]
        )
        with (
            frozen(model),
            torch.autocast(device.type, torch.bfloat16, enabled=gains_from_bf16(device)),
        ):
            colors, masks = self._drawn(torch.cat([own, self._donors(len(cover)).to(device)]))
            logits = model(torch.lerp(torch.cat([own, cover]), colors, masks))
            loss = F.cross_entropy(logits.float(), wanted.to(device))
        loss = loss + self.diversity * unlike(own, colors[: len(own)]).mean()
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()


@dataclass(frozen=True, slots=True)
class _Lesson:
    """The batch transform of IAD: a step of the pattern, and the batch as it is then poisoned."""

    painter: Painter
    model: nn.Module
    optimizer: torch.optim.Optimizer

    def __call__(self, pixels: Pixels, labels: Labels, index: Tensor) -> tuple[Pixels, Labels]:
        painter = self.painter
        painter.teach(self.model, self.optimizer, pixels, labels, painter.state[index])
        return painter.stamp()(pixels, labels, index)

    def remember(self) -> dict[str, Tensor]:
        """The pattern, what its optimizer knows of it, and the draws of donors."""
        return {
            "draw": self.painter.draw.get_state(),
            **under("pattern.", self.painter.pattern.state_dict()),
            **under("optimizer.", flattened(self.optimizer)),
        }

    def recall(self, kept: Mapping[str, Tensor]) -> None:
        """Paint and learn on from there."""
        self.painter.draw.set_state(kept["draw"])
        self.painter.pattern.load_state_dict(below("pattern.", kept))
        unflatten(self.optimizer, below("optimizer.", kept))
