"""What kind of file this is, and whether it is as small as it looks: before a byte is unpacked."""

import zipfile
from pathlib import Path, PurePosixPath

from ...errors import InputError, first_line

MEMBERS = 100_000
"""Files in an archive; a network of a billion weights has a few thousand tensors."""
UNPACKED = 16 * 2**20
"""Bytes that compressed members may unpack to; weights are stored, only code is compressed."""

OLD_EXPORT = "serialized_exported_program.json"
"""What torch.export.save wrote up to torch 2.6."""


def members(path: Path) -> dict[str, int] | None:
    """Sizes of the members of a zip archive, by name without its root; None for another file.

    Raises:
        InputError: an archive that is broken, names a member twice, or unpacks to more than it is.
    """
    try:
        if not zipfile.is_zipfile(path):  # may itself say that it is a bad one
            return None
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(f"{path} is a broken archive: {first_line(error)}") from error
    names = {info.filename.lower() for info in infos}
    if len(infos) > MEMBERS or len(names) < len(infos):
        raise InputError(f"{path} has {len(infos)} members, some twice or too many: save it again")
    packed = sum(info.file_size for info in infos if info.compress_type != zipfile.ZIP_STORED)
    stored = sum(info.file_size for info in infos if info.compress_type == zipfile.ZIP_STORED)
    if stored > path.stat().st_size or packed > UNPACKED:
        raise InputError(
            f"{path} unpacks to {stored + packed} bytes, more than a file of "
            f"{path.stat().st_size} holds: save the state_dict again"
        )
    return {_rootless(info.filename): info.file_size for info in infos}


def program_in(names: dict[str, int] | None) -> str | None:
    """What kind of program an archive is, by its members; None where it may be plain weights."""
    if names is None:
        return None
    if "constants.pkl" in names:
        return "TorchScript"
    if OLD_EXPORT in names or any(name.startswith("models/") for name in names):
        return "torch.export"
    return None


def _rootless(name: str) -> str:
    """The member's path below the archive's own folder."""
    return "/".join(PurePosixPath(name).parts[1:]) or name
