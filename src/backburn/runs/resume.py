"""The manifest of an unfinished run, and the checks before it is resumed."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..errors import InputError
from .atomic import write_atomic
from .json_text import from_json, to_json
from .paths import LOCK, MANIFEST, work_folder
from .records import package_versions
from .safe_files import path_in_run


@dataclass(frozen=True, slots=True)
class RunManifest:
    """What a run was started with; its JSON is `begun.json` in the work folder.

    Args:
        command: name of the CLI command.
        line: command line that resumes the run.
        arguments: of the command line, by name, without unset ones.
        made_of: digests of the inputs, by name; empty until these are read.
        versions: of Python and the packages that results depend on.
        threads: of torch.
        created: ISO 8601 time in UTC.
    """

    command: str
    line: tuple[str, ...]
    arguments: dict[str, Any]
    made_of: dict[str, str]
    versions: dict[str, str]
    threads: int
    created: str

    def shell_command(self) -> str:
        """The command line quoted for a shell.

        An untrusted manifest could name any program, so only `backburn` is shown.
        """
        return shlex.join(self.line) if self.line[:1] == ("backburn",) else "no command of ours"


def new_manifest(command: str, line: tuple[str, ...], arguments: Mapping[str, Any]) -> RunManifest:
    """The manifest of a run that starts now; unset arguments are left out."""
    import torch  # heavy, and not needed to list runs

    is_set = {name: value for name, value in arguments.items() if not _is_unset(value)}
    plain = from_json(to_json(is_set), dict)  # comparable with what is read back
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return RunManifest(command, line, plain, {}, package_versions(), torch.get_num_threads(), now)


def _is_unset(value: object) -> bool:
    return value is None or value is False or value in ((), [])


def lock_path(path: Path) -> Path:
    """The lock file of an unfinished run."""
    return work_folder(path) / LOCK


def read_manifest(path: Path) -> RunManifest | None:
    """Read the manifest of the unfinished run `path`; None if there is none, or it is damaged."""
    try:
        work = work_folder(path)
        return from_json(
            path_in_run(work.parent, f"{work.name}/{MANIFEST}").read_bytes(), RunManifest
        )
    except (OSError, ValueError):  # InputError is a ValueError
        return None


def write_manifest(path: Path, manifest: RunManifest) -> None:
    """Write a manifest into the work folder of the run `path`.

    Raises:
        InputError: the file cannot be written.
    """
    write_atomic(work_folder(path) / MANIFEST, to_json(manifest))


def unfinished_runs(folder: Path) -> Iterator[tuple[Path, RunManifest]]:
    """Unfinished runs in a folder with their manifests, oldest first."""
    runs = []
    for work in folder.glob(".*-work"):
        path = work.with_name(work.name[1:].removesuffix("-work"))
        manifest = read_manifest(path)
        if manifest is not None:
            runs.append((path, manifest))
    yield from sorted(runs, key=lambda pair: pair[1].created)


def check_resumable(path: Path, before: RunManifest, now: RunManifest) -> tuple[str, ...]:
    """Refuse to resume a run with another command line; warnings about other versions.

    Raises:
        InputError: the run was started with another command, or with other arguments.
    """
    arguments_now = {"command": now.command, **now.arguments}
    arguments_before = {"command": before.command, **before.arguments}
    for name in sorted({*arguments_now, *arguments_before}):
        if arguments_now.get(name) != arguments_before.get(name):
            was = _quoted(arguments_before.get(name))
            wanted = _quoted(arguments_now.get(name))
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


def check_digests(path: Path, before: RunManifest, made_of: Mapping[str, str]) -> None:
    """Refuse to resume if the model, the images or the settings changed.

    Raises:
        InputError: a digest differs from the manifest's.
    """
    if not before.made_of:
        return
    for name in sorted({*before.made_of, *made_of}):
        if before.made_of.get(name) != made_of.get(name):
            raise InputError(
                f"the {name} of {path} changed since it was begun: {_begin_anew(path)}"
            )


def _begin_anew(path: Path) -> str:
    return f"give another --out, or delete {work_folder(path)} to begin anew"


def _quoted(value: object) -> str:
    return "nothing" if value is None else repr(value)
