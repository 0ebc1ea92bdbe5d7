"""`backburn ls`: the runs in a folder."""

import click

from . import options


@click.command("ls", short_help="List runs.")
@click.argument("folder", default="runs")
@options.as_json
def command(folder: str, as_json: bool) -> int:
    """List the runs in FOLDER (default: runs), oldest first."""
    from pathlib import Path

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from ..errors import InputError
    from ..report.words import per_cent
    from ..runs import RECORD, read_record
    from .screen import print_json

    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"no folder {root}: give the folder that your runs are in")
    paths = (
        [root] if (root / RECORD).is_file() else sorted(p.parent for p in root.glob(f"*/{RECORD}"))
    )
    records = sorted(((read_record(p), p) for p in paths), key=lambda pair: pair[0].created)
    if as_json:
        print_json([{"run": str(path), "record": record} for record, path in records])
        return 0
    table = Table("run", "command", "created", "verdict", "suspects", "ACC", "ASR", box=None)
    for record, path in records:
        verdict = record.metrics.get("verdict") or {}
        scores = record.metrics.get("after") or record.metrics
        cells = (scores.get(key) for key in ("acc", "asr"))
        table.add_row(
            escape(str(path)),
            record.command,
            record.created,
            str(verdict.get("state", "-")),
            str(verdict.get("suspects", "-")),
            *(per_cent(value) if isinstance(value, float) else "-" for value in cells),
        )
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 1000  # a path that is cut off is of no use in a pipe
    console.print(table if records else escape(f"no runs in {root}"))
    return 0
