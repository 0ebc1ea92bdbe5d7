"""`backburn ls`: the runs in a folder."""

import click

from . import options

COLUMNS = ("command", "created", "verdict", "suspects", "ACC", "ASR")
NARROW_TERMINAL = 80
"""Columns of a terminal below which the table is not fitted to its width."""


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
    from ..report.phrases import format_percent
    from ..runs import RECORD, dict_in, read_record
    from ..runs.lock import is_locked
    from ..runs.resume import lock_path, unfinished_runs
    from ..services.terminal_escapes import print_json, safe_console
    from .output import print_next

    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"no folder {root}: give the folder that your runs are in")
    folders = (path.parent for path in root.glob(f"*/{RECORD}") if path.parent.name[0] != ".")
    paths = [root] if (root / RECORD).is_file() else sorted(folders)
    records = sorted(((read_record(p), p) for p in paths), key=lambda pair: pair[0].created)
    unfinished = [(path, run) for path, run in unfinished_runs(root) if path not in paths]
    if as_json:
        print_json(
            [
                *({"run": str(path), "record": record} for record, path in records),
                *({"run": str(path), "unfinished": run} for path, run in unfinished),
            ]
        )
        return 0
    table = Table("run", *COLUMNS, box=None, pad_edge=False)
    table.columns[0].overflow = "fold"  # a truncated path cannot be pasted
    for column in table.columns[1:]:
        column.no_wrap = True
    for record, path in records:
        verdict = dict_in(record.metrics, "verdict")
        scores = dict_in(record.metrics, "after") or record.metrics
        cells = (scores.get(key) for key in ("acc", "asr"))
        table.add_row(
            escape(str(path)),
            escape(record.command),
            escape(record.created[:16].replace("T", " ")),
            escape(str(verdict.get("state", "-"))),
            escape(str(verdict.get("suspects", "-"))),
            *(format_percent(value) if isinstance(value, float) else "-" for value in cells),
        )
    console = safe_console()
    if not console.is_terminal or console.width < NARROW_TERMINAL:
        console.width = 1000  # a truncated path cannot be pasted
    console.print(table if records else escape(f"no runs in {root}"))
    for path, run in unfinished:
        state = "under way" if is_locked(lock_path(path)) else f"to go on: {run.shell_command()}"
        line = f"{path}: not finished, begun {run.created}; {state}"
        console.print(line, markup=False, soft_wrap=True)
    if records:
        record, path = records[-1]
        print_next(*next_steps(record, str(path)))
    elif not unfinished:
        print_next(("the whole chain on handwritten digits", command_line("demo")))
    return 0
