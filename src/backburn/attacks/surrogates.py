"""Auxiliary networks that some attacks train first, kept by what they were made from."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from ..data.digest import digest
from ..executor.interface import HERE, Work
from ..runs import write_whole
from ..training import BatchTransform, Objective, Training, TrainingTask
from ..types import LabeledImages, Progress, silent

N = TypeVar("N", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Surrogates:
    """Trains auxiliary networks, or takes them from a folder.

    Args:
        folder: `KEY.safetensors`, where KEY is a SHA-256 of the initial weights, the images, the
            labels and the settings; nothing is kept where None.
        work: who trains.
    """

    folder: Path | None = None
    progress: Progress = silent
    work: Work = HERE

    def fitted(
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
        """`model`, trained in place by `Work.fit`.

        Args:
            seed: of the order and the augmentation.
            purpose: names the phase; it must say all that the two functions depend on.
        """
        weights = (value for _, value in sorted(model.state_dict().items()))
        key = digest(
            f"{purpose} {training} {seed}".encode(), images.pixels, images.labels, *weights
        )
        if self._load(model, key):
            return model
        lesson = TrainingTask(
            images.pixels,
            images.labels,
            training,
            batch_transform=batch_transform,
            objective=objective,
            phase=purpose.split(":", maxsplit=1)[0],
        )
        generator = torch.Generator().manual_seed(seed)
        self.work.fit(model, lesson, generator, progress=self.progress)
        self._save(model, key)
        return model

    def _load(self, model: nn.Module, key: str) -> bool:
        if self.folder is None or not self._path(key).is_file():
            return False
        try:
            model.load_state_dict(load_file(self._path(key)))
        except (SafetensorError, OSError, RuntimeError):
            return False  # a damaged file is made again
        model.eval()
        return True

    def _save(self, model: nn.Module, key: str) -> None:
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        content = save({name: value.contiguous() for name, value in model.state_dict().items()})
        write_whole(self._path(key), content)

    def _path(self, key: str) -> Path:
        return Path(self.folder or ".") / f"{key[:32]}.safetensors"


def draw_seed(generator: torch.Generator) -> int:
    """A seed for a part of the work, so that skipping that part changes nothing after it."""
    return int(torch.randint(2**31, (), generator=generator))


def branch(generator: torch.Generator) -> torch.Generator:
    """A generator of its own for a part of the work; see `draw_seed`."""
    return torch.Generator().manual_seed(draw_seed(generator))
