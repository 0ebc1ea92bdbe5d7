"""One writer: who holds a lock is said, and a lock whose holder is gone is taken over."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from backburn.errors import InputError
from backburn.runs import locked
from backburn.runs.lock import is_locked


@pytest.fixture
def lock(tmp_path) -> Path:
    return tmp_path / "deep" / "lock"


def dead() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def record_of_mine(lock: Path) -> list[str]:
    with locked(lock, "run"):
        return lock.read_text().splitlines()


def test_the_lock_is_there_while_it_is_held_and_gone_afterwards(lock):
    assert not is_locked(lock)
    with locked(lock, "run"):
        assert is_locked(lock)
    assert list(lock.parent.iterdir()) == []


def test_a_second_writer_is_told_who_holds_it_since_when_and_what_to_do(lock):
    with locked(lock, "runs/mine"), pytest.raises(InputError) as refused, locked(lock, "run"):
        pytest.fail("two writers")
    line = str(refused.value)
    assert line.startswith(f"run is being written by process {os.getpid()} on ")
    assert socket.gethostname() in line
    assert f"since {time.strftime('%Y-%m-%d', time.gmtime())}" in line
    assert line.endswith(f"wait for it; if that machine is gone, delete {lock}")


def test_an_error_releases_it(lock):
    with pytest.raises(ZeroDivisionError), locked(lock, "run"):
        raise ZeroDivisionError
    assert not lock.exists()


@pytest.mark.parametrize("gone", ["process", "reused", "rebooted"])
def test_a_lock_whose_holder_is_gone_is_taken_over(lock, gone):
    pid, host, started = record_of_mine(lock)
    boot = int(started) >> 64
    old = {
        "process": (dead(), started),
        "reused": (pid, int(started) - 1),  # this process's number, but begun before it was
        "rebooted": (pid, ((boot ^ 1) << 64) | (int(started) & (2**64 - 1))),
    }[gone]
    lock.write_text(f"{old[0]}\n{host}\n{old[1]}\n")
    with locked(lock, "run"):
        assert lock.read_text().splitlines() == [pid, host, started]
    assert list(lock.parent.iterdir()) == []


def test_a_lock_of_another_machine_is_never_taken_over(lock):
    record_of_mine(lock)
    lock.write_text(f"{dead()}\nelsewhere\n12345\n")
    assert is_locked(lock)
    with (
        pytest.raises(InputError, match=f"on elsewhere since .* delete {lock}"),
        locked(lock, "x"),
    ):
        pytest.fail("two writers")


def test_a_holder_that_was_killed_before_it_could_say_who_it_was_is_no_holder(lock):
    lock.parent.mkdir()
    lock.touch()
    os.utime(lock, (0, time.time() - 60))
    with locked(lock, "run"):
        assert is_locked(lock)


def test_whoever_waits_gets_it_when_the_other_is_done(lock):
    order, begun = [], threading.Event()

    def first() -> None:
        with locked(lock, "run"):
            begun.set()
            time.sleep(0.3)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    begun.wait()
    with locked(lock, "run", wait=True):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_a_wait_for_another_machine_is_said(lock):
    record_of_mine(lock)
    lock.write_text(f"{dead()}\nelsewhere\n12345\n")
    timer = threading.Timer(0.3, lock.unlink)
    timer.start()
    with pytest.warns(UserWarning, match="on elsewhere since"), locked(lock, "run", wait=True):
        timer.join()


def test_a_place_that_cannot_be_locked_is_an_input_error(tmp_path):
    (tmp_path / "file").touch()
    lock = tmp_path / "file" / "lock"
    with pytest.raises(InputError, match="lock cannot be written"), locked(lock, "run"):
        pytest.fail("locked")
