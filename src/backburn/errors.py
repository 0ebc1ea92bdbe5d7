"""One exception root. Every message says what was wrong, where, and what to do."""

import errno
from collections.abc import Iterable
from difflib import get_close_matches

REMEDIES = {
    errno.ENOSPC: "free some room",
    errno.EDQUOT: "free some of your quota",
    errno.EFBIG: "raise the limit for the size of a file (ulimit -f)",
    errno.EROFS: "name a place that can be written to",
    errno.EACCES: "give yourself the right to, or name another place",
    errno.EPERM: "give yourself the right to, or name another place",
    errno.EMFILE: "raise the limit for open files (ulimit -n)",
    errno.ENAMETOOLONG: "give a shorter path",
}
"""What a person can do where the system refuses; the same command may be given again then."""


class BackburnError(Exception):
    """Root of everything that backburn raises on purpose; what it says can be printed anywhere."""

    def __init__(self, message: str = ""):
        super().__init__(printable(message))


class InputError(BackburnError, ValueError):
    """The user's input cannot be used: a path, a file, a label, a setting, a model."""


def unknown_name(kind: str, name: str, known: Iterable[str], where: str = "") -> InputError:
    """The error for a name that nothing answers to; it offers the nearest known one."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.4)
    place = f" in {where}" if where else ""
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names) or 'none'}"
    return InputError(f"unknown {kind} {name[:80]!r}{place}: {hint}")


def missing_extra(what: str, package: str, extra: str) -> InputError:
    """The error for what needs a package that is not installed, with the line that installs it."""
    return InputError(f"{what} needs {package}: pip install 'backburn[{extra}]'")


def nearest_names(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known names most like this one, the nearest first."""
    names = sorted(known)
    by_end = [each for each in names if each.rpartition(".")[2] == name.rpartition(".")[2]]
    return list(dict.fromkeys([*by_end, *get_close_matches(name, names, count, 0.4)]))[:count]


def first_line(error: BaseException) -> str:
    """What somebody else's error says, in at most one short line."""
    text = str(error).strip()
    return text.splitlines()[0][:160] if text else type(error).__name__


def system_line(error: OSError) -> str:
    """What the system refused, where, and what to do, in one line."""
    where = f"{error.filename}: " if isinstance(error.filename, str) else ""
    what = error.strerror or first_line(error)
    remedy = REMEDIES.get(error.errno or 0, "mend that")
    return f"{where}{what}: {remedy}, and give the same command again"


def printable(text: str) -> str:
    """A stranger's name or message on one line: what cannot be printed is escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
