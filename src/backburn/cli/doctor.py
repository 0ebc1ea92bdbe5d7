"""`backburn doctor`: check the installation."""

import click

from . import options

MARKS = {"ok": ("ok", "green"), "missing": ("-", "yellow"), "broken": ("BROKEN", "red")}


@click.command("doctor", short_help="What is installed, missing or broken.")
@options.as_json
def command(as_json: bool) -> int:
    """Say what is installed, what is missing for which feature, and what is broken.

    A torchvision that was built for another torch is the usual trouble. Exit code: 0, or 1 where
    something that is installed does not work.
    """
    import warnings

    from rich.markup import escape
    from rich.table import Table

    from ..report.next_steps import command_line
    from ..services.doctor import is_healthy, run_checks
    from ..services.terminal_escapes import print_json, safe_console
    from .output import print_next

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        checks = run_checks()
    if as_json:
        print_json(checks)
        return 0 if is_healthy(checks) else 1
    table = Table("", "", "", box=None, show_header=False, pad_edge=False)
    for check in checks:
        mark, color = MARKS[check.state]
        table.add_row(f"[{color}]{mark}[/]", escape(check.name), escape(check.found))
    console = safe_console()
    console.print(table)
    for state, head in (("broken", "What is broken"), ("missing", "What is missing")):
        lines = dict.fromkeys(c.remedy for c in checks if c.state == state and c.remedy)
        if lines:
            console.print(f"\n{head} is mended by:")
        for line in lines:
            console.print(f"    {line}", markup=False, soft_wrap=True)
    if is_healthy(checks):
        console.print()
        print_next(("the whole chain on handwritten digits", command_line("demo")))
    return 0 if is_healthy(checks) else 1
