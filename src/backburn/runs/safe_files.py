"""Files of a run that may be a stranger's: plain ones in its folder, and nothing elsewhere."""

import os
import stat
from pathlib import Path, PurePath

from ..errors import InputError


def own(run: Path, name: str) -> Path:
    """The path of a run's file or folder, which is to be read or written. The run may be a link.

    Raises:
        InputError: a name or a link that leaves the run, or what is there is a pipe or a device.
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
    """Whether a file or a folder is there, or nothing."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return True
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def check_plain(folder: Path) -> None:
    """See that nothing in a folder is a link, or anything else than files and folders.

    Raises:
        InputError: something is.
    """
    own(folder.parent, folder.name)
    for home, folders, files in os.walk(folder):
        for name in (*folders, *files):
            own(Path(home), name)
