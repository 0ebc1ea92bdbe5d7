"""`backburn ls`: the runs in a folder."""

import click

from . import options

COLUMNS = ("command", "created", "verdict", "suspects", "ACC", "ASR")
NARROW = 80
"""Columns of a terminal below which lines wrap as they may."""


@click.command("ls", short_help="List runs.")
@click.argument("folder", default="runs")
@options.as_json
def command(folder: str, as_json: bool) -> int:
    """List the runs in FOLDER (default: runs), oldest first; unfinished ones with what goes on."""
    from pathlib import Path

    from rich.markup import escape
    from rich.table import Table

    from ..errors import InputError
    from ..report.next_steps import command_line, next_steps
    from ..report.phrases import per_cent
    from ..runs import RECORD, read_record, table_in
    from ..runs.lock import is_claimed
    from ..runs.resume import lock_of, unfinished
    from ..services.terminal import print_json, screen
    from .output import print_next

    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"no folder {root}: give the folder that your runs are in")
    found = (path.parent for path in root.glob(f"*/{RECORD}") if path.parent.name[0] != ".")
    paths = [root] if (root / RECORD).is_file() else sorted(found)
    records = sorted(((read_record(p), p) for p in paths), key=lambda pair: pair[0].created)
    begun = [(path, each) for path, each in unfinished(root) if path not in paths]
    if as_json:
        print_json(
            [
                *({"run": str(path), "record": record} for record, path in records),
                *({"run": str(path), "unfinished": each} for path, each in begun),
            ]
        )
        return 0
    table = Table("run", *COLUMNS, box=None, pad_edge=False)
    table.columns[0].overflow = "fold"  # a path that is cut off is of no use
    for column in table.columns[1:]:
        column.no_wrap = True
    for record, path in records:
        verdict = table_in(record.metrics, "verdict")
        scores = table_in(record.metrics, "after") or record.metrics
        cells = (scores.get(key) for key in ("acc", "asr"))
        table.add_row(
            escape(str(path)),
            escape(record.command),
            escape(record.created[:16].replace("T", " ")),
            escape(str(verdict.get("state", "-"))),
            escape(str(verdict.get("suspects", "-"))),
            *(per_cent(value) if isinstance(value, float) else "-" for value in cells),
        )
    console = screen()
    if not console.is_terminal or console.width < NARROW:
        console.width = 1000  # a path that is cut off is of no use
    console.print(table if records else escape(f"no runs in {root}"))
    for path, each in begun:
        state = "under way" if is_claimed(lock_of(path)) else f"to go on: {each.shown()}"
        line = f"{path}: not finished, begun {each.created}; {state}"
        console.print(line, markup=False, soft_wrap=True)
    if records:
        record, path = records[-1]
        print_next(*next_steps(record, str(path)))
    elif not begun:
        print_next(("the whole chain on handwritten digits", command_line("demo")))
    return 0
