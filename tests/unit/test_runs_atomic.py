"""What killed processes left half-written is swept away; what others still write is not."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backburn.runs import atomic_folder, write_atomic

HOST = socket.gethostname()
DAYS_AGO = time.time() - 2 * 24 * 3600


def dead() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("host", "pid", "old", "stays"),
    [
        (HOST, "dead", False, False),
        (HOST, "mine", False, False),  # a number that was reused, as in every container
        (HOST, "other", False, True),
        (HOST, "other", True, True),
        ("elsewhere", "dead", False, True),
        ("elsewhere", "dead", True, False),
    ],
)
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_half_written_things_of_those_who_are_gone_are_swept_away(
    tmp_path, kind, host, pid, old, stays
):
    number = {"dead": dead(), "mine": os.getpid(), "other": os.getppid()}[pid]
    left = tmp_path / f".out.{host}.{number}.part"
    if kind == "file":
        left.write_bytes(b"half")
    else:
        left.mkdir()
        (left / "half").touch()
    if old:
        os.utime(left, (DAYS_AGO, DAYS_AGO))
    if kind == "file":
        write_atomic(tmp_path / "out", b"whole")
    else:
        with atomic_folder(tmp_path / "out"):
            pass
    assert {path.name for path in tmp_path.iterdir()} == {"out"} | ({left.name} if stays else set())


def test_other_files_are_left_alone(tmp_path):
    others = {f".outer.{HOST}.{dead()}.part", ".out", f"out.{HOST}.1.part", f".out.{HOST}.1.txt"}
    for name in others:
        (tmp_path / name).touch()
    write_atomic(tmp_path / "out", b"1")
    assert {path.name for path in tmp_path.iterdir()} == {"out", *others}


def test_a_link_in_place_of_something_half_written_is_not_followed(tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    Path(tmp_path / f".out.{HOST}.{dead()}.part").symlink_to(precious)
    write_atomic(tmp_path / "out", b"1")
    assert (precious / "file").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"out", "precious"}
