"""What a file is that is no checkpoint: said by its first bytes, before anybody reads it as one."""

import zipfile
from pathlib import Path

from ...errors import InputError

SAVE = "save the PyTorch state_dict: torch.save(model.state_dict(), 'model.pt')"
KINDS = {".onnx": "an ONNX file", ".h5": "a Keras file", ".keras": "a Keras file",
         ".tflite": "a TensorFlow Lite file", ".pb": "a TensorFlow graph",
         ".engine": "a TensorRT engine", ".mlmodel": "a Core ML file"}  # fmt: skip
"""What other tools call their models."""
HDF5, TFLITE = b"\x89HDF\r\n\x1a\n", b"TFL3"
PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8")
HEAD = 512


def refuse_other_kinds(path: Path) -> None:
    """Say what a file is that cannot be a checkpoint.

    Raises:
        InputError: it is empty, cut off, text, a picture, or the model of another framework.
    """
    size = path.stat().st_size
    if not size:
        raise InputError(f"{path} is empty (0 bytes): copy or save the model again")
    with path.open("rb") as file:
        head = file.read(HEAD)
    if kind := _foreign(path, head):
        raise InputError(f"{path} is {kind}: {SAVE}")
    if head.startswith(PICTURES):
        raise InputError(f"{path} is a picture, no model: give the model first, then its images")
    if head.startswith(b"PK\x03\x04") and not zipfile.is_zipfile(path):
        raise InputError(f"{path} is cut off after {size} bytes: copy or save the model again")


def what_it_is(path: Path, reason: str) -> str:
    """What a file is that does not read as a pickle, in place of what the reader says of a byte.

    Args:
        reason: what the reader says.
    """
    if not any(word in reason for word in ("opcode", "exhausted", "expected", "not enough")):
        return reason
    with path.open("rb") as file:
        if _is_text(file.read(HEAD)):
            return "it is a text file, no checkpoint"
    if "exhausted" in reason or "not enough" in reason:
        return f"it is cut off after {path.stat().st_size} bytes"
    return "it is no checkpoint"


def _foreign(path: Path, head: bytes) -> str:
    if head.startswith(HDF5):
        return KINDS[".h5"]
    if head[4:8] == TFLITE:
        return KINDS[".tflite"]
    # an ONNX file is a protocol buffer: its version, then who made it
    if head[:1] == b"\x08" and head[2:3] == b"\x12":
        return KINDS[".onnx"]
    return KINDS.get(path.suffix.lower(), "")


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("ascii")
    except UnicodeDecodeError:
        return False
    return all(c.isprintable() or c.isspace() for c in text)
