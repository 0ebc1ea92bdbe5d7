"""A sealed record shows that it was changed."""

import json
from dataclasses import replace

import pytest

from backburn.errors import InputError
from backburn.results import Scores
from backburn.runs import new_record, read_checked, to_json, with_checksum


@pytest.fixture
def record():
    scores = {"scores": Scores(0.5, float("nan"), 1 / 3), "targets": (1, 2)}
    return new_record("bench", {"a": 1.5}, 0, {"repair": 1.23456}, scores, "cpu")


def test_what_was_sealed_is_read(record, tmp_path):
    (tmp_path / "cell.json").write_bytes(to_json(with_checksum(record)))
    read = read_checked(tmp_path / "cell.json")
    assert read.metrics["scores"] == {"acc": 0.5, "asr": None, "ra": 1 / 3}
    assert len(read.digest) == 64


def test_a_changed_figure_is_told(record, tmp_path):
    content = json.loads(to_json(with_checksum(record)))
    content["metrics"]["scores"]["acc"] = 0.9
    (tmp_path / "cell.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"cell\.json was changed since it was made"):
        read_checked(tmp_path / "cell.json")


def test_a_broken_record_is_told(record, tmp_path):
    (tmp_path / "cell.json").write_bytes(to_json(with_checksum(record))[:100])
    with pytest.raises(InputError, match="delete it"):
        read_checked(tmp_path / "cell.json")


def test_a_record_from_before_there_were_digests_is_read(record, tmp_path):
    (tmp_path / "cell.json").write_bytes(to_json(replace(record, memory=None)))
    assert read_checked(tmp_path / "cell.json").digest == ""
