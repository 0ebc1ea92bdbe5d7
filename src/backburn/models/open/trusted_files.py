"""Open files that may run code, for users who trust them."""

import warnings
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ...errors import InputError, first_line
from .file_check import archive_members, program_kind
from .nested_state_dicts import STATE_DICT_KEYS


class Exported(nn.Module):
    """A program of torch.export as a module.

    The program has a single mode, and raises when it is put into another one.
    """

    PREFIX = "program."
    """What this module puts before the program's names of its weights."""

    def __init__(self, program: torch.export.ExportedProgram):
        super().__init__()
        self.program = program.module()

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.program(images))

    def train(self, mode: bool = True) -> "Exported":
        """Record the mode; nothing depends on it."""
        self.training = mode
        return self


def load_trusted(path: Path) -> Any:
    """Load a module or pickled objects from a file; this may run code that is in it.

    Raises:
        InputError: it cannot be opened.
    """
    message = f"{path} is trusted: opening it may run code that is in it, with all your rights"
    # a registry of its own, since Python shows the same warning only once
    warnings.warn_explicit(message, UserWarning, str(path), 1, registry={})
    kind = program_kind(archive_members(path))
    try:
        if kind == "TorchScript":
            script: nn.Module = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]
            for weight in script.parameters():
                weight.requires_grad_(False)  # copies of weights with gradients are no leaves
            return script
        if kind == "torch.export":
            with path.open("rb") as file:  # given a path, torch insists on the suffix .pt2
                return Exported(torch.export.load(cast(Any, file)))
        content = torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:  # code may fail in any way
        raise InputError(
            f"{path} cannot be opened, even with trust: {first_line(error)}"
        ) from error
    return content


def find_module(content: Any) -> Any:
    """Find a pickled module, by itself or under a common key; return the content if there is none.

    >>> find_module({"epoch": 3, "model": nn.ReLU()})
    ReLU()
    """
    if isinstance(content, dict):
        modules = (
            content[key] for key in STATE_DICT_KEYS if isinstance(content.get(key), nn.Module)
        )
        content = next(modules, content)
    return content.module if isinstance(content, nn.DataParallel) else content
