"""Repairing what a run has looked at: its case, its seed and its hyperparameters.

The run may be a stranger's: what is in it neither names code to import, nor what is downloaded, nor
where something is written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import msgspec

from ..attacks.victim_folder import is_victim
from ..burn.interface import Unlearning
from ..errors import InputError, first_line
from ..registry import method_named
from ..runs import RECORD, own, read_record
from .case_options import Given

CONFIG = "config.toml"
NETWORKS = ("timm", "torchvision")
"""What stands before a colon in the name of a network that is no code of one's own."""

OWN = ("model", "arch", "cache", "trust", "base", "witness", "witness_arch")
"""What is said beside a run; all but the case itself is never taken from it."""
WATCHED = ("model", "images")
"""What a run remembers the digests of."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command line, or the record of a run, says of a repair; None is not said.

    `run`: the run that it goes by.
    """

    given: Given
    seed: int | None = None
    test: str | None = None
    holdout: str | None = None
    method: str | None = None
    config: str | None = None
    run: str | None = None


@dataclass(frozen=True, slots=True)
class _Told:
    """What a record has beside the case."""

    test: str | None = None
    holdout: str | None = None
    method: str = "default"


def is_run(given: Given) -> bool:
    """Whether it is a run's folder, and neither a victim's nor a model that lies in one."""
    folder = Path(given.model)
    return given.data is None and (folder / RECORD).is_file() and not is_victim(folder)


def again(asked: Asked) -> Asked:
    """The same of a case as it is; of a run, what it looked at, where nothing else is said.

    Raises:
        InputError: a run of another kind, or options that would make it another case.
    """
    if not is_run(asked.given):
        return replace(asked, seed=asked.seed or 0, method=asked.method or "default")
    run = Path(asked.given.model)
    record = read_record(run)
    if record.command not in ("audit", "repair"):
        raise InputError(f"{run} is a run of {record.command}: give a run of audit or repair")
    if record.arguments.get("in_memory"):
        raise InputError(
            f"{run} looked at a model or images in memory: call backburn.repair there, or give "
            "MODEL and DATA"
        )
    more = [name for name in asked.given.said() if name not in OWN]
    if more := [f"--{name.replace('_', '-')}" for name in more]:
        raise InputError(f"{run} says itself what it looked at: leave out {' and '.join(more)}")
    try:
        case = msgspec.convert(_of(Given, record.arguments), Given)
        told = msgspec.convert(_of(_Told, record.arguments), _Told)
    except msgspec.ValidationError as error:
        raise InputError(f"{run / RECORD} cannot be read: {first_line(error)}") from error
    given = asked.given
    case = replace(
        case,
        arch=given.arch or case.arch,
        cache=given.cache,
        trust=given.trust,
        base=given.base or case.base,
        witness=given.witness or case.witness,
        witness_arch=given.witness_arch or case.witness_arch,
    )
    _check_stranger(run, case, told, asked)
    method = asked.method or told.method
    config = own(run, CONFIG)
    settings = str(config) if method == told.method and config.is_file() else None
    return Asked(
        case,
        record.seed if asked.seed is None else asked.seed,
        asked.test or told.test,
        asked.holdout or told.holdout,
        method,
        asked.config or settings,
        str(run),
    )


def method_of(asked: Asked) -> Unlearning:
    """The method that a run was made by, before its settings are laid over it."""
    return method_named(asked.method or "default")()


def changed_since(run: str | None, made_of: Mapping[str, str]) -> tuple[str, ...]:
    """What is to be said where the case is not what a run looked at any more.

    Args:
        made_of: digests of what there is now, by name.
    """
    before = read_record(Path(run)).arguments.get("made_of") if run is not None else None
    if not isinstance(before, dict):
        return ()
    return tuple(
        f"{name} changed since {run} looked at the case"
        for name, digest in made_of.items()
        if name in WATCHED and before.get(name, digest) != digest
    )


def _check_stranger(run: Path, case: Given, told: _Told, asked: Asked) -> None:
    """What only the user may name, and what a command line would have refused."""
    own = asked.given
    for option, name, said in (
        ("--arch", case.arch, own.arch),
        ("--witness-arch", case.witness_arch, own.witness_arch),
    ):
        kind, colon, _ = (name or "").partition(":")
        if colon and kind not in NETWORKS and said is None:
            raise InputError(f"{run} names code to import: if it is yours, give {option} {name}")
    for option, name, said in (
        ("--base", case.base, own.base),
        ("--witness", case.witness, own.witness),
    ):
        if name and said is None and name.partition(":")[0] in (*NETWORKS, "hf"):
            raise InputError(f"{run} names a download: if it is yours, give {option} {name}")
    beside = (None if asked.test else told.test, None if asked.holdout else told.holdout)
    paths = (case.model, case.data, *beside)
    if fetched := [path for path in paths if path and path.startswith("hf:")]:
        raise InputError(
            f"{run} names a download, {fetched[0]}: give MODEL and DATA in place of the run"
        )
    if case.max_images is not None and case.max_images < 1:
        raise InputError(f"{run / RECORD} cannot be read: max_images is {case.max_images}")


def _of(kind: type, arguments: dict[str, object]) -> dict[str, object]:
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in arguments.items() if name in names}
