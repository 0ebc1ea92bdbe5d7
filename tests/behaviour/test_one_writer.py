"""A run that somebody is at, or that was begun with something else, is left alone in one line."""

import json
import time
from dataclasses import replace

import pytest

from backburn.runs import locked, work_folder
from backburn.runs.resume import lock_path, new_manifest, write_manifest

AUDIT = ("audit", "model.safetensors", "photos", "--out", "run")


def begun(here, *more: str, **changed):
    """A run of `AUDIT` that was begun and not finished."""
    arguments = {"model": "model.safetensors", "data": "photos", "device": "auto", "seed": 0}
    write = new_manifest("audit", ("backburn", *AUDIT, *more), {**arguments, **changed})
    work_folder(here / "run").mkdir()
    write_manifest(here / "run", write)
    return write


@pytest.mark.parametrize(
    "command",
    [
        AUDIT,
        ("repair", "model.safetensors", "photos", "--out", "run"),
        ("figures", "model.safetensors", "photos", "--out", "run"),
        ("attack", "badnets", "digits", "--out", "run"),
        ("demo", "--out", "run"),
    ],
    ids=lambda command: command[0],
)
def test_a_second_writer_of_a_run_is_refused_before_it_reads_anything(here, refused, command):
    with locked(lock_path(here / "run"), "run"):
        line = refused(*command)
    assert line.startswith("backburn: run is being written by process ")
    assert time.strftime(" since %Y-", time.gmtime()) in line


def test_a_second_writer_of_a_study_is_refused(here, refused):
    (here / "study.toml").write_text('dataset = "digits"\nattacks = ["badnets"]\nrates = [0.1]\n')
    with locked(here / "out" / ".lock", "out"):
        line = refused("bench", "study.toml", "--out", "out")
    assert line.startswith("backburn: out is being written by process ")


@pytest.mark.parametrize(
    ("more", "what"),
    [
        (("--seed", "7"), "seed 0, now 7"),
        (("--max-images", "5"), "max_images nothing, now 5"),
        (("--set", "detector.budget=fast"), r"settings nothing, now ['detector.budget=fast']"),
    ],
    ids=["seed", "images", "settings"],
)
def test_other_arguments_than_it_was_begun_with_are_refused(here, refused, more, what):
    begun(here)
    line = refused(*AUDIT, *more)
    assert line == (
        f"backburn: run was begun with {what}: give another --out, or delete "
        f"{work_folder(here / 'run')} to begin anew"
    )


def test_another_command_is_refused(here, refused):
    begun(here)
    line = refused("repair", "model.safetensors", "photos", "--out", "run")
    assert "run was begun with command 'audit', now 'repair'" in line


def test_images_that_changed_since_it_was_begun_are_refused(here, cli):
    write = begun(here)
    write_manifest(here / "run", replace(write, made_of={"images": "another"}))
    (work_folder(here / "run") / "boundary").mkdir()
    (work_folder(here / "run") / "boundary" / "kept").touch()
    done = cli(*AUDIT)
    assert done.code == 2
    said = done.err.splitlines()
    assert said[0] == f"backburn: going on with run, which was begun {write.created}"
    assert said[-1].startswith("backburn: the images of run changed since it was begun: give")
    assert (work_folder(here / "run") / "boundary" / "kept").exists()


def test_other_versions_and_threads_are_said(here, cli):
    write = begun(here)
    old = {**write.versions, "torch": "1.0", "gone": "2"}
    write_manifest(here / "run", replace(write, versions=old, threads=99))
    done = cli(*AUDIT)
    assert done.code == 5, done
    lines = done.err.splitlines()
    assert f"backburn: run was begun with torch 1.0, now {write.versions['torch']}" in lines
    assert f"backburn: run was begun with 99 threads, now {write.threads}" in lines
    assert not list(here.glob(".*"))


def test_ls_shows_unfinished_runs_as_json_and_no_half_written_ones(here, cli):
    (here / "runs" / ".half.host.1.part").mkdir(parents=True)
    (here / "runs" / ".half.host.1.part" / "record.json").write_text("{")
    write = new_manifest("audit", ("backburn", "audit", "\x1b[31m"), {})
    work_folder(here / "runs" / "cut").mkdir()
    write_manifest(here / "runs" / "cut", write)
    shown = cli("ls")
    assert shown.out == (
        "no runs in runs\n"
        f"runs/cut: not finished, begun {write.created}; to go on: backburn audit '\\x1b[31m'\n"
    )
    (entry,) = json.loads(cli("ls", "--json").out)
    assert (entry["run"], entry["unfinished"]["command"]) == ("runs/cut", "audit")
    with locked(lock_path(here / "runs" / "cut"), "cut"):
        assert cli("ls").out.endswith("; under way\n")
