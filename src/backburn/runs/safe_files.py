"""Safe paths in an untrusted run: no links, no pipes, nothing outside its folder."""

import os
import stat
from pathlib import Path, PurePath

from ..errors import InputError


def path_in_run(run: Path, name: str) -> Path:
    """Path of a file or folder of a run, checked for reading or writing.

    The run itself may be a link.

    Raises:
        InputError: the name leaves the run, or a part of it is a link, pipe or device.
    """
    path, parts = run, PurePath(name).parts
    if ".." in parts or PurePath(name).is_absolute():
        raise InputError(f"{name[:80]!r} is no file of {run}")
    for part in parts:
        path = path / part
        if not is_plain(path):
            raise InputError(
                f"{path} is a link or no plain file, and a run is read and written in its own "
                "folder only: put the file itself there, or delete it"
            )
    return path


def is_plain(path: Path) -> bool:
    """Whether `path` is a regular file, a folder, or missing; links are not followed."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return True
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def check_plain(folder: Path) -> None:
    """Check that a folder holds only regular files and folders, at any depth.

    Raises:
        InputError: it holds a link, pipe or device.
    """
    path_in_run(folder.parent, folder.name)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path_in_run(Path(parent), name)
