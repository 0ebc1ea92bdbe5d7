"""Surrogate models that some attacks train first, cached by the content they depend on."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from ..data.tensor_digest import digest
from ..executor.interface import LOCAL, Executor
from ..runs import write_atomic
from ..training import BatchTransform, Objective, Training, TrainingTask
from ..types import LabeledImages, Progress, no_progress

N = TypeVar("N", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Surrogates:
    """Trains surrogate models, or loads them from a folder.

    Args:
        folder: holds `KEY.safetensors`, where KEY is a SHA-256 of the initial weights, the images,
            the labels and the settings. With None nothing is saved.
        progress: called while a model is trained.
        executor: runs the training.
    """

    folder: Path | None = None
    progress: Progress = no_progress
    executor: Executor = LOCAL

    def fit(
        self,
        model: N,
        images: LabeledImages,
        training: Training,
        seed: int,
        purpose: str,
        *,
        batch_transform: BatchTransform | None = None,
        objective: Objective | None = None,
    ) -> N:
        """Train `model` in place, or load its weights, and return it.

        Args:
            seed: for the order of the images and the augmentation.
            purpose: names the phase up to the first colon. It is part of the key, so it must
                contain every setting that `batch_transform` and `objective` depend on.
        """
        weights = (value for _, value in sorted(model.state_dict().items()))
        settings = f"{purpose} {training} {seed}".encode()
        key = digest(settings, images.pixels, images.labels, *weights)
        if self._load(model, key):
            return model
        task = TrainingTask(
            images.pixels,
            images.labels,
            training,
            batch_transform=batch_transform,
            objective=objective,
            phase=purpose.split(":", maxsplit=1)[0],
        )
        generator = torch.Generator().manual_seed(seed)
        self.executor.fit(model, task, generator, progress=self.progress)
        self._save(model, key)
        return model

    def _load(self, model: nn.Module, key: str) -> bool:
        if self.folder is None or not self._path(key).is_file():
            return False
        try:
            model.load_state_dict(load_file(self._path(key)))
        except (SafetensorError, OSError, RuntimeError):
            return False  # a damaged file is written again
        model.eval()
        return True

    def _save(self, model: nn.Module, key: str) -> None:
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        content = save({name: value.contiguous() for name, value in model.state_dict().items()})
        write_atomic(self._path(key), content)

    def _path(self, key: str) -> Path:
        return Path(self.folder or ".") / f"{key[:32]}.safetensors"


def draw_seed(generator: torch.Generator) -> int:
    """Draw a seed for a part of the work.

    A part with its own seed may be skipped (its result loaded) without changing later draws.
    """
    return int(torch.randint(2**31, (), generator=generator))


def spawn_generator(generator: torch.Generator) -> torch.Generator:
    """Return an independent generator for a part of the work, see `draw_seed`."""
    return torch.Generator().manual_seed(draw_seed(generator))
