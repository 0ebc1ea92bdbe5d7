"""Whatever a command has done, a line to paste follows, and the command in it is there."""

import shlex

import click
import pytest

from backburn.cli.main import cli as group
from backburn.report.next_steps import format_steps, next_steps, steps_after_report
from backburn.runs.records import Record


def record(command: str, arguments: dict, state: str | None, suspects: int = 0) -> Record:
    metrics = {"verdict": {"state": state, "suspects": suspects}} if state else {}
    return Record(
        command, arguments, 0, "2026-11-25T05:50:05+00:00", {}, metrics, {}, None, "cpu", 1
    )


RUNS = [
    record("attack", {}, None),
    record("demo", {}, "backdoored", 7),
    record("figures", {"model": "m.pt", "data": "photos", "arch": "nets:build"}, "clean"),
    record("export", {"run": "a run", "as": "folder"}, None),
    record("export", {"run": "a run", "as": "backdoorbench"}, None),
    *(
        record("audit", {}, state, 7)
        for state in ("clean", "suspicious", "backdoored", "abstained")
    ),
    *(
        record("repair", {}, state, 7)
        for state in ("clean", "suspicious", "backdoored", "abstained")
    ),
    record("repair", {"in_memory": True}, "backdoored", 7),
]


@pytest.mark.parametrize("made", RUNS, ids=lambda made: made.command)
def test_every_run_is_followed_by_commands_that_there_are(made):
    steps = next_steps(made, "runs/my run")
    assert steps
    for what, line in steps:
        words = shlex.split(line)
        assert words[0] == "backburn"
        verb = group.get_command(click.Context(group), words[1])
        assert verb is not None
        verb.make_context(words[1], words[2:])
        assert line in format_steps(steps)
        assert what in format_steps(steps)


def test_a_report_is_followed_by_the_page_and_what_was_decided_on_it():
    opened, decided = steps_after_report(
        record("audit", {}, "backdoored", 7), "run", "run/report.html"
    )
    assert opened[1] == "python -m webbrowser -t run/report.html"
    assert decided[1] == "backburn repair run --review review.csv"
