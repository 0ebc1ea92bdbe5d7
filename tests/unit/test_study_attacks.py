"""Studies of victims alone: no repair, and a table of how good the attacks are."""

import csv
import io
import json
from dataclasses import replace

import msgspec
import pytest

from backburn.benchmark.plan import planned_cells
from backburn.benchmark.run_study import read_cells, run_study
from backburn.benchmark.study_file import LongerTraining, Study
from backburn.benchmark.victim_tables import attack_csv, attack_markdown
from backburn.benchmark.victims import VictimScores
from backburn.metrics import Stealth
from backburn.results import Scores
from backburn.runs import Record, new_record

NAN = float("nan")
STUDY = Study(
    attacks=["badnets", "none"], rates=[], defend=False, longer=LongerTraining(["badnets"], 40)
)


def record_of(cell) -> Record:
    clean = cell.attack == "none"
    scores = Scores(0.9 if clean else 0.88, NAN if clean else 0.99, NAN if clean else 0.01)
    found = VictimScores(scores, Stealth(NAN, NAN) if clean else Stealth(25.349, 0.9711))
    record = new_record("bench", cell.arguments(), 0, {"victim": 61.7}, {"attacked": found}, "cpu")
    return msgspec.json.decode(msgspec.json.encode(record), type=Record)


@pytest.fixture
def cells():
    return [(cell, record_of(cell)) for cell in planned_cells(STUDY)]


def test_a_row_has_the_clean_model_of_its_own_seed_and_length(cells):
    assert [cell.name for cell, _ in cells] == ["badnets-0.05-0-40", "none-0-0", "none-0-0-40"]
    first, *_ = csv.DictReader(io.StringIO(attack_csv(cells)))
    assert {key: value for key, value in first.items() if key != "commit"} == {
        "attack": "badnets", "dataset": "cifar10", "rate": "0.05", "seed": "0", "epochs": "40",
        "acc": "0.88", "clean_acc": "0.9", "asr": "0.99", "psnr": "25.3", "ssim": "0.971",
        "seconds": "62",
    }  # fmt: skip
    alone, *_ = csv.DictReader(io.StringIO(attack_csv(cells[:2])))
    assert alone["clean_acc"] == ""


def test_the_table_for_people_is_in_per_cent(cells):
    head, rule, first, clean, _ = attack_markdown(cells).splitlines()
    assert head.count("|") == rule.count("|") == first.count("|") == clean.count("|")
    assert first == "| badnets | 5 % | 40 | 0 | 88.0 | 90.0 | 99.0 | 25.3 | 0.971 |"
    assert clean == "| none | - | 20 | 0 | 90.0 | 90.0 | - | - | - |"


DIGITS = """
dataset = "digits"
attacks = ["badnets", "none"]
rates = []
defend = false
[recipe]
architecture = "small_cnn-w16"
training = {epochs = 12, batch_size = 64, learning_rate = 0.05}
"""


def test_a_study_of_victims_makes_judges_and_tabulates_them(cli, tmp_path, inline_pool):
    (tmp_path / "study.toml").write_text(DIGITS)
    out = tmp_path / "results"
    done = cli("bench", tmp_path / "study.toml", "--out", out, "--json")
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    assert found["badnets-0.05-0"]["scores"]["asr"] > 0.5
    assert found["badnets-0.05-0"]["stealth"]["psnr"] > 10
    assert 0 < found["badnets-0.05-0"]["stealth"]["ssim"] < 1
    assert found["none-0-0"]["stealth"]["psnr"] is None
    assert (out / "victims" / "badnets-0.05-0" / "strip.png").is_file()
    kept = (out / "cells" / "badnets-0.05-0.json").read_bytes()
    again = cli("bench", tmp_path / "study.toml", "--out", out)
    assert again.code == 0
    assert "| badnets | 5 % | 12 |" in again.out
    assert (out / "cells" / "badnets-0.05-0.json").read_bytes() == kept


def test_a_victim_of_other_hyperparameters_is_not_taken(tmp_path, inline_pool):
    study = Study(dataset="digits", attacks=["none"], rates=[], defend=False)
    study = replace(study, recipe=replace(study.recipe, architecture="small_cnn-w4"))
    short = replace(study.recipe.training, epochs=1)
    study = replace(study, recipe=replace(study.recipe, training=short))
    assert run_study(study, tmp_path, tmp_path / "out", 1) == []
    (tmp_path / "out" / "cells" / "none-0-0.json").unlink()
    record = tmp_path / "out" / "victims" / "none-0-0" / "record.json"
    record.write_text(record.read_text().replace('"poisoning_rate": 0.05', '"poisoning_rate": 0.5'))
    failed = run_study(study, tmp_path, tmp_path / "out", 1)
    assert "was made with other settings" in failed[0]
    assert read_cells(study, tmp_path / "out") == []
