"""The trigger generator of the input-aware attack, trained together with the victim."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int8
from torch import Tensor, nn

from ..data.pixels import to_pixels
from ..models.inference import as_images, device_of, frozen, has_native_bf16
from ..training import BatchTransform
from ..training.flat_mapping import (
    add_prefix,
    flatten_optimizer_state,
    restore_optimizer_state,
    strip_prefix,
)
from ..types import Images, LabeledImages, Labels, PerImage, Pixels, State
from .poisoning import BatchPoisoner, poisoned_labels
from .triggers import iter_batches, pixel_trigger


def soft_threshold(mask: Tensor) -> Tensor:
    """Return values close to 0 or 1, differentiably, as in the paper."""
    return torch.tanh(20 * mask - 10) / 2 + 0.5


def diversity_loss(images: Images, outputs: Tensor) -> PerImage:
    """Return the distance of neighboring images over the distance of their outputs.

    It is small if the generator's outputs differ wherever its inputs differ.
    """
    return _distance_to_next(images) / (_distance_to_next(outputs) + 1e-3)


def _distance_to_next(maps: Tensor) -> PerImage:
    """Return the root mean squared difference between each map and the next of the batch."""
    return (maps - maps.roll(1, 0)).square().flatten(1).mean(1).clamp_min(1e-12).sqrt()


@dataclass(frozen=True, slots=True)
class TriggerGenerator:
    """Generates a trigger for each image; its pattern is trained one step per step of the victim.

    Args:
        images: the clean training set.
        state: `(n,)`, the `State` of each image.
        goal: the attacker's label for each class, see `Attack.goal`.
        mask: network for the mask, fixed.
        pattern: network for the pattern, trained with Adam.
        draws: generator for the donor images of cover samples.
        diversity: weight of `diversity_loss`.
        learning_rate: of the pattern.
    """

    images: LabeledImages
    state: Int8[Tensor, " n"]
    goal: tuple[int, ...]
    mask: nn.Module
    pattern: nn.Module
    draws: torch.Generator
    diversity: float
    learning_rate: float

    def batch_transform(self, model: nn.Module) -> BatchTransform:
        """Return the transform that trains the pattern and poisons each batch."""
        weights = self.pattern.parameters()
        optimizer = torch.optim.Adam(weights, lr=self.learning_rate, betas=(0.5, 0.9))
        return _GeneratorTraining(self, model, optimizer)

    def poisoned_images(self) -> LabeledImages:
        """Return the whole training set, poisoned with the current pattern."""
        return self.poisoner().poisoned_images()

    def apply(self, values: Tensor) -> Tensor:
        """Apply to each image its own trigger; floats of 0..255."""
        with torch.inference_mode():
            return 255 * self.blend(values / 255, values / 255)

    def blend(self, images: Images, donors: Images) -> Images:
        """Apply to `images` the triggers of `donors`; both in [0, 1]."""
        device = device_of(self.pattern)
        pattern, mask = self._trigger(donors.to(device))
        return torch.lerp(images.to(device), pattern, mask)

    def _trigger(self, donors: Images) -> tuple[Images, Float[Tensor, "n 1 h w"]]:
        """Return pattern and mask of each image's trigger, in [0, 1]."""
        device = donors.device
        with torch.autocast(device.type, torch.bfloat16, enabled=has_native_bf16(device)):
            pattern, mask = self.pattern(donors), self.mask(donors)
        return pattern.float().sigmoid(), soft_threshold(mask.float())

    def poisoner(self) -> BatchPoisoner:
        """Return the batch transform for the current pattern."""
        return BatchPoisoner(
            self.images,
            self.state,
            self.goal,
            poison=pixel_trigger(self.apply),
            cover=self._apply_donors,
        )

    def _apply_donors(self, pixels: Pixels) -> Pixels:
        """Apply to each image the trigger of a random other image."""
        batches = []
        with torch.inference_mode():
            for batch in iter_batches(pixels):
                blended = self.blend(as_images(batch), self._draw_donors(len(batch)))
                batches.append(to_pixels(255 * blended).to(pixels.device))
        return torch.cat(batches)

    def _draw_donors(self, count: int) -> Images:
        """Draw random training images."""
        rows = torch.randint(len(self.images), (count,), generator=self.draws)
        return as_images(self.images.pixels[rows.to(self.images.pixels.device)])

    def train_step(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        pixels: Pixels,
        labels: Labels,
        state: Tensor,
    ) -> None:
        """Train the pattern for one step on the poison and the cover samples of a batch.

        Args:
            model: the victim, which does not change.
            optimizer: of the pattern.
            pixels, labels, state: of the clean batch.
        """
        device = device_of(model)
        poison_rows = (state == State.POISON).nonzero().flatten()
        cover_rows = (state == State.COVER).nonzero().flatten()
        poison = as_images(pixels[poison_rows.to(pixels.device)], device)
        cover = as_images(pixels[cover_rows.to(pixels.device)], device)
        if len(poison) < 2:  # diversity compares two
            return
        wanted = torch.cat([poisoned_labels(labels[poison_rows], self.goal), labels[cover_rows]])
        with (
            frozen(model),
            torch.autocast(device.type, torch.bfloat16, enabled=has_native_bf16(device)),
        ):
            donors = torch.cat([poison, self._draw_donors(len(cover)).to(device)])
            patterns, masks = self._trigger(donors)
            logits = model(torch.lerp(torch.cat([poison, cover]), patterns, masks))
            loss = F.cross_entropy(logits.float(), wanted.to(device))
        loss = loss + self.diversity * diversity_loss(poison, patterns[: len(poison)]).mean()
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()


@dataclass(frozen=True, slots=True)
class _GeneratorTraining:
    """A batch transform that trains the pattern for one step, then poisons the batch with it."""

    triggers: TriggerGenerator
    model: nn.Module
    optimizer: torch.optim.Optimizer

    def __call__(self, pixels: Pixels, labels: Labels, index: Tensor) -> tuple[Pixels, Labels]:
        state = self.triggers.state[index]
        self.triggers.train_step(self.model, self.optimizer, pixels, labels, state)
        return self.triggers.poisoner()(pixels, labels, index)

    def get_state(self) -> dict[str, Tensor]:
        """Return pattern, optimizer state and generator state for a checkpoint."""
        return {
            "draw": self.triggers.draws.get_state(),
            **add_prefix("pattern.", self.triggers.pattern.state_dict()),
            **add_prefix("optimizer.", flatten_optimizer_state(self.optimizer)),
        }

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore the state from a checkpoint."""
        self.triggers.draws.set_state(state["draw"])
        self.triggers.pattern.load_state_dict(strip_prefix("pattern.", state))
        restore_optimizer_state(self.optimizer, strip_prefix("optimizer.", state))
