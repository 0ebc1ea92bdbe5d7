"""IAD: a generator gives every image a trigger of its own, and learns with the victim."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int8
from torch import Tensor, nn

from ..data.augmentation import Augmentation
from ..data.pixels import to_pixels
from ..errors import InputError
from ..models.inference import as_images, device_of, frozen, gains_from_bf16
from ..models.unet import UNet, check_width, seeded
from ..training import BatchTransform, Training
from ..training.naming import below, flattened, under, unflatten
from ..types import Images, LabeledImages, Labels, PerImage, Pixels, State, Truth
from .base import Attack, Planted, check_rate
from .planting import Restamp, draw_states, relabeled
from .surrogates import Surrogates, branch, draw_seed
from .triggers import computed, in_batches


def _three_epochs_of_adam() -> Training:
    return Training(3, 64, 3e-3, weight_decay=0.0, optimizer="adam", augmentation=Augmentation(0.0))


@dataclass(frozen=True)
class InputAware(Attack):
    """Pattern and mask of a trigger depend on the image that carries it; controls the training.

    Cover samples carry the trigger of ANOTHER image and keep their label, so that only an image's
    own trigger works.

    Args:
        cover_rate: cover samples as a fraction of the whole set.
        density: share of the pixels that a mask may cover freely.
        diversity, norm: weights of unlike triggers for unlike images, and of the mask's density.
        learning_rate: of the generator, by Adam.
        width: channels of the generators at full size, a multiple of 4.
        mask_training: of the mask, which is trained first and then fixed.
    Source: Nguyen and Tran, Input-aware dynamic backdoor attack, arXiv 2010.08138; 0.1 and 0.1,
    0.032, 1 and 100. Departures: small U-Nets; the generator learns from the poison and the cover
    samples of a batch, with the victim in evaluation mode, before the victim does.
    """

    poisoning_rate: float = 0.1
    cover_rate: float = 0.1
    density: float = 0.032
    diversity: float = 1.0
    norm: float = 100.0
    learning_rate: float = 3e-3
    width: int = 16
    mask_training: Training = field(default_factory=_three_epochs_of_adam)

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        for name in ("cover_rate", "density"):
            check_rate(name, getattr(self, name))
        if self.diversity < 0 or self.norm < 0 or not self.learning_rate > 0:
            raise InputError(
                f"diversity={self.diversity}, norm={self.norm}, "
                f"learning_rate={self.learning_rate}: give >= 0, >= 0 and > 0"
            )
        check_width(self.width)

    def plant(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> Planted:
        channels, device = images.pixels.shape[1], images.pixels.device
        mask = seeded(draw_seed(generator), UNet, channels, 1, self.width).to(device)
        pattern = seeded(draw_seed(generator), UNet, channels, channels, self.width).to(device)
        purpose = f"train the masks: {self.density} {self.diversity} {self.norm}"
        surrogates.fitted(
            mask,
            images,
            self.mask_training,
            draw_seed(generator),
            purpose,
            objective=self.mask_loss,
        )
        others = images.labels != self.target_label
        state = draw_states(self, images, others, generator, cover_rate=self.cover_rate)
        draw = branch(generator)
        control = Painter(self, images, state, mask.requires_grad_(False), pattern, draw)
        truth = Truth(state, images.labels)
        return Planted(control.settle(), truth, computed(control.paint), control)

    def mask_loss(self, model: nn.Module, images: Images, labels: Labels) -> PerImage:
        """Few pixels, and other ones for other images."""
        masks = binary(model(images).float())
        dense = (masks - self.density).relu().flatten(1).mean(1)
        return self.norm * dense + self.diversity * unlike(images, masks)


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
    """The control of IAD: teaches the pattern a step before every step of the victim."""

    attack: InputAware
    images: LabeledImages
    state: Int8[Tensor, " n"]
    mask: nn.Module
    pattern: nn.Module
    draw: torch.Generator

    def begin(self, model: nn.Module) -> BatchTransform:
        rate = self.attack.learning_rate
        optimizer = torch.optim.Adam(self.pattern.parameters(), lr=rate, betas=(0.5, 0.9))
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
        goal = self.attack.goal(self.images.class_count)
        return Restamp(self.images, self.state, goal, computed(self.paint), self._cross)

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
        device, goal = device_of(model), self.attack.goal(self.images.class_count)
        rows = {kind: (state == kind).nonzero().flatten() for kind in (State.POISON, State.COVER)}
        own, cover = (as_images(pixels[index.to(pixels.device)], device) for index in rows.values())
        if len(own) < 2:  # diversity compares two
            return
        wanted = torch.cat([relabeled(labels[rows[State.POISON]], goal), labels[rows[State.COVER]]])
        with (
            frozen(model),
            torch.autocast(device.type, torch.bfloat16, enabled=gains_from_bf16(device)),
        ):
            colors, masks = self._drawn(torch.cat([own, self._donors(len(cover)).to(device)]))
            logits = model(torch.lerp(torch.cat([own, cover]), colors, masks))
            loss = F.cross_entropy(logits.float(), wanted.to(device))
        loss = loss + self.attack.diversity * unlike(own, colors[: len(own)]).mean()
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
