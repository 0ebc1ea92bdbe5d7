"""WebDataset archives: `KEY.jpg` beside `KEY.cls` or `KEY.json` in a tar."""

import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from ...errors import InputError, first_line, printable
from ..decoding import MAX_FILE, suffixes
from ..labels import from_values
from ..rows import Row, Rows

MAX_MEMBERS = 10_000_000
MAX_LABEL = 2**16
"""The most bytes of a .cls or .json member."""
KEYS = ("label", "class", "cls", "class_name", "target", "category")


def archived(files: Sequence[Path], where: str) -> Rows:
    """Rows of uncompressed tars, in the order of their names; nothing is unpacked to disk.

    Members up to the first dot of their file name belong together, and lie next to each other.
    Raises:
        InputError: no tar, a truncated one, a member that leaves the archive.
    """

    def samples() -> Iterator[Row]:
        for file in files:
            yield from _samples(file)

    first = next(samples(), None)
    if first is None or not isinstance(first.label, str):
        return Rows(where, samples)
    # text: all of it must be known before a class has a number
    known = [(row.name, row.label) for row in samples()]
    labels, names = from_values([label for _, label in known], where, [name for name, _ in known])

    def read() -> Iterator[Row]:
        for label, row in zip(labels, samples(), strict=True):
            yield row._replace(label=label)

    return Rows(where, read, names)


def _samples(file: Path) -> Iterator[Row]:
    key, picture, label = "", None, None
    for name, content in _members(file):
        base, _, ending = PurePosixPath(name).name.partition(".")
        here = str(PurePosixPath(name).parent / base)
        if here != key:
            if picture is not None or label is not None:
                yield Row(key, picture or "no image", label)
            key, picture, label = here, None, None
        if f".{ending.lower()}" in suffixes():
            picture = content
        elif ending == "cls" or (ending == "json" and label is None):
            label = _label(content, ending)
    if picture is not None or label is not None:
        yield Row(key, picture or "no image", label)


def _members(file: Path) -> Iterator[tuple[str, bytes | str]]:
    """Name and content of plain members; a string says why there is none."""
    try:
        with tarfile.open(file, "r:") as archive:
            for _ in range(MAX_MEMBERS):
                member = archive.next()
                if member is None:
                    return
                archive.members.clear()  # type: ignore[attr-defined]  # or it keeps all of them
                _refuse_leaving(member.name, file)
                if member.isreg():
                    yield member.name, _content(archive, member)
    except (tarfile.TarError, OSError, ValueError, EOFError) as error:
        raise InputError(f"{file} cannot be read as a tar archive: {first_line(error)}") from None
    raise InputError(f"{file} has more than {MAX_MEMBERS} members: split it")


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | str:
    if member.size > MAX_FILE or member.issparse():
        return f"{member.size} bytes, more than {MAX_FILE}, or with holes"
    stream = archive.extractfile(member)
    content = stream.read() if stream else b""
    if len(content) != member.size:
        raise tarfile.ReadError("unexpected end of data")
    return content


def _refuse_leaving(name: str, file: Path) -> None:
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise InputError(
            f"{file}: member {printable(name[:80])!r} leaves the archive: make it again without"
        )


def _label(content: bytes | str, ending: str) -> object:
    """The whole number in a label member, or what is there in place of it."""
    if isinstance(content, str) or len(content) > MAX_LABEL:
        return "too long"
    if ending == "cls":
        text = content.decode(errors="replace").strip()
        return int(text) if re.fullmatch("[0-9]{1,9}", text) else text
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return "no JSON"
    if isinstance(said, dict):
        said = next((said[key] for key in KEYS if key in said), None)
    return int(said) if isinstance(said, float) and said.is_integer() else said
