"""A victim that was stopped has taken as long as both of its trainings."""

import pytest

from backburn.benchmark import elapsed_time, victims
from backburn.benchmark.elapsed_time import EVERY, Lasting
from backburn.benchmark.plan import planned
from backburn.benchmark.study import load_study
from backburn.benchmark.victims import made_once
from backburn.types import silent

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
    monkeypatch.setattr(elapsed_time.time, "monotonic", lambda: now[0])
    return now


def test_seconds_of_all_goes_are_counted(tmp_path, clock):
    path, told = tmp_path / "work" / "seconds", []
    first = Lasting(path, lambda *event: told.append(event))
    assert first.earlier == 0
    first("train", 1, 9)
    assert not path.exists()
    clock[0] += EVERY + 2
    first("train", 2, 9)
    clock[0] += 1  # after the last note: lost
    first("train", 3, 9)
    second = Lasting(path, silent)
    assert second.earlier == EVERY + 2
    clock[0] += EVERY
    second("train", 4, 9)
    assert Lasting(path, silent).earlier == 2 * EVERY + 2
    assert told == [("train", 1, 9), ("train", 2, 9), ("train", 3, 9)]


def test_a_victim_that_was_stopped_has_taken_as_long_as_both_trainings(tmp_path, monkeypatch):
    study = tmp_path / "study.toml"
    study.write_text(STUDY)
    cell, folder = planned(load_study(study))[0], tmp_path / "victims" / "none-0-0"
    monkeypatch.setattr(elapsed_time, "EVERY", 0.0)

    def stopped(*given) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(victims, "dump_victim", stopped)  # trained, judged, and not yet written
        with pytest.raises(KeyboardInterrupt):
            made_once(cell, tmp_path, folder, silent)
    (kept,) = (tmp_path / "victims").rglob("seconds")
    kept.write_text("5000")
    assert made_once(cell, tmp_path, folder, silent).seconds["victim"] > 5000
    assert not list((tmp_path / "victims").rglob("seconds"))
