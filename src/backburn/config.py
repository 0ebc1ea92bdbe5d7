"""Hyperparameters from TOML and from `--set name=value`, laid over an object's own."""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

import msgspec
import tomli_w

from .errors import BackburnError, InputError, first_line, nearest_names, printable

T = TypeVar("T")
LIST = "list"


class SettingsListedError(BackburnError):
    """Somebody asked for all settings with their values: the message is TOML."""


def configure(default: T, file: str | Path | None = None, settings: Sequence[str] = ()) -> T:
    """A copy of a (nested) dataclass with the values of a TOML file and of `name=value` settings.

    Args:
        default: its fields are the known names, its values hold where nothing else is said.
        file: TOML; a nested dataclass is a table.
        settings: `training.epochs=5`; the value is read as TOML, and as text where it is none.
    Raises:
        InputError: an unknown name (with the nearest known ones), a wrong type, a bad value.
        SettingsListedError: one of the settings is the word `list`.
    """
    if LIST in settings:
        raise SettingsListedError(to_toml(default).decode())
    if file is not None:
        default = overlay(default, read_toml(Path(file)), str(file))
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise InputError(f"--set {setting}: give it as name=value")
        value: Any = _value(text.strip())
        *tables, leaf = name.strip().split(".")
        nested = {leaf: value}
        for table in reversed(tables):
            nested = {table: nested}
        default = overlay(default, nested, "--set")
    return default


def overlay(default: T, values: Mapping[str, Any], where: str, prefix: str = "") -> T:
    """A copy of a dataclass with some fields replaced; `where` names the source in errors."""
    kind = type(default)
    hints, changes = get_type_hints(kind), {}
    for name, value in values.items():
        dotted = prefix + name
        if name not in {f.name for f in dataclasses.fields(cast(Any, default))}:
            raise _unknown(dotted, _known(default, prefix), where)
        current = getattr(default, name)
        if dataclasses.is_dataclass(current):
            if not isinstance(value, Mapping):
                raise InputError(f"{dotted} in {where} is a table: set one of its values")
            changes[name] = overlay(current, value, where, f"{dotted}.")
        else:
            changes[name] = _convert(value, hints[name], dotted, where)
    try:
        return cast(T, dataclasses.replace(cast(Any, default), **changes))
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def to_toml(value: Any) -> bytes:
    """The fields of a (nested) dataclass as TOML, which `configure` reads back."""
    return tomli_w.dumps(dataclasses.asdict(value)).encode()


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        InputError: no such file, or not TOML.
    """
    try:
        return cast(dict[str, Any], msgspec.toml.decode(path.read_bytes()))
    except FileNotFoundError:
        raise InputError(f"no config file at {path}: give a .toml file") from None
    except (msgspec.MsgspecError, ValueError, RecursionError, OSError) as error:
        raise InputError(f"{path} is not TOML: {first_line(error)}") from error


def _convert(value: Any, hint: Any, dotted: str, where: str) -> Any:
    try:
        return msgspec.convert(value, type=hint)
    except msgspec.ValidationError as error:
        raise InputError(f"{dotted} in {where} is {value!r}: {error}") from None


def _value(text: str) -> Any:
    try:
        # .5 and -.5 are numbers to people, but not to TOML
        number = re.sub(r"^([+-]?)\.", r"\g<1>0.", text)
        return msgspec.toml.decode(f"value = {number}")["value"]
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return text


def _unknown(name: str, known: Iterator[str], where: str) -> InputError:
    """The nearest names, and how to see all."""
    near = nearest_names(name, known)
    meant = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return InputError(
        f"unknown setting {printable(name)!r} in {where}: {meant}--set {LIST} shows all with their "
        "values"
    )


def _known(default: Any, prefix: str) -> Iterator[str]:
    for name in (f.name for f in dataclasses.fields(default)):
        yield prefix + name
        if dataclasses.is_dataclass(getattr(default, name)):
            yield from _known(getattr(default, name), f"{prefix}{name}.")
