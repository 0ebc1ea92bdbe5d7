"""Files that run code when they are opened: only for people who made them themselves."""

import warnings
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ...errors import InputError, first_line
from .archives import members, program_in
from .nested_state_dicts import KEYS


class Exported(nn.Module):
    """An exported program as a network; it has one mode, and torch's own refuses to be asked."""

    OWN = "program."
    """What stands before the program's own names of its weights."""

    def __init__(self, program: torch.export.ExportedProgram):
        super().__init__()
        self.program = program.module()

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.program(images))

    def train(self, mode: bool = True) -> "Exported":
        """Note the mode; nothing depends on it."""
        self.training = mode
        return self


def open_trusted(path: Path) -> Any:
    """Whatever is in a file, with whatever that runs: a module, or objects that were pickled.

    Raises:
        InputError: it cannot be opened.
    """
    said = f"{path} is trusted: opening it may run code that is in it, with all your rights"
    # a registry of its own: Python would say the same line only once
    warnings.warn_explicit(said, UserWarning, str(path), 1, registry={})
    kind = program_in(members(path))
    try:
        if kind == "TorchScript":
            script: nn.Module = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]
            for weight in script.parameters():
                weight.requires_grad_(False)  # copies of weights that need it are no leaves
            return script
        if kind == "torch.export":
            with path.open("rb") as file:  # of a path it wants to see .pt2 at the end
                return Exported(torch.export.load(cast(Any, file)))
        held = torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:  # code may fail in any way
        raise InputError(
            f"{path} cannot be opened, even with trust: {first_line(error)}"
        ) from error
    return held


def module_in(held: Any) -> Any:
    """The module that was pickled, by itself or under a usual key; else what is held."""
    if isinstance(held, dict):
        held = next((held[key] for key in KEYS if isinstance(held.get(key), nn.Module)), held)
    return held.module if isinstance(held, nn.DataParallel) else held
