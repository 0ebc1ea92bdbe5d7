"""Reader for WebDataset archives: `KEY.jpg` with `KEY.cls` or `KEY.json` in a tar file."""

import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from ...errors import InputError, first_line, printable
from ..decoding import MAX_FILE_SIZE, image_suffixes
from ..labels import labels_from_values
from ..undecoded_rows import Row, Rows

MAX_MEMBERS = 10_000_000
MAX_LABEL_SIZE = 2**16
"""Largest size in bytes of a .cls or .json member."""
LABEL_KEYS = ("label", "class", "cls", "class_name", "target", "category")


def open_archives(files: Sequence[Path], source: str) -> Rows:
    """Return the rows of uncompressed tar files; nothing is unpacked to disk.

    Members with the same name up to the first dot form a sample and must be adjacent.

    Args:
        files: in order.
        source: name of the data set in messages.
    Raises:
        InputError: a file is not a tar archive, or truncated, or a member's path leaves it.
    """

    def samples() -> Iterator[Row]:
        for file in files:
            yield from _read_samples(file)

    first = next(samples(), None)
    if first is None or not isinstance(first.label, str):
        return Rows(source, samples)
    # classes are numbered by name, so all names must be read first
    names_and_labels = [(row.name, row.label) for row in samples()]
    labels, class_names = labels_from_values(
        [label for _, label in names_and_labels], source, [name for name, _ in names_and_labels]
    )

    def read() -> Iterator[Row]:
        for label, row in zip(labels, samples(), strict=True):
            yield row._replace(label=label)

    return Rows(source, read, class_names)


def _read_samples(file: Path) -> Iterator[Row]:
    key, image, label = "", None, None
    for name, content in _read_members(file):
        stem, _, extension = PurePosixPath(name).name.partition(".")
        member_key = str(PurePosixPath(name).parent / stem)
        if member_key != key:
            if image is not None or label is not None:
                yield Row(key, image or "no image", label)
            key, image, label = member_key, None, None
        if f".{extension.lower()}" in image_suffixes():
            image = content
        elif extension == "cls" or (extension == "json" and label is None):
            label = _parse_label(content, extension)
    if image is not None or label is not None:
        yield Row(key, image or "no image", label)


def _read_members(file: Path) -> Iterator[tuple[str, bytes | str]]:
    """Yield name and content of regular members; a string says why there is no content."""
    try:
        with tarfile.open(file, "r:") as archive:
            for _ in range(MAX_MEMBERS):
                member = archive.next()
                if member is None:
                    return
                archive.members.clear()  # type: ignore[attr-defined]  # or it keeps all of them
                _refuse_outside_path(member.name, file)
                if member.isreg():
                    yield member.name, _read_content(archive, member)
    except (tarfile.TarError, OSError, ValueError, EOFError) as error:
        raise InputError(f"{file} cannot be read as a tar archive: {first_line(error)}") from None
    raise InputError(f"{file} has more than {MAX_MEMBERS} members: split it")


def _read_content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | str:
    if member.size > MAX_FILE_SIZE or member.issparse():
        return f"{member.size} bytes, more than {MAX_FILE_SIZE}, or with holes"
    stream = archive.extractfile(member)
    content = stream.read() if stream else b""
    if len(content) != member.size:
        raise tarfile.ReadError("unexpected end of data")
    return content


def _refuse_outside_path(name: str, file: Path) -> None:
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise InputError(
            f"{file}: member {printable(name[:80])!r} leaves the archive: make it again without"
        )


def _parse_label(content: bytes | str, extension: str) -> object:
    """Return the whole number in a label member, or any other value for the caller to check."""
    if isinstance(content, str) or len(content) > MAX_LABEL_SIZE:
        return "too long"
    if extension == "cls":
        text = content.decode(errors="replace").strip()
        return int(text) if re.fullmatch("[0-9]{1,9}", text) else text
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return "no JSON"
    if isinstance(value, dict):
        value = next((value[key] for key in LABEL_KEYS if key in value), None)
    return int(value) if isinstance(value, float) and value.is_integer() else value
