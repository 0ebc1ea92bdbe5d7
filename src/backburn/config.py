"""Hyperparameters from TOML and from `--set name=value`, laid over an object's own."""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import msgspec
import tomli_w

from .errors import BackburnError, InputError, first_line, nearest_names, printable

T = TypeVar("T")
LIST = "list"


class SettingsListedError(BackburnError):
    """Somebody asked for all settings with their values.

    Attributes:
        toml: the settings. The message itself has no line breaks.
    """

    def __init__(self, toml: str) -> None:
        super().__init__(toml)
        self.toml = toml


class UnknownSettingError(InputError):
    """A name is no setting; the message offers the nearest ones."""


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
    try:
        return _configure(default, file, settings)
    except UnknownSettingError as error:
        separator = " " if str(error).endswith("?") else ": "
        advice = f"--set {LIST} shows all with their values"
        raise InputError(f"{error}{separator}{advice}") from error


def _configure(default: T, file: str | Path | None, settings: Sequence[str]) -> T:
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
        raise InputError(f"{where}: {_in_table(str(error), prefix)}") from error


def _in_table(message: str, prefix: str) -> str:
    """The message with the name of its table, if it doesn't say it already.

    >>> _in_table("epochs is 0", "recipe.training.")
    '[recipe.training] epochs is 0'
    """
    return message if message.startswith(prefix) else f"[{prefix.rstrip('.')}] {message}"


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
        remedy = _choices(hint) or error
        raise InputError(f"{dotted} in {where} is {value!r}: {remedy}") from None


def _choices(hint: Any) -> str:
    """What can be given for a type of a few words, as `give 'fast' or 'full'`; empty for others."""
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    words = [repr(word) for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]
    if not words or not all(kind is bool or get_origin(kind) is Literal for kind in kinds):
        return ""
    return f"give {' or '.join([*(['true', 'false'] if bool in kinds else []), *words])}"


def _value(text: str) -> Any:
    try:
        # .5 and -.5 are numbers to people, but not to TOML
        number = re.sub(r"^([+-]?)\.", r"\g<1>0.", text)
        return msgspec.toml.decode(f"value = {number}")["value"]
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return text


def _unknown(name: str, known: Iterator[str], where: str) -> InputError:
    """The error for a name that is no setting; it offers the nearest ones."""
    near = nearest_names(name, known)
    meant = f": did you mean {' or '.join(map(repr, near))}?" if near else ""
    return UnknownSettingError(f"unknown setting {printable(name)!r} in {where}{meant}")


def _known(default: Any, prefix: str) -> Iterator[str]:
    for name in (f.name for f in dataclasses.fields(default)):
        yield prefix + name
        if dataclasses.is_dataclass(getattr(default, name)):
            yield from _known(getattr(default, name), f"{prefix}{name}.")
