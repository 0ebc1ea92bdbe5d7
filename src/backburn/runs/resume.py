"""What an unfinished run was begun with: it goes on with the same, and with nothing else."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..errors import InputError
from .atomic import write_whole
from .json_text import from_json, to_json
from .paths import BEGUN, LOCK, work_of
from .records import versions
from .safe_files import own


@dataclass(frozen=True, slots=True)
class Begun:
    """What a run was begun with.

    Args:
        line: the command line that goes on with it.
        arguments: what it said, by name.
        made_of: digests of what it read, by name; empty until it has.
    """

    command: str
    line: tuple[str, ...]
    arguments: dict[str, Any]
    made_of: dict[str, str]
    versions: dict[str, str]
    threads: int
    created: str

    def shown(self) -> str:
        """The command line, as a shell takes it; a stranger's could be any command."""
        return shlex.join(self.line) if self.line[:1] == ("backburn",) else "no command of ours"


def begin(command: str, line: tuple[str, ...], arguments: Mapping[str, Any]) -> Begun:
    """A run that begins now, of the arguments that are said; plain values."""
    import torch  # a list of runs is shown without it

    said = {name: value for name, value in arguments.items() if not _unsaid(value)}
    plain = from_json(to_json(said), dict)
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return Begun(command, line, plain, {}, versions(), torch.get_num_threads(), now)


def _unsaid(value: object) -> bool:
    return value is None or value is False or value in ((), [])


def lock_of(path: Path) -> Path:
    """The lock on a run that is not finished."""
    return work_of(path) / LOCK


def read_begun(path: Path) -> Begun | None:
    """What the run that will be at `path` was begun with; None where that is not known."""
    try:
        work = work_of(path)
        return from_json(own(work.parent, f"{work.name}/{BEGUN}").read_bytes(), Begun)
    except (OSError, ValueError):  # of which an InputError is one
        return None


def write_begun(path: Path, begun: Begun) -> None:
    """Put it into the run's work folder.

    Raises:
        InputError: it cannot be written.
    """
    write_whole(work_of(path) / BEGUN, to_json(begun))


def unfinished(folder: Path) -> Iterator[tuple[Path, Begun]]:
    """The runs in a folder that keep their work still, oldest first."""
    found = []
    for work in folder.glob(".*-work"):
        path = work.with_name(work.name[1:].removesuffix("-work"))
        begun = read_begun(path)
        if begun is not None:
            found.append((path, begun))
    yield from sorted(found, key=lambda pair: pair[1].created)


def goes_on(path: Path, before: Begun, now: Begun) -> tuple[str, ...]:
    """What is to be said of a run that goes on with other versions than it was begun with.

    Raises:
        InputError: it was begun with another command, or with other arguments.
    """
    ours = {"command": now.command, **now.arguments}
    theirs = {"command": before.command, **before.arguments}
    for name in sorted({*ours, *theirs}):
        if ours.get(name) != theirs.get(name):
            was, wanted = (_said(each.get(name)) for each in (theirs, ours))
            raise InputError(
                f"{path} was begun with {name} {was}, now {wanted}: {_begin_anew(path)}"
            )
    lines = [
        f"{path} was begun with {name} {before.versions.get(name, 'not installed')}, now {version}"
        for name, version in now.versions.items()
        if before.versions.get(name) != version
    ]
    if before.threads != now.threads:
        lines.append(f"{path} was begun with {before.threads} threads, now {now.threads}")
    return tuple(lines)


def check_made_of(path: Path, before: Begun, made_of: Mapping[str, str]) -> None:
    """See that what a run is made of is what it was.

    Raises:
        InputError: images, a model or settings that have changed since.
    """
    if not before.made_of:
        return
    for name in sorted({*before.made_of, *made_of}):
        if before.made_of.get(name) != made_of.get(name):
            raise InputError(
                f"the {name} of {path} changed since it was begun: {_begin_anew(path)}"
            )


def _begin_anew(path: Path) -> str:
    return f"give another --out, or delete {work_of(path)} to begin anew"


def _said(value: object) -> str:
    return "nothing" if value is None else repr(value)
