"""What befalls a command from outside: the right result, or one line and nothing half-written."""

import errno
import itertools
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

MODEL, PHOTOS = "model.safetensors", "photos"
ONCE = ("--set", "recipe.training.epochs=1")
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def last_line(done, code: int = 2) -> str:
    """The line that a command was refused with."""
    assert done.code == code, done
    assert "Traceback" not in done.err
    line = done.err.splitlines()[-1]
    assert line.startswith("backburn: ")
    return line


@pytest.fixture
def small_files():
    """No file may grow beyond 700 bytes, which the system enforces."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (700, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def commands(run: Path, out: Path) -> dict[str, tuple[object, ...]]:
    return {
        "audit": ("audit", MODEL, PHOTOS, "--out", out),
        "repair": ("repair", MODEL, PHOTOS, "--out", out),
        "attack": (
            "attack",
            "none",
            PHOTOS,
            "--test",
            PHOTOS,
            "--arch",
            "small_cnn",
            *ONCE,
            "--out",
            out,
        ),
        "cache": ("audit", MODEL, PHOTOS, "--cache", out, "--out", out / "run"),
        "export": ("export", run, out, "--data", PHOTOS),
        "report": ("report", run, "--out", out),
    }


@pytest.fixture
def run(cli, here) -> Path:
    """An audit of the photos, which are too few to tell."""
    assert cli("audit", MODEL, PHOTOS, "--out", "audited").code == 5
    return here / "audited"


@pytest.mark.parametrize("verb", ["audit", "repair", "attack", "cache", "export", "report"])
def test_a_file_that_cannot_grow_is_a_line(cli, here, run, small_files, verb):
    line = last_line(cli(*commands(run, here / "out")[verb]))
    assert "File too large" in line
    assert not [path for path in here.glob("out*") if path.is_file() or any(path.iterdir())]


@pytest.mark.parametrize("verb", ["audit", "attack", "report"])
def test_a_disk_that_fills_up_is_a_line_and_the_same_command_goes_on(cli, here, run, verb):
    command = commands(run, here / "out")[verb]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(FULL))
        line = last_line(cli(*command))
    assert "No space left on device" in line
    assert not (here / "out").exists()
    assert cli(*command).code in (0, 5)
    assert {path.name for path in here.iterdir()} == {"out", "audited", MODEL, PHOTOS}


def test_a_place_where_nothing_can_be_made_is_a_line(cli, here):
    assert "/proc/" in last_line(cli("audit", MODEL, PHOTOS, "--out", "/proc/run"))


def test_names_that_are_no_utf8_go_through_every_command(cli, here, monkeypatch):
    odd, data, out = os.fsdecode(b"\xe4"), os.fsdecode(b"fotos-\xff"), os.fsdecode(b"run-\xfe")
    (here / PHOTOS / "cat").rename(here / PHOTOS / f"cat{odd}")
    (here / PHOTOS / "dog" / "0.png").rename(here / PHOTOS / "dog" / f"{odd}.png")
    (here / PHOTOS).rename(here / data)
    assert cli("audit", MODEL, data, "--out", out).code == 5
    assert cli("repair", out, "--out", "again").code == 5
    assert cli("export", out, "exported", "--as", "csv").code == 0
    assert cli("ls", here, "--json").code == 0
    assert cli("report", out).code == 0
    assert "fotos-\\udcff" in last_line(cli("audit", MODEL, data + odd))


def test_a_case_that_changed_since_a_run_looked_at_it_is_told(cli, here, run):
    assert "changed since" not in cli("repair", run, "--out", "same").err
    (here / PHOTOS / "cat" / "1.png").write_bytes((here / PHOTOS / "dog" / "2.png").read_bytes())
    done = cli("repair", run, "--out", "other")
    assert f"images changed since {run} looked at the case" in done.err
    assert "model changed" not in done.err
    notes = json.loads((here / "other" / "record.json").read_text())["metrics"]["notes"]
    assert notes[-1] in done.err


def result(run: Path) -> tuple[bytes, dict]:
    """What a run found, without times."""
    record = json.loads((run / "record.json").read_text())
    assert all(seconds >= 0 for seconds in record["seconds"].values())
    return (run / "suspects.csv").read_bytes(), record["metrics"]["verdict"]


def test_a_clock_that_jumps_changes_nothing(cli, here, monkeypatch):
    left_alone = cli("audit", MODEL, PHOTOS, "--out", "alone")
    whole, jumps = time.time, itertools.cycle((0.0, 3e8, -3e8, 3600.0, -1e9))
    monkeypatch.setattr(time, "time", lambda: whole() + next(jumps))
    done = cli("audit", MODEL, PHOTOS, "--out", "jumped")
    assert done.code == left_alone.code
    assert result(here / "jumped") == result(here / "alone")
    assert cli("report", "jumped").code == 0
    assert cli("ls", ".").code == 0


def test_sixty_four_open_files_are_enough(cli, here):
    left_alone = cli("audit", MODEL, PHOTOS, "--out", "alone")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    try:
        done = cli("audit", MODEL, PHOTOS, "--out", "few")
        report = cli("report", "few")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (done.code, report.code) == (left_alone.code, 0)
    assert result(here / "few") == result(here / "alone")


def test_a_report_that_is_stopped_says_that_and_no_more(cli, run, monkeypatch):
    page = run / "report.html"

    def stop(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("backburn.report.html_page.render_standalone_page", stop)
    done = cli("report", run)
    assert (done.code, done.err) == (130, "backburn: stopped\n")
    assert not page.exists()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "memory does not suffice"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "memory does not suffice"),
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
        (PermissionError(errno.EACCES, "Permission denied", "a\nb"), "a\\nb: Permission denied"),
    ],
    ids=["memory", "torch's memory", "files", "right"],
)
def test_what_the_machine_refuses_is_a_line_that_says_what_to_do(
    cli, here, monkeypatch, error, told
):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("backburn.services.open_case.load_images", fail)
    assert told in last_line(cli("audit", MODEL, PHOTOS))


def test_a_fault_of_ours_is_not_taken_for_the_machines(cli, here, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr("backburn.services.open_case.load_images", fail)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        cli("audit", MODEL, PHOTOS)


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [("--help | true", 1, 0), ("--help > /dev/full", 2, 1), ("nothing 2>&-", 2, 0)],
    ids=["a closed pipe", "a full disk", "no stderr"],
)
def test_an_output_that_nobody_can_read_ends_quietly(line, code, said):
    script = f"{sys.executable} -m backburn {line}; exit ${{PIPESTATUS[0]}}"
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "HOME": "/dev/null"}
    done = subprocess.run(
        ["/bin/bash", "-c", script], env={**os.environ, **plain}, capture_output=True, check=False
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (code, said), done.stderr


def test_a_name_that_the_output_cannot_show_is_shown_with_escapes(run):
    run.rename(run.with_name(os.fsdecode(b"run-\xfe")))
    done = subprocess.run(
        [sys.executable, "-m", "backburn", "ls", run.parent],
        env={**os.environ, "PYTHONIOENCODING": "ascii:strict"},
        capture_output=True,
        check=True,
    )
    assert b"run-\\udcfe" in done.stdout


def test_a_narrow_terminal_cuts_no_path(cli, run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert str(run) in cli("ls", run.parent).out
