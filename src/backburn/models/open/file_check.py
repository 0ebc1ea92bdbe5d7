"""What a model file is, and whether it is safe to unpack; decided before it is read."""

import zipfile
from pathlib import Path, PurePosixPath

from ...errors import InputError, first_line

SAVE_HINT = "save the PyTorch state_dict: torch.save(model.state_dict(), 'model.pt')"
FOREIGN_SUFFIXES = {".onnx": "an ONNX file", ".h5": "a Keras file", ".keras": "a Keras file",
                    ".tflite": "a TensorFlow Lite file", ".pb": "a TensorFlow graph",
                    ".engine": "a TensorRT engine", ".mlmodel": "a Core ML file"}  # fmt: skip
"""Suffixes of the model files of other frameworks."""
HDF5_MAGIC, TFLITE_MAGIC = b"\x89HDF\r\n\x1a\n", b"TFL3"
PICTURE_MAGICS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8")
HEAD_BYTES = 512
"""Bytes of a file that tell what it is."""

MAX_MEMBERS = 100_000
"""Files in an archive; a network of a billion weights has a few thousand tensors."""
MAX_UNPACKED = 16 * 2**20
"""Bytes that compressed members may unpack to; weights are stored, only code is compressed."""
OLD_EXPORT_MEMBER = "serialized_exported_program.json"
"""What torch.export.save wrote up to torch 2.6."""


def check_file_kind(path: Path) -> None:
    """Raise if a file can't be a checkpoint, and say what it is.

    Raises:
        InputError: it is empty, cut off, text, a picture, or the model of another framework.
    """
    size = path.stat().st_size
    if not size:
        raise InputError(f"{path} is empty (0 bytes): copy or save the model again")
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if kind := _foreign_kind(path, head):
        raise InputError(f"{path} is {kind}: {SAVE_HINT}")
    if head.startswith(PICTURE_MAGICS):
        raise InputError(f"{path} is a picture, no model: give the model first, then its images")
    if head.startswith(b"PK\x03\x04") and not zipfile.is_zipfile(path):
        raise InputError(f"{path} is cut off after {size} bytes: copy or save the model again")


def describe_unreadable(path: Path, reason: str) -> str:
    """Say what a file is that does not read as a pickle, instead of the reader's message.

    Args:
        reason: the reader's message. It is returned unless it is about a single byte.
    """
    if not any(word in reason for word in ("opcode", "exhausted", "expected", "not enough")):
        return reason
    with path.open("rb") as file:
        if _is_text(file.read(HEAD_BYTES)):
            return "it is a text file, no checkpoint"
    if "exhausted" in reason or "not enough" in reason:
        return f"it is cut off after {path.stat().st_size} bytes"
    return "it is no checkpoint"


def archive_members(path: Path) -> dict[str, int] | None:
    """Return the sizes of a zip archive's members; None for another file.

    Names of members are without the archive's root folder.

    Raises:
        InputError: an archive that is broken, names a member twice, or unpacks to more than it is.
    """
    try:
        if not zipfile.is_zipfile(path):  # may itself raise BadZipFile
            return None
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(f"{path} is a broken archive: {first_line(error)}") from error
    names = {info.filename.lower() for info in infos}
    if len(infos) > MAX_MEMBERS or len(names) < len(infos):
        raise InputError(f"{path} has {len(infos)} members, some twice or too many: save it again")
    packed = sum(info.file_size for info in infos if info.compress_type != zipfile.ZIP_STORED)
    stored = sum(info.file_size for info in infos if info.compress_type == zipfile.ZIP_STORED)
    if stored > path.stat().st_size or packed > MAX_UNPACKED:
        raise InputError(
            f"{path} unpacks to {stored + packed} bytes, more than a file of "
            f"{path.stat().st_size} holds: save the state_dict again"
        )
    return {_without_root(info.filename): info.file_size for info in infos}


def program_kind(members: dict[str, int] | None) -> str | None:
    """Return what kind of program an archive holds; None if it may be plain weights.

    >>> program_kind({"constants.pkl": 10})
    'TorchScript'
    """
    if members is None:
        return None
    if "constants.pkl" in members:
        return "TorchScript"
    if OLD_EXPORT_MEMBER in members or any(name.startswith("models/") for name in members):
        return "torch.export"
    return None


def _foreign_kind(path: Path, head: bytes) -> str:
    if head.startswith(HDF5_MAGIC):
        return FOREIGN_SUFFIXES[".h5"]
    if head[4:8] == TFLITE_MAGIC:
        return FOREIGN_SUFFIXES[".tflite"]
    # an ONNX file is a protocol buffer: its version, then its producer
    if head[:1] == b"\x08" and head[2:3] == b"\x12":
        return FOREIGN_SUFFIXES[".onnx"]
    return FOREIGN_SUFFIXES.get(path.suffix.lower(), "")


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("ascii")
    except UnicodeDecodeError:
        return False
    return all(c.isprintable() or c.isspace() for c in text)


def _without_root(name: str) -> str:
    return "/".join(PurePosixPath(name).parts[1:]) or name
