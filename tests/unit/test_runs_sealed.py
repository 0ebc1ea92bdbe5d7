"""A sealed record shows that it was changed."""

import json
from dataclasses import replace

import pytest

from backburn.errors import InputError
from backburn.metrics import Scores
from backburn.runs import new_record, read_sealed, sealed, to_json


@pytest.fixture
def record():
    scores = {"scores": Scores(0.5, float("nan"), 1 / 3), "targets": (1, 2)}
    return new_record("bench", {"a": 1.5}, 0, {"repair": 1.23456}, scores, "cpu")


def test_what_was_sealed_is_read(record, tmp_path):
    (tmp_path / "cell.json").write_bytes(to_json(sealed(record)))
    read = read_sealed(tmp_path / "cell.json")
    assert read.metrics["scores"] == {"acc": 0.5, "asr": None, "ra": 1 / 3}
    assert len(read.digest) == 64


def test_a_changed_figure_is_told(record, tmp_path):
    content = json.loads(to_json(sealed(record)))
    content["metrics"]["scores"]["acc"] = 0.9
    (tmp_path / "cell.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"cell\.json was changed since it was made"):
        read_sealed(tmp_path / "cell.json")


def test_a_broken_record_is_told(record, tmp_path):
    (tmp_path / "cell.json").write_bytes(to_json(sealed(record))[:100])
    with pytest.raises(InputError, match="delete it"):
        read_sealed(tmp_path / "cell.json")


def test_a_record_from_before_there_were_digests_is_read(record, tmp_path):
    (tmp_path / "cell.json").write_bytes(to_json(replace(record, memory=None)))
    assert read_sealed(tmp_path / "cell.json").digest == ""
