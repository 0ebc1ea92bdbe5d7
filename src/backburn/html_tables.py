"""Small HTML tables that show a record in a notebook; every cell is escaped text."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

Facts = Iterable[tuple[str, Any]]
MAX_ROWS = 20
"""Most rows that a table shows; it counts the others."""


class HtmlRecord:
    """A record that a notebook shows as a table of its `facts`."""

    __slots__ = ()

    def facts(self) -> Facts:
        """Names and values, the most important first."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return facts_table(type(self).__name__, self.facts())


def facts_table(title: str, facts: Facts) -> str:
    """A table with one row per fact; a list of rows becomes a table of its own below."""
    small: list[tuple[str, Any]] = []
    large: list[tuple[str, Any]] = []
    for name, value in facts:
        inner = value.items() if isinstance(value, Mapping) else ()
        large += [(f"{name}: {key}", held) for key, held in inner if _is_table(held)]
        (large if _is_table(value) else small).append((name, value))
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left">{to_text(name)}</th>'
        f'<td style="text-align:left">{to_text(value)}</td></tr>'
        for name, value in small
    )
    return _table(title, rows) + "".join(rows_table(name, held) for name, held in large)


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)


def rows_table(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """A table of rows, with the columns of the first one."""
    columns = tuple(rows[0]) if rows else ()
    head = "".join(f'<th scope="col">{to_text(name)}</th>' for name in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{to_text(row.get(name))}</td>' for name in columns)}</tr>"
        for row in rows[:MAX_ROWS]
    )
    more = f", {len(rows) - MAX_ROWS} more" if len(rows) > MAX_ROWS else ""
    return _table(f"{title}{more}", f"<tr>{head}</tr>{body}")


def _table(title: str, rows: str) -> str:
    return f'<table><caption style="text-align:left">{to_text(title)}</caption>{rows}</table>'


def to_text(value: Any) -> str:
    """A value as escaped text: floats short, tuples with commas, nothing as a dash.

    Empty values and tables within a mapping are left out.
    """
    if isinstance(value, Mapping):
        held = {k: v for k, v in value.items() if v not in EMPTY and not _is_table(v)}
        value = "; ".join(f"{name} {_plain(each)}" for name, each in held.items())
    return escape(_plain(value))


EMPTY: tuple[Any, ...] = (None, "", (), [])


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return "-" if value != value else f"{value:.4g}"  # noqa: PLR0124  NaN is not itself
    if isinstance(value, (tuple, list)):
        value = ", ".join(map(_plain, value))
    return "-" if value in EMPTY else str(value)
