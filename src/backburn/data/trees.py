"""A folder with one folder of images a class."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import InputError, printable
from .decoding import suffixes
from .rows import Row, Rows

LEAVES = "a link that leaves the folder"


def tree(path: Path, limit: int | None) -> Rows:
    """Rows of the images in the sub-folders of a folder; a limit is spread over all classes.

    Links are followed as far as they stay inside of the folder; loops end where they close.
    Raises:
        InputError: a class folder or one below it that is a link out, or no images.
    """
    root = path.resolve()
    classes = sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    files = [(c.name, file) for c in classes for file in sorted(_images(c, root))]
    if not files:
        raise InputError(f"{path} needs sub-folders of images, one a class")
    names = tuple(dict.fromkeys(name for name, _ in files))
    number = {name: label for label, name in enumerate(names)}
    if limit is not None and limit < len(files):
        files = [files[k] for k in np.linspace(0, len(files) - 1, limit).astype(int)]

    def read() -> Iterator[Row]:
        for name, file in files:
            picture = LEAVES if file.is_symlink() and not inside(file, root) else file
            yield Row(os.path.relpath(file, path), picture, number[name])

    return Rows(str(path), read, names)


def inside(path: Path, root: Path) -> bool:
    """Whether a path, links followed, lies in a resolved folder. What closes a loop does not."""
    try:
        return path.resolve().is_relative_to(root)
    except (OSError, RuntimeError, ValueError):
        return False


def _images(folder: Path, root: Path) -> Iterator[Path]:
    top, seen = folder.resolve(), {root}
    for where, folders, names in os.walk(folder, followlinks=True):
        real = Path(where).resolve()
        if not real.is_relative_to(root):
            raise InputError(
                f"{printable(where)} is {LEAVES}: copy its images, or give the folder they are in"
            )
        # a loop comes back to a folder seen, or to one above the class
        if real in seen or (real != top and top.is_relative_to(real)):
            folders.clear()
            continue
        seen.add(real)
        for name in names:
            if Path(name).suffix.lower() in suffixes() and not name.startswith("."):
                yield Path(where) / name
