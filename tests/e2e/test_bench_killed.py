"""A study that is killed goes on: the same table, and no finished cell is made again."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

STUDY = """
dataset = "digits"
attacks = ["badnets"]
rates = [0.1]
methods = ["ft", "boundary", "spectral"]
[recipe]
architecture = "small_cnn"
training = {epochs = 8, batch_size = 64, learning_rate = 0.05}
[hyperparameters.ft]
training = {epochs = 5}
"""
TIMES = {"seconds", "seconds_victim", "commit"}
DEADLINE = 150


def start(study: Path, out: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "backburn", "bench", study, "--out", out, "--workers", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )


def finish(study: Path, out: Path) -> dict[str, list[dict[str, str]]]:
    """The tables of a whole run, without what depends on the moment."""
    process = start(study, out)
    _, said = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, said
    return {
        name: [
            {key: value for key, value in row.items() if key not in TIMES}
            for row in csv.DictReader((out / name).read_text().splitlines())
        ]
        for name in ("summary.csv", "detectors.csv")
    }


def test_a_killed_study_goes_on_to_the_same_table(tmp_path):
    study = tmp_path / "study.toml"
    study.write_text(STUDY)
    whole = finish(study, tmp_path / "whole")
    assert [len(rows) for rows in whole.values()] == [1, 2]

    out = tmp_path / "killed"
    process, began = start(study, out), time.monotonic()
    while not (kept := sorted((out / "cells").glob("*.json"))):
        assert time.monotonic() - began < DEADLINE
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)  # the workers are not told
    process.communicate(timeout=DEADLINE)  # ends when the last worker does
    before = {path: path.stat().st_mtime_ns for path in kept}
    assert len(before) < 3

    assert finish(study, out) == whole
    assert {path: path.stat().st_mtime_ns for path in before} == before
