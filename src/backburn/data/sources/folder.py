"""Reader for a folder with one subfolder of images per class."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...errors import InputError, printable
from ..decoding import image_suffixes, is_image
from ..undecoded_rows import Row, Rows

LINK_OUTSIDE = "a link that leaves the folder"
NON_CLASS_FOLDERS = ("__MACOSX", "__pycache__", "lost+found", "@eaDir", "$RECYCLE.BIN")
SYSTEM_FILES = ("Thumbs.db", "desktop.ini", "Icon\r")
"""Files that operating systems create; they are ignored, as hidden files are."""
UNSUPPORTED = {
    **dict.fromkeys((".heic", ".heif"), "HEIC"),
    **dict.fromkeys(
        (".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".rw2"), "a camera's raw file"
    ),
    ".svg": "SVG",
    ".psd": "a Photoshop file",
    ".jxl": "JPEG XL",
    **dict.fromkeys((".dcm", ".dicom"), "DICOM"),
}
"""Image formats that are not supported, by suffix."""


def open_folder(path: Path, limit: int | None) -> Rows:
    """Return the images in the class folders; a limit is spread evenly over all classes.

    Images are recognized by their suffix, or by their content if the suffix is unknown. Links are
    followed as long as they stay inside the folder, and loops end where they close. A folder
    without any file is a class without images.

    Raises:
        InputError: a folder links outside, a class folder has files but no readable image, or
            there are no images.
    """
    root = path.resolve()
    folders = sorted(p for p in path.iterdir() if p.is_dir() and _is_class_folder(p, root))
    files_by_class = {folder.name: _find_files(folder, root) for folder in folders}
    ignored = [
        f"{file.name}: lies in no class's folder"
        for file in sorted(path.iterdir())
        if has_image_suffix(file) and file.is_file()
    ]
    for name, (images, others) in files_by_class.items():
        if others and not images:
            raise InputError(_no_readable_file(path / name, others))
        ignored += [f"{os.path.relpath(file, path)}: {skip_reason(file)}" for file in others]
    files = [(name, file) for name, (images, _) in files_by_class.items() for file in images]
    if not files:
        raise InputError(f"{path} needs sub-folders of images, one a class")
    class_names = tuple(files_by_class)
    label_of = {name: label for label, name in enumerate(class_names)}
    if limit is not None and limit < len(files):
        files = [files[k] for k in np.linspace(0, len(files) - 1, limit).astype(int)]

    def read() -> Iterator[Row]:
        for name, file in files:
            image = LINK_OUTSIDE if file.is_symlink() and not is_inside(file, root) else file
            yield Row(os.path.relpath(file, path), image, label_of[name])

    return Rows(str(path), read, class_names, tuple(ignored))


def _is_class_folder(folder: Path, root: Path) -> bool:
    """Whether a folder may be a class; folders of systems and tools and links to root are not."""
    internal = folder.name.startswith(".") or folder.name in NON_CLASS_FOLDERS
    return not internal and folder.resolve() != root


def has_image_suffix(file: Path) -> bool:
    """Whether a file is visible and has the suffix of a supported image format.

    >>> has_image_suffix(Path("a.JPG")), has_image_suffix(Path("a.txt"))
    (True, False)
    """
    return file.suffix.lower() in image_suffixes() and not file.name.startswith(".")


def skip_reason(file: Path) -> str:
    """Return why a file is not read.

    >>> skip_reason(Path("scan.dcm"))
    'DICOM cannot be read: save it as PNG or JPEG'
    """
    kind = UNSUPPORTED.get(file.suffix.lower())
    return f"{kind} cannot be read: save it as PNG or JPEG" if kind else "no image"


def _no_readable_file(folder: Path, files: list[Path]) -> str:
    suffixes = Counter(file.suffix.lower() or "no suffix" for file in files)
    counts = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(3))
    return (
        f"none of the {len(files)} files in the class folder {printable(str(folder))} can be read "
        f"({counts}): save them as PNG or JPEG, or take the folder away"
    )


def is_inside(path: Path, root: Path) -> bool:
    """Whether a path, with links resolved, is below the resolved folder `root`.

    A path with a loop of links is not.
    """
    try:
        return path.resolve().is_relative_to(root)
    except (OSError, RuntimeError, ValueError):
        return False


def _find_files(folder: Path, root: Path) -> tuple[list[Path], list[Path]]:
    """Return the images of a class folder and its other files, each sorted."""
    images: list[Path] = []
    others: list[Path] = []
    for file in sorted(_walk(folder, root)):
        if file.name in SYSTEM_FILES or file.name.startswith("."):
            continue
        has_suffix = file.suffix.lower() in image_suffixes()
        leaves = not has_suffix and file.is_symlink() and not is_inside(file, root)
        (images if has_suffix or (not leaves and is_image(file)) else others).append(file)
    return images, others


def _walk(folder: Path, root: Path) -> Iterator[Path]:
    top, visited = folder.resolve(), {root}
    for current, folders, names in os.walk(folder, followlinks=True):
        resolved = Path(current).resolve()
        if not resolved.is_relative_to(root):
            raise InputError(
                f"{printable(current)} is {LINK_OUTSIDE}: copy its images, or give the folder they "
                "are in"
            )
        # a loop leads to a visited folder, or to one above the class
        if resolved in visited or (resolved != top and top.is_relative_to(resolved)):
            folders.clear()
            continue
        visited.add(resolved)
        yield from (Path(current) / name for name in names)
