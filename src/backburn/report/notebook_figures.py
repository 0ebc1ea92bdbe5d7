"""The function `show`: figures in a notebook, of a result or of a run."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..data.sources.arrays import from_arrays
from ..errors import InputError
from ..results import Audit, Unlearned
from ..runs import write_atomic
from ..types import Case, Progress, no_progress
from .figure_data import compute_figure_data
from .figure_files import import_matplotlib
from .paper_figures import figure_files
from .run_figures import run_figure_files


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures and their numbers as files, by file name. A notebook displays the figures."""

    files: Mapping[str, bytes]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the figures."""
        return tuple(name.removesuffix(".svg") for name in self.files if name.endswith(".svg"))

    def save(self, folder: str | Path) -> None:
        """Write all files into a folder, replacing those of the same name."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            write_atomic(Path(folder) / name, content)

    def _repr_html_(self) -> str:
        # inside <img> an SVG runs no script and styles nothing else, whatever a class is called
        return "".join(
            f'<img alt="{escape(name)}" style="max-width:100%" src="data:image/svg+xml;base64,'
            f'{base64.b64encode(self.files[f"{name}.svg"]).decode()}">'
            for name in self.names
        )


def show(
    shown: Audit | Unlearned | str | Path,
    model: nn.Module | None = None,
    images: Any = None,
    labels: Any = None,
    *,
    class_names: tuple[str, ...] = (),
    each: int = 300,
    budget: str = "fast",
    seed: int = 0,
    progress: Progress = no_progress,
) -> Figures:
    """Draw the figures of a result, or of a run directory.

    A result doesn't hold its images, so pass them again with the audited model. For a repair that
    is the model before the repair. A run needs nothing else. A run of `figures` has all figures;
    an audit or a repair has distances, embedding and rounds.

    Args:
        shown: what `audit` or `repair` returned, or the path of a run.
        model: the model that was audited.
        images: the training images, as they were passed to `audit` or `repair`.
        labels: their labels.
        class_names: names of the classes; without them labels are numbers.
        each: maximum number of images of each group in each class.
        budget: effort of the boundary search: `screen`, `fast`, `default` or `exact`.
        seed: seed for drawing the images.
        progress: called during predictions and search.
    Raises:
        InputError: matplotlib isn't installed. A result came without its images, or with others.
            A path isn't a run, or the run has nothing to draw.
    """
    import_matplotlib()  # fail before anything is computed
    if isinstance(shown, (str, Path)):
        if model is not None or images is not None or labels is not None:
            raise InputError(
                "a run is drawn from its own files: leave out model, images and labels"
            )
        files = run_figure_files(Path(shown))
        if not files:
            raise InputError(f"{shown} has nothing to draw: give a run of figures, audit or repair")
        return Figures(files)
    if model is None or images is None or labels is None:
        raise InputError(
            "a result does not hold the images that it is about: give show(result, model, images, "
            "labels), with the model that was audited"
        )
    labeled = from_arrays(images, labels, class_names)
    generator = torch.Generator().manual_seed(seed)
    if len(labeled) != len(shown.evidence.score):
        raise InputError(
            f"the result is about {len(shown.evidence.score)} images, but there are "
            f"{len(labeled)}: give those that were audited"
        )
    case = Case(model, labeled)
    data = compute_figure_data(case, shown.evidence, None, each, budget, generator, progress)
    history = shown.history if isinstance(shown, Unlearned) else ()
    return Figures(figure_files(data, history, class_names))
