"""The report's figures in a notebook: of a result and the case it is of, or of a run."""

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
from ..runs import write_whole
from ..types import Audit, Case, Progress, Unlearned, silent
from .figure_data import portray
from .figure_files import plotting
from .figures import figure_files
from .run_figures import run_files


@dataclass(frozen=True, slots=True)
class Figures:
    """Pictures and their numbers, by file name; a notebook shows the pictures."""

    files: Mapping[str, bytes]

    @property
    def names(self) -> tuple[str, ...]:
        """What there is a picture of."""
        return tuple(name.removesuffix(".svg") for name in self.files if name.endswith(".svg"))

    def save(self, folder: str | Path) -> None:
        """Write all files into a folder; those of the same name are replaced."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            write_whole(Path(folder) / name, content)

    def _repr_html_(self) -> str:
        # as an image, a picture runs no script and styles nothing else, whatever a class is called
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
    progress: Progress = silent,
) -> Figures:
    """Draw what there is to see of a result, or of a run's folder.

    A result does not hold the images that it is about, so these are given again, with the model
    that was audited (of a repair, the one that was given to it). A run is drawn from what is
    written in it: all figures of a run of `figures`; distances, features and rounds of an audit or
    a repair.

    Args:
        model: as `audit` or `repair` was given it, and so are
        images: the training images,
        labels: their labels, and
        class_names: the names of the classes.
        each: images of each kind and class, at the most.
        budget: effort of the boundary search: `screen`, `fast`, `default` or `exact`.
    Raises:
        InputError: matplotlib is not installed, a result without its case or with another one, or
            a folder that is no run, or a run with nothing to draw.
    """
    plotting()  # said before anything is computed
    if isinstance(shown, (str, Path)):
        if model is not None or images is not None or labels is not None:
            raise InputError(
                "a run is drawn from its own files: leave out model, images and labels"
            )
        files = run_files(Path(shown))
        if not files:
            raise InputError(f"{shown} has nothing to draw: give a run of figures, audit or repair")
        return Figures(files)
    if model is None or images is None or labels is None:
        raise InputError(
            "a result does not hold the images that it is about: give show(result, model, images, "
            "labels), with the model that was audited"
        )
    given, generator = from_arrays(images, labels, class_names), torch.Generator().manual_seed(seed)
    if len(given) != len(shown.evidence.score):
        raise InputError(
            f"the result is about {len(shown.evidence.score)} images, but there are {len(given)}: "
            "give those that were audited"
        )
    case = Case(model, given)
    portrait = portray(case, shown.evidence, None, each, budget, generator, progress)
    history = shown.history if isinstance(shown, Unlearned) else ()
    return Figures(figure_files(portrait, history, class_names))
