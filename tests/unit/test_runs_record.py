"""What a record says of its run: time spent, versions, commit."""

import shutil
import subprocess
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
import torch

from backburn.runs import Stopwatch, new_record, records, stopwatch


def clock(monkeypatch, *moments: float) -> None:
    times = iter(moments)
    monkeypatch.setattr(stopwatch, "time", SimpleNamespace(perf_counter=lambda: next(times)))


def test_a_stopwatch_adds_up_a_phase_and_keeps_the_order(monkeypatch):
    clock(monkeypatch, 10.0, 12.5, 20.0, 21.0, 30.0, 30.25)
    watch = Stopwatch()
    for phase in ("train", "test", "train"):
        with watch(phase):
            pass
    assert list(watch.seconds.items()) == [("train", 2.75), ("test", 1.0)]


def test_a_stopwatch_counts_a_phase_that_fails(monkeypatch):
    clock(monkeypatch, 1.0, 3.0)
    watch = Stopwatch()
    with pytest.raises(KeyError), watch("train"):
        raise KeyError
    assert watch.seconds == {"train": 2.0}


def test_many_short_turns_of_a_phase_are_not_rounded_away(monkeypatch):
    clock(monkeypatch, *(turn * 1.0 + part for turn in range(100) for part in (0.0, 0.0004)))
    watch = Stopwatch()
    for _ in range(100):
        with watch("predict"):
            pass
    assert watch.seconds["predict"] == pytest.approx(0.04, abs=0.001)


def test_a_record_says_when_on_what_and_with_which_versions():
    record = new_record("audit", {}, 7, {}, {}, "cpu")
    age = datetime.now(timezone.utc) - datetime.fromisoformat(record.created)
    assert timedelta(seconds=-1) <= age < timedelta(minutes=1)
    assert (record.seed, record.device, record.threads) == (7, "cpu", torch.get_num_threads())
    assert torch.__version__.startswith(record.versions["torch"])
    assert {"python", "numpy", "scipy"} <= set(record.versions)


def test_there_is_no_commit_outside_of_a_checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "__file__", str(tmp_path / "runs" / "records.py"))
    assert records.git_commit() is None


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_commit_is_named_and_marked_where_files_differ(tmp_path, monkeypatch):
    def git(*arguments: str) -> str:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(tmp_path), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    module = tmp_path / "runs" / "records.py"
    module.parent.mkdir()
    module.write_text("x = 1\n")
    git("init", "-q")
    monkeypatch.setattr(records, "__file__", str(module))
    assert records.git_commit() is None, "not yet tracked"
    git("add", ".")
    git("commit", "-q", "-m", "first")
    head = git("rev-parse", "HEAD")[:12]
    assert records.git_commit() == head
    module.write_text("x = 2\n")
    assert records.git_commit() == head + "+"
