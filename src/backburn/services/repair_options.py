"""The options of a repair, completed from the run that it starts from.

The run may be untrusted. It can choose neither code to import, nor downloads, nor paths to write.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import msgspec

from ..attacks.victim_folder import is_victim
from ..burn.interface import Unlearning
from ..errors import InputError, first_line
from ..registry import METHODS
from ..runs import RECORD, path_in_run, read_record
from .case_options import CaseOptions

CONFIG_FILE = "config.toml"
NETWORK_LIBRARIES = ("timm", "torchvision")
"""Prefixes of architectures that are not the user's own code."""
OVERRIDES = ("model", "arch", "cache", "trust", "base", "witness", "witness_arch")
"""Options that may be given together with a run."""
WATCHED_DIGESTS = ("model", "images")
"""Digests that the record of a run keeps."""


@dataclass(frozen=True, slots=True)
class RepairOptions:
    """The options of a repair; None if unset.

    Args:
        case: model and images, or the run to repair.
        seed: of the repair.
        test: source of clean test images.
        holdout: source of clean training images.
        method: name of the method.
        config: TOML file of its hyperparameters.
        run: path of the run that the options were completed from.
    """

    case: CaseOptions
    seed: int | None = None
    test: str | None = None
    holdout: str | None = None
    method: str | None = None
    config: str | None = None
    run: str | None = None


@dataclass(frozen=True, slots=True)
class _RecordedOptions:
    """The options in a record, beside the case."""

    test: str | None = None
    holdout: str | None = None
    method: str = "default"


def is_run_folder(case: CaseOptions) -> bool:
    """Whether the options name a run, and neither a victim's folder nor model and images."""
    folder = Path(case.model)
    return case.data is None and (folder / RECORD).is_file() and not is_victim(folder)


def resolve_options(options: RepairOptions) -> RepairOptions:
    """Complete the options: from the run if they name one, else by defaults.

    Options that are set take precedence over those of the run.

    Raises:
        InputError: a run of another command, or options that would change its case.
    """
    if not is_run_folder(options.case):
        return replace(options, seed=options.seed or 0, method=options.method or "default")
    run = Path(options.case.model)
    record = read_record(run)
    if record.command not in ("audit", "repair"):
        raise InputError(f"{run} is a run of {record.command}: give a run of audit or repair")
    if record.arguments.get("in_memory"):
        raise InputError(
            f"{run} looked at a model or images in memory: call backburn.repair there, or give "
            "MODEL and DATA"
        )
    refused = [name for name in options.case.set_options() if name not in OVERRIDES]
    if refused := [f"--{name.replace('_', '-')}" for name in refused]:
        raise InputError(f"{run} says itself what it looked at: leave out {' and '.join(refused)}")
    try:
        case = msgspec.convert(_fields_of(CaseOptions, record.arguments), CaseOptions)
        recorded = msgspec.convert(_fields_of(_RecordedOptions, record.arguments), _RecordedOptions)
    except msgspec.ValidationError as error:
        raise InputError(f"{run / RECORD} cannot be read: {first_line(error)}") from error
    given = options.case
    case = replace(
        case,
        arch=given.arch or case.arch,
        cache=given.cache,
        trust=given.trust,
        base=given.base or case.base,
        witness=given.witness or case.witness,
        witness_arch=given.witness_arch or case.witness_arch,
    )
    _check_untrusted(run, case, recorded, options)
    method = options.method or recorded.method
    config = path_in_run(run, CONFIG_FILE)
    recorded_config = str(config) if method == recorded.method and config.is_file() else None
    return RepairOptions(
        case,
        seed=record.seed if options.seed is None else options.seed,
        test=options.test or recorded.test,
        holdout=options.holdout or recorded.holdout,
        method=method,
        config=options.config or recorded_config,
        run=str(run),
    )


def recorded_method(options: RepairOptions) -> Unlearning:
    """The method of the options, with its default hyperparameters."""
    return METHODS.named(options.method or "default")()


def changes_since(run: str | None, made_of: Mapping[str, str]) -> tuple[str, ...]:
    """Notes about what changed since a run looked at the case.

    Args:
        run: path of the run; None gives no notes.
        made_of: digests of the case as it is now, by name.
    """
    before = read_record(Path(run)).arguments.get("made_of") if run is not None else None
    if not isinstance(before, dict):
        return ()
    return tuple(
        f"{name} changed since {run} looked at the case"
        for name, digest in made_of.items()
        if name in WATCHED_DIGESTS and before.get(name, digest) != digest
    )


def _check_untrusted(
    run: Path, case: CaseOptions, recorded: _RecordedOptions, options: RepairOptions
) -> None:
    """Refuse code and downloads that only the run names, and values no command would accept.

    Raises:
        InputError: the run names one of these.
    """
    given = options.case
    for option, name, own_name in (
        ("--arch", case.arch, given.arch),
        ("--witness-arch", case.witness_arch, given.witness_arch),
    ):
        kind, colon, _ = (name or "").partition(":")
        if colon and kind not in NETWORK_LIBRARIES and own_name is None:
            raise InputError(f"{run} names code to import: if it is yours, give {option} {name}")
    for option, name, own_name in (
        ("--base", case.base, given.base),
        ("--witness", case.witness, given.witness),
    ):
        if name and own_name is None and name.partition(":")[0] in (*NETWORK_LIBRARIES, "hf"):
            raise InputError(f"{run} names a download: if it is yours, give {option} {name}")
    test = None if options.test else recorded.test
    holdout = None if options.holdout else recorded.holdout
    paths = (case.model, case.data, test, holdout)
    if downloads := [path for path in paths if path and path.startswith("hf:")]:
        raise InputError(
            f"{run} names a download, {downloads[0]}: give MODEL and DATA in place of the run"
        )
    if case.max_images is not None and case.max_images < 1:
        raise InputError(f"{run / RECORD} cannot be read: max_images is {case.max_images}")


def _fields_of(dataclass: type, arguments: dict[str, object]) -> dict[str, object]:
    """The arguments that are fields of a dataclass."""
    names = {field.name for field in fields(dataclass)}
    return {name: value for name, value in arguments.items() if name in names}
