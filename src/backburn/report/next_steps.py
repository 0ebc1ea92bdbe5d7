"""What to do next after a command, as lines to paste into a shell."""

import shlex
from collections.abc import Mapping
from typing import Any

from ..runs.records import Record


def next_steps(record: Record, run: str) -> tuple[tuple[str, str], ...]:
    """What to do after a run, and the command that does it; the most useful one first."""
    report = ("look at what was found", command_line("report", run))
    state = _verdict(record).get("state")
    if record.command == "attack":
        return (("is it backdoored?", command_line("audit", run)),)
    if record.command == "export":
        return _after_export(record, run)
    if record.command == "figures":
        return (("look for the images behind the figures", _of_case("repair", record.arguments)),)
    if record.command != "audit":
        return (report, *_after_repair(record, run))
    in_memory = bool(record.arguments.get("in_memory"))
    if state in ("backdoored", "suspicious") and not in_memory:
        return (report, ("repair the model", command_line("repair", run)))
    return (report,)


def _after_export(record: Record, folder: str) -> tuple[tuple[str, str], ...]:
    """A model that is trained on what is left wants to be audited, too; a model has a report."""
    if record.arguments.get("as") == "backdoorbench":
        run = str(record.arguments.get("run"))
        return (("what the repair did to the model", command_line("report", run)),)
    return (
        ("once a model is trained on them", f"{command_line('audit')} MODEL {shlex.quote(folder)}"),
    )


def _after_repair(record: Record, run: str) -> tuple[tuple[str, str], ...]:
    verdict = _verdict(record)
    if record.command != "repair" or not verdict.get("suspects"):
        return ()
    if record.arguments.get("in_memory"):
        return ()
    return (("write the images without the poison", command_line("export", run, "cleaned")),)


def after_report(record: Record, run: str, page: str) -> tuple[tuple[str, str], ...]:
    """What to do with a page: open it, and act as was decided on it."""
    steps = (("open the page", _opening(page)),)
    verdict = _verdict(record)
    if record.command == "demo" or not verdict.get("suspects") or record.arguments.get("in_memory"):
        return steps
    line = command_line("repair", run, "--review", "review.csv")
    return (*steps, ("repair as you decided there", line))


def on_page(record: Record, run: str) -> tuple[tuple[str, str], ...]:
    """What a page offers: the same without the report itself."""
    steps = [step for step in next_steps(record, run) if not step[1].startswith("backburn report")]
    verdict = _verdict(record)
    can_repair = record.command != "demo" and not record.arguments.get("in_memory")
    if can_repair and verdict.get("suspects"):
        line = command_line("repair", run, "--review", "review.csv")
        steps.append(("repair as you decide below", line))
    return tuple(steps)


def _opening(page: str) -> str:
    """The command that opens a file in the browser; Python's own does so everywhere."""
    return shlex.join(("python", "-m", "webbrowser", "-t", page))


def next_lines(steps: tuple[tuple[str, str], ...]) -> str:
    """The same for a terminal: a line each."""
    width = max((len(line) for _, line in steps), default=0)
    return "\n".join(
        f"{'Next:' if place == 0 else '     '} {line:<{width}}  # {what}"
        for place, (what, line) in enumerate(steps)
    )


def command_line(verb: str, *words: str) -> str:
    """A command line of ours, as a shell takes it."""
    return shlex.join(("backburn", verb, *words))


def _of_case(verb: str, arguments: Mapping[str, Any]) -> str:
    words = [str(arguments[name]) for name in ("model", "data") if arguments.get(name)]
    arch = arguments.get("arch")
    return command_line(verb, *words, *(("--arch", str(arch)) if arch else ()))


def _verdict(record: Record) -> Mapping[str, Any]:
    """As the record has it; nothing where it has none, or something else."""
    found = record.metrics.get("verdict")
    return found if isinstance(found, Mapping) else {}
