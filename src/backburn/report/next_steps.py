"""Suggested next steps after a command, each with a command line to paste into a shell."""

import shlex
from collections.abc import Mapping
from typing import Any

from ..runs.records import Record

Steps = tuple[tuple[str, str], ...]
"""Pairs of a purpose and a command line."""


def next_steps(record: Record, run: str) -> Steps:
    """Suggest what to do after a run, most useful first.

    Args:
        record: of the run.
        run: path of the run directory, as it should stand in the command lines.
    """
    report = ("look at what was found", command_line("report", run))
    state = _verdict(record).get("state")
    if record.command == "attack":
        return (("is it backdoored?", command_line("audit", run)),)
    if record.command == "export":
        return _steps_after_export(record, run)
    if record.command == "figures":
        line = _command_line_of_case("repair", record.arguments)
        return (("look for the images behind the figures", line),)
    if record.command != "audit":
        return (report, *_steps_after_repair(record, run))
    if state in ("backdoored", "suspicious") and not _is_in_memory(record):
        return (report, ("repair the model", command_line("repair", run)))
    return (report,)


def _steps_after_export(record: Record, folder: str) -> Steps:
    """Suggest the report for an exported model, and an audit for exported images."""
    if record.arguments.get("as") == "backdoorbench":
        run = str(record.arguments.get("run"))
        return (("what the repair did to the model", command_line("report", run)),)
    line = f"{command_line('audit')} MODEL {shlex.quote(folder)}"
    return (("once a model is trained on them", line),)


def _steps_after_repair(record: Record, run: str) -> Steps:
    if record.command != "repair" or not _verdict(record).get("suspects"):
        return ()
    if _is_in_memory(record):
        return ()
    return (("write the images without the poison", command_line("export", run, "cleaned")),)


def steps_after_report(record: Record, run: str, page: str) -> Steps:
    """Suggest to open the report page, and to repair as decided on it.

    Args:
        record: of the run.
        run: path of the run directory.
        page: path of the page.
    """
    open_page = ("open the page", shlex.join(("python", "-m", "webbrowser", "-t", page)))
    if not _can_repair(record):
        return (open_page,)
    return (open_page, ("repair as you decided there", _review_command_line(run)))


def steps_on_page(record: Record, run: str) -> Steps:
    """Suggest the next steps on the report page itself, which doesn't suggest the report."""
    steps = [
        (purpose, line)
        for purpose, line in next_steps(record, run)
        if not line.startswith("backburn report")
    ]
    if _can_repair(record):
        steps.append(("repair as you decide below", _review_command_line(run)))
    return tuple(steps)


def format_steps(steps: Steps) -> str:
    """Format steps for a terminal, one line each.

    >>> format_steps((("repair the model", "backburn repair audit"),))
    'Next: backburn repair audit  # repair the model'
    """
    width = max((len(line) for _, line in steps), default=0)
    return "\n".join(
        f"{'     ' if k else 'Next:'} {line:<{width}}  # {purpose}"
        for k, (purpose, line) in enumerate(steps)
    )


def command_line(command: str, *arguments: str) -> str:
    """Return a `backburn` command line, quoted for a shell.

    >>> command_line("report", "my run")
    "backburn report 'my run'"
    """
    return shlex.join(("backburn", command, *arguments))


def _review_command_line(run: str) -> str:
    return command_line("repair", run, "--review", "review.csv")


def _command_line_of_case(command: str, arguments: Mapping[str, Any]) -> str:
    paths = [str(arguments[name]) for name in ("model", "data") if arguments.get(name)]
    arch = arguments.get("arch")
    return command_line(command, *paths, *(("--arch", str(arch)) if arch else ()))


def _can_repair(record: Record) -> bool:
    """Whether there are suspects, and a model and images to repair."""
    in_files = record.command != "demo" and not _is_in_memory(record)
    return in_files and bool(_verdict(record).get("suspects"))


def _is_in_memory(record: Record) -> bool:
    """Whether the model and the images came from Python, so that no command can open them."""
    return bool(record.arguments.get("in_memory"))


def _verdict(record: Record) -> Mapping[str, Any]:
    """Return the verdict in a record; empty if it has none."""
    verdict = record.metrics.get("verdict")
    return verdict if isinstance(verdict, Mapping) else {}
