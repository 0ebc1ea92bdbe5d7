"""Work that a Ray cluster does, in the same parts and to the same end as one machine."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..boundary.distances import Search
from ..data.digest import digest
from ..executor.checkpoints import LEAST, key_of, size_of
from ..executor.interface import Work
from ..executor.shards import boundary_in_shards, shard_of, shards_of
from ..models.activations import gathered
from ..training import Remembering, TrainingTask
from ..types import BoundaryResult, Features, Labels, Pixels, Progress, silent
from .checkpoints import PAUSE, open_safe
from .inference_tasks import Order, Searching, Watching
from .retries import lost_nodes, open_ledger, retried
from .serialization import ship_lesson, ship_model
from .shard_files import Crew, fill, in_order
from .training_job import Job, fit_job

SHARD = 1024
"""Images that are searched together, of larger ones fewer; as many are searched again when an actor
is lost."""
SHARE = 32
"""Images of a batch for each process of a training, at the least."""


@dataclass(frozen=True, slots=True)
class OnCluster(Work):
    """On the Ray cluster that this process is connected to; a folder keeps what is done.

    A search of one shard stays here. Shards lie in the folder under names that tell what they are
    made of, so that none is lost or counted twice, whoever is lost.

    Args:
        folder: see `Kept`; a temporary one for each piece of work where None.
        workers: actors of a search and processes of a training, at the most.
        gpus: what an actor holds of a GPU; a process of a training holds one where this is not 0.
        shard: see `SHARD`; made a whole number of batches, so that these are those of one machine.
        pause: see `keeping.PAUSE`.
    """

    folder: Path | None
    workers: int
    gpus: float = 0.0
    shard: int = SHARD
    pause: float = PAUSE
    told: list[str] = field(default_factory=list)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was begun again after a failure."""
        return tuple(self.told)

    def boundary(
        self,
        model: nn.Module,
        pixels: Pixels,
        search: Search,
        *,
        predictions: Labels | None = None,
        progress: Progress = silent,
    ) -> BoundaryResult:
        shard = self._shard(pixels, search.batch_size)
        with self._place() as folder:
            asked = (model, pixels, folder / "boundary", search)
            missing = (part for part in shards_of(*asked, shard) if not part.path.is_file())
            if len(first := list(islice(missing, 2))) > 1:
                with self._watched(search.phase) as ledger:
                    order = Order(ship_model(model), ledger, Searching(search))
                    crew = Crew(self.workers, self.gpus, shard)
                    fill(chain(first, missing), pixels, predictions, order, crew, progress)
                progress(search.phase, len(pixels), len(pixels))
                progress = silent  # it is over
            return boundary_in_shards(
                *asked, predictions=predictions, shard=shard, progress=progress
            )

    def fit(
        self,
        model: nn.Module,
        lesson: TrainingTask,
        generator: torch.Generator,
        *,
        progress: Progress = silent,
    ) -> list[float]:
        """As in `Work`; with a batch transform that is not `Remembering`, nothing is kept."""
        training, transform, phase = lesson.training, lesson.batch_transform, lesson.phase
        workers = max(1, min(self.workers, min(training.batch_size, lesson.count) // SHARE))
        total = training.epochs * lesson.count
        progress(phase, 0, total)
        with self._place() as folder, self._watched(phase) as ledger:
            safe = None
            if lesson.can_be_kept:
                key = key_of(model, lesson, generator)
                safe = self._safe(folder, f"{key} {workers}", model)
            shipped = ship_model(model), *ship_lesson(lesson, generator)
            job = Job(*shipped, ledger, safe, self.pause)
            learned = fit_job(job, workers, bool(self.gpus), folder / "ray")
        model.load_state_dict(learned.model)
        model.eval()
        generator.set_state(learned.generator)
        if isinstance(transform, Remembering):
            transform.recall(learned.transform)
        progress(phase, total, total)
        return learned.losses

    def activations(
        self, model: nn.Module, pixels: Pixels, *, progress: Progress = silent
    ) -> tuple[Features, Labels]:
        """As in `Work`; images of one shard are looked at here."""
        watching = Watching()
        shard = self._shard(pixels, watching.batch_size)
        if len(pixels) <= shard:
            return Work.activations(self, model, pixels, progress=progress)
        with self._watched(watching.phase) as ledger:
            order = Order(ship_model(model), ledger, watching)
            crew = Crew(self.workers, self.gpus, shard)
            found = in_order(pixels, order, crew, progress)
            return gathered(((part["rows"], part["said"]) for part in found), len(pixels))

    def _shard(self, pixels: Pixels, batch_size: int) -> int:
        device = torch.device("cuda" if self.gpus else "cpu")
        return shard_of(pixels, batch_size, device, self.shard)

    def _safe(self, folder: Path, key: str, model: nn.Module) -> Any:
        """Keeps where a training stands, which depends on how many share it."""
        name = digest(key.encode())[:32]
        path = folder / "training" / f"{name}.safetensors"
        return open_safe(path, key, size_of(model), min(LEAST, self.pause))

    @contextmanager
    def _watched(self, phase: str) -> Iterator[Any]:
        """A ledger, of which the notes say what was begun again."""
        ledger, lost = open_ledger(), lost_nodes()
        yield ledger
        self.told.extend(retried(ledger, phase, lost))

    @contextmanager
    def _place(self) -> Iterator[Path]:
        """The folder, or one for the time being."""
        if self.folder is not None:
            yield self.folder
            return
        with tempfile.TemporaryDirectory(prefix="backburn-") as folder:
            yield Path(folder)
