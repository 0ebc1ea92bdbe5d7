"""A folder with one folder of images a class."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...errors import InputError, printable
from ..decoding import is_image, suffixes
from ..rows import Row, Rows

LEAVES = "a link that leaves the folder"
NO_CLASSES = ("__MACOSX", "__pycache__", "lost+found", "@eaDir", "$RECYCLE.BIN")
JUNK = ("Thumbs.db", "desktop.ini", "Icon\r")
"""Files that systems put into folders unasked, as they do hidden ones."""
UNREADABLE = {
    **dict.fromkeys((".heic", ".heif"), "HEIC"),
    **dict.fromkeys(
        (".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".rw2"), "a camera's raw file"
    ),
    ".svg": "SVG",
    ".psd": "a Photoshop file",
    ".jxl": "JPEG XL",
    **dict.fromkeys((".dcm", ".dicom"), "DICOM"),
}
"""Images that are known not to be read, by suffix."""


def tree(path: Path, limit: int | None) -> Rows:
    """Rows of the images in the sub-folders of a folder; a limit is spread over all classes.

    Files are told by their suffix, and where that is unknown, by their content. Links are followed
    as far as they stay inside of the folder; loops end where they close. A folder without any file
    is a class without images.
    Raises:
        InputError: a class folder or one below it that is a link out, one whose files are none that
            can be read, or no images.
    """
    root = path.resolve()
    classes = sorted(p for p in path.iterdir() if p.is_dir() and _is_class(p, root))
    known = {folder.name: _files(folder, root) for folder in classes}
    aside = [_stray(file) for file in sorted(path.iterdir()) if is_picture(file) and file.is_file()]
    for name, (images, others) in known.items():
        if others and not images:
            raise InputError(_unreadable(path / name, others))
        aside += [f"{os.path.relpath(file, path)}: {why_not(file)}" for file in others]
    files = [(name, file) for name, (images, _) in known.items() for file in images]
    if not files:
        raise InputError(f"{path} needs sub-folders of images, one a class")
    names = tuple(known)
    number = {name: label for label, name in enumerate(names)}
    if limit is not None and limit < len(files):
        files = [files[k] for k in np.linspace(0, len(files) - 1, limit).astype(int)]

    def read() -> Iterator[Row]:
        for name, file in files:
            picture = LEAVES if file.is_symlink() and not inside(file, root) else file
            yield Row(os.path.relpath(file, path), picture, number[name])

    return Rows(str(path), read, names, tuple(aside))


def _is_class(folder: Path, root: Path) -> bool:
    """Whether a folder may be a class: some are made by systems and tools, or are links back."""
    made = folder.name.startswith(".") or folder.name in NO_CLASSES
    return not made and folder.resolve() != root


def is_picture(file: Path) -> bool:
    """Whether a file is called as an image is."""
    return file.suffix.lower() in suffixes() and not file.name.startswith(".")


def why_not(file: Path) -> str:
    """Why a file is not read, as it is no image that can be."""
    kind = UNREADABLE.get(file.suffix.lower())
    return f"{kind} cannot be read: save it as PNG or JPEG" if kind else "no image"


def _stray(file: Path) -> str:
    return f"{file.name}: lies in no class's folder"


def _unreadable(folder: Path, files: list[Path]) -> str:
    kinds = Counter(file.suffix.lower() or "no suffix" for file in files)
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(3))
    return (
        f"none of the {len(files)} files in the class folder {printable(str(folder))} can be read "
        f"({told}): save them as PNG or JPEG, or take the folder away"
    )


def inside(path: Path, root: Path) -> bool:
    """Whether a path, links followed, lies in a resolved folder. What closes a loop does not."""
    try:
        return path.resolve().is_relative_to(root)
    except (OSError, RuntimeError, ValueError):
        return False


def _files(folder: Path, root: Path) -> tuple[list[Path], list[Path]]:
    """The images in a class's folder, and what else is there, each in order."""
    images: list[Path] = []
    others: list[Path] = []
    for file in sorted(_walked(folder, root)):
        if file.name in JUNK or file.name.startswith("."):
            continue
        known = file.suffix.lower() in suffixes()
        leaves = not known and file.is_symlink() and not inside(file, root)
        (images if known or (not leaves and is_image(file)) else others).append(file)
    return images, others


def _walked(folder: Path, root: Path) -> Iterator[Path]:
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
        yield from (Path(where) / name for name in names)
