"""Safe output to a terminal: control characters of untrusted files are escaped."""

import sys
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from ..errors import printable
from ..runs import to_json


def escape_unprintable(text: str) -> str:
    r"""The text with every unprintable character escaped, except line breaks.

    >>> print(escape_unprintable("a\x1b[31mb"))
    a\x1b[31mb
    """
    return "\n".join(map(printable, text.split("\n")))


class SafeConsole(Console):
    """A rich console that escapes unprintable characters in texts and tables."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Escape a text before it is rendered; all output passes here."""
        return super().render_str(escape_unprintable(text), **options)


def safe_console(error: bool = False) -> SafeConsole:
    """A console on stdout, or on stderr if `error`."""
    return SafeConsole(stderr=error, highlight=False)


def echo(text: str, error: bool = False) -> None:
    """Print lines as they are, without markup."""
    click.echo(escape_unprintable(text), err=error)


def print_json(value: Any) -> None:
    """Print a value as JSON on stdout, without the control characters beyond ASCII."""
    text = to_json(value).decode()
    escapes = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029)}
    sys.stdout.write(text.translate(escapes))
