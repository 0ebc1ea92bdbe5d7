"""A victim that was stopped has taken as long as both of its trainings."""

import pytest

from backburn.benchmark import victims
from backburn.benchmark.plan import planned_cells
from backburn.benchmark.study_file import load_study
from backburn.benchmark.victims import WRITE_INTERVAL, ElapsedTime, ensure_victim
from backburn.types import no_progress

STUDY = """
dataset = "digits"
attacks = ["none"]
[recipe]
architecture = "small_cnn"
training = {epochs = 1, batch_size = 64}
"""


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is moved."""
    now = [100.0]
    monkeypatch.setattr(victims.time, "monotonic", lambda: now[0])
    return now


def test_seconds_of_all_goes_are_counted(tmp_path, clock):
    path, told = tmp_path / "work" / "seconds", []
    first = ElapsedTime(path, lambda *event: told.append(event))
    assert first.earlier == 0
    first("train", 1, 9)
    assert not path.exists()
    clock[0] += WRITE_INTERVAL + 2
    first("train", 2, 9)
    clock[0] += 1  # after the last note: lost
    first("train", 3, 9)
    second = ElapsedTime(path, no_progress)
    assert second.earlier == WRITE_INTERVAL + 2
    clock[0] += WRITE_INTERVAL
    second("train", 4, 9)
    assert ElapsedTime(path, no_progress).earlier == 2 * WRITE_INTERVAL + 2
    assert told == [("train", 1, 9), ("train", 2, 9), ("train", 3, 9)]


def test_a_victim_that_was_stopped_has_taken_as_long_as_both_trainings(tmp_path, monkeypatch):
    study = tmp_path / "study.toml"
    study.write_text(STUDY)
    cell, folder = planned_cells(load_study(study))[0], tmp_path / "victims" / "none-0-0"
    monkeypatch.setattr(victims, "WRITE_INTERVAL", 0.0)

    def stopped(*given) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(victims, "dump_victim", stopped)  # trained, judged, and not yet written
        with pytest.raises(KeyboardInterrupt):
            ensure_victim(cell, tmp_path, folder, no_progress)
    (kept,) = (tmp_path / "victims").rglob("seconds")
    kept.write_text("5000")
    assert ensure_victim(cell, tmp_path, folder, no_progress).seconds["victim"] > 5000
    assert not list((tmp_path / "victims").rglob("seconds"))
