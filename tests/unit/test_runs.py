import json
import math
import os
import re
from datetime import datetime, timezone
from pathlib import Path

import pytest

from backburn.errors import InputError
from backburn.runs import new_record, plan_run, read_record, to_json, write_atomic, write_run


@pytest.fixture
def record():
    return new_record("audit", {"model": "m.pt"}, 7, {"boundary": 1.5}, {"acc": 0.9}, "cpu")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_planned_run_is_named_after_its_command_and_moment_and_not_created(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert re.search(r"runs/audit-\d{8}-\d{6}$", plan_run(None, "audit").as_posix())
    assert plan_run("deep/er/out", "audit").parts[-3:] == ("deep", "er", "out")
    assert list(tmp_path.iterdir()) == []


def test_two_runs_of_one_second_get_different_names(tmp_path, monkeypatch):
    class Noon(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2025, 1, 2, 12, tzinfo=timezone.utc)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("backburn.runs.paths.datetime", Noon)
    names = []
    for _ in range(3):
        names.append(plan_run(None, "audit"))
        names[-1].mkdir(parents=True)
    assert [n.name for n in names] == [f"audit-20250102-120000{t}" for t in ("", "-2", "-3")]


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "old.txt").touch()
    with pytest.raises(InputError, match="not empty"):
        plan_run(tmp_path, "audit")


def test_a_file_is_refused_as_a_run_directory(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(InputError, match="give another --out"):
        plan_run(tmp_path / "out", "audit")


def test_a_place_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="not a writable folder"):
        plan_run(tmp_path / "file" / "out", "audit")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="not a writable folder"):
        plan_run(tmp_path / "out", "audit")


def test_all_files_and_the_record_are_written(tmp_path, record):
    path = write_run(tmp_path / "deep" / "out", record, {"a.bin": b"\0\1", "b.csv": b"x"})
    assert set(contents(path)) == {"a.bin", "b.csv", "record.json"}
    assert contents(path)["a.bin"] == b"\0\1"
    assert path.stat().st_mode & 0o777 == 0o755
    assert [p.name for p in path.parent.iterdir()] == ["out"]


def test_a_record_is_read_back_as_it_was_written(tmp_path, record):
    assert read_record(write_run(tmp_path / "out", record, {})) == record


def test_a_failing_write_leaves_nothing_behind(tmp_path, record, monkeypatch):
    synced = []

    def full_disk(descriptor):
        synced.append(descriptor)
        if len(synced) == 2:
            raise OSError("no space left on device")

    monkeypatch.setattr("backburn.runs.atomic.os.fsync", full_disk)
    with pytest.raises(OSError, match="no space left"):
        write_run(tmp_path / "out", record, {"a": b"1", "b": b"2"})
    assert len(synced) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_run_never_replaces_what_another_wrote_meanwhile(tmp_path, record):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").write_bytes(b"1")
    with pytest.raises(OSError, match="out"):
        write_run(tmp_path / "out", record, {"a": b"1"})
    assert contents(tmp_path) == {"out/precious": b"1"}


def test_the_empty_working_folder_can_be_the_run_directory(tmp_path, record, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_run(plan_run(".", "audit"), record, {"a": b"1"})
    assert set(contents(tmp_path)) == {"a", "record.json"}


def test_a_link_to_an_empty_folder_can_be_the_run_directory(tmp_path, record):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    write_run(plan_run(tmp_path / "out", "audit"), record, {"a": b"1"})
    assert set(contents(tmp_path / "disk")) == {"a", "record.json"}


def test_a_folder_without_a_record_is_no_run(tmp_path):
    with pytest.raises(InputError, match=r"has no record\.json"):
        read_record(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"command": "audit"}', b"\xff"])
def test_a_broken_record_is_refused_by_name(tmp_path, content):
    (tmp_path / "record.json").write_bytes(content)
    with pytest.raises(InputError, match=r"record\.json cannot be read"):
        read_record(tmp_path)


def test_numbers_that_json_does_not_know_become_null():
    values = {"nan": math.nan, "inf": math.inf, "less": -math.inf, "one": 1.0}
    assert json.loads(to_json(values)) == {"nan": None, "inf": None, "less": None, "one": 1.0}


def test_a_file_is_written_whole_or_stays_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    write_atomic(path, b"old")
    write_atomic(path, b"new")
    assert contents(tmp_path) == {"table.csv": b"new"}

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("backburn.runs.atomic.os.fsync", full)
    with pytest.raises(InputError, match=r"table\.csv cannot be written: No space"):
        write_atomic(path, b"half")
    assert contents(tmp_path) == {"table.csv": b"new"}
