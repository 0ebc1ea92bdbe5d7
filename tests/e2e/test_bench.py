"""A study of one small cell, from TOML to tables; in this process, to spare a start."""

import csv
import json

import pytest

from backburn.benchmark import run_study

STUDY = """
dataset = "digits"
attacks = ["badnets"]
rates = [0.1]
[recipe]
architecture = "small_cnn"
training = {epochs = 16, batch_size = 64, learning_rate = 0.05}
[reactivation]
images = [5]
clean = 200
"""


@pytest.fixture
def study(tmp_path, inline_pool):
    (tmp_path / "study.toml").write_text(STUDY)
    return tmp_path / "study.toml"


def test_a_study_makes_repairs_tabulates_and_is_resumed(cli, study, tmp_path):
    out = tmp_path / "results"
    done = cli("bench", study, "--out", out, "--json")
    assert (done.code, done.err) == (0, "")
    outcome = json.loads(done.out)["badnets-0.1-0"]
    assert outcome["before"]["asr"] > 0.95
    assert outcome["after"]["asr"] <= 0.02
    assert outcome["verdict"] == "backdoored"
    (row,) = csv.DictReader((out / "summary.csv").read_text().splitlines())
    assert (row["attack"], row["dataset"], row["rate"]) == ("badnets", "digits", "0.1")
    assert float(row["asr_after"]) == pytest.approx(outcome["after"]["asr"], abs=1e-4)
    assert "| badnets |" in (out / "summary.md").read_text()
    assert (out / "victims" / "badnets-0.1-0" / "model.safetensors").is_file()
    assert "badnets" in (out / "commits.md").read_text()
    assert (out / "repairs.png").is_file()
    (row,) = csv.DictReader((out / "reactivation.csv").read_text().splitlines())
    assert (row["method"], row["images"], row["asr_control"]) == ("default", "5", "")
    assert float(row["asr"]) < 0.5
    assert (out / "reactivation.svg").is_file()
    kept = (out / "cells" / "badnets-0.1-0.json").read_bytes()
    again = cli("bench", study, "--out", out)
    assert again.code == 0
    assert "| badnets |" in again.out
    victim = out / "victims" / "badnets-0.1-0"
    assert f"Next: backburn repair {victim}  # look at one victim by itself" in again.out
    assert (out / "cells" / "badnets-0.1-0.json").read_bytes() == kept
    assert not list(out.rglob("*.pkl")) + list(out.rglob("*.pt"))


def test_a_cell_that_fails_is_named_and_the_table_is_written(cli, study, tmp_path, monkeypatch):
    def run_cell(*arguments):
        raise RuntimeError("no such luck")

    monkeypatch.setattr(run_study, "run_cell", run_cell)
    done = cli("bench", study, "--out", tmp_path / "results", "--json")
    assert done.code != 0
    assert all(word in done.err for word in ("badnets-0.1-0", "no such luck", "tries them again"))
    assert (tmp_path / "results" / "summary.csv").is_file()
