"""The one way to a screen: what a stranger's file says is shown there, and obeyed by nothing."""

import sys
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from ..errors import printable
from ..runs import to_json


def visible(text: str) -> str:
    """Lines in which what cannot be printed is escaped."""
    return "\n".join(map(printable, text.split("\n")))


class Screen(Console):
    """A console that shows every text, and whatever tables are made of, as `visible`."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Where all that is printed passes."""
        return super().render_str(visible(text), **options)


def screen(error: bool = False) -> Screen:
    """Standard output, or with `error` the other one."""
    return Screen(stderr=error, highlight=False)


def say(text: str, error: bool = False) -> None:
    """Lines, and no markup in them."""
    click.echo(visible(text), err=error)


def print_json(value: Any) -> None:
    """One JSON object on stdout; to some terminals a few letters beyond ASCII are orders, too."""
    text = to_json(value).decode()
    orders = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029)}
    sys.stdout.write(text.translate(orders))
