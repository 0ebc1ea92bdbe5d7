"""One exception root. Every message says what was wrong, where, and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class BackburnError(Exception):
    """Root of everything that backburn raises on purpose."""


class InputError(BackburnError, ValueError):
    """The user's input cannot be used: a path, a file, a label, a setting, a model."""


def unknown_name(kind: str, name: str, known: Iterable[str], where: str = "") -> InputError:
    """The error for a name that nothing answers to; it offers the nearest known one."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.4)
    place = f" in {where}" if where else ""
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names) or 'none'}"
    return InputError(f"unknown {kind} {name!r}{place}: {hint}")


def first_line(error: BaseException) -> str:
    """What somebody else's error says, in at most one short line."""
    text = str(error).strip()
    return text.splitlines()[0][:160] if text else type(error).__name__
