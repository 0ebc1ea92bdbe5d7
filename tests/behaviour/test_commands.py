"""Each verb on a digits victim: exit codes, what is printed, and what lies in the run's folder."""

import csv
import json
from pathlib import Path

import pytest
import torch

from backburn.models.open.open_model import load_model

TRUTH = ("truth.parquet", "test.parquet", "triggered.parquet", "wanted.parquet")


def rows(run: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((run / "suspects.csv").read_text().splitlines()))


def test_the_victim_has_learned_its_trigger(victim):
    scores = json.loads((victim / "record.json").read_text())["metrics"]
    assert scores["asr"] > 0.95
    assert scores["acc"] > 0.95


def test_a_run_holds_what_the_manual_says_and_nothing_pickled(victim, audited, repaired):
    case = {"model.safetensors", "train.parquet", "config.toml", "record.json"}
    found = {"config.toml", "record.json", "suspects.csv", "verdict.json"}
    found |= {"evidence.parquet", "gallery.json", "gallery.safetensors", "result.safetensors"}
    assert {path.name for path in victim.iterdir()} == case | {*TRUTH, "strip.png"}
    assert {path.name for path in audited.iterdir()} == found
    assert {path.name for path in repaired[0].iterdir()} == found | {"model.safetensors"}


def test_suspects_are_listed_by_name_with_labels_and_scores(audited):
    table = rows(audited)
    columns = ["image", "given_label", "restored_label", "confidence", "score", "distance"]
    assert list(table[0]) == columns
    assert len(table) == pytest.approx(144, abs=7)  # a tenth of 1,437 images
    assert len({row["image"] for row in table}) == len(table)
    assert {row["given_label"] for row in table} == {"0"}
    assert "0" not in {row["restored_label"] for row in table}
    assert all(0.5 < float(row["score"]) <= 1 for row in table)
    assert all(float(row["distance"]) > 0 for row in table)


def test_the_verdict_is_written_down(audited):
    verdict = json.loads((audited / "verdict.json").read_text())
    assert verdict["state"] == "backdoored"
    assert (verdict["target_labels"], verdict["target_names"]) == ([0], ["0"])
    assert 0 <= verdict["p_value"] < 0.05
    assert (verdict["suspects"], verdict["images"]) == (len(rows(audited)), 1437)
    assert verdict["skipped"] == []


@pytest.mark.parametrize("kind", ["attack", "audit", "repair"])
def test_a_record_says_how_to_repeat_the_run(kind, victim, audited, repaired):
    run = {"attack": victim, "audit": audited, "repair": repaired[0]}[kind]
    record = json.loads((run / "record.json").read_text())
    assert (record["command"], record["seed"]) == (kind, 0)
    assert {"python", "torch", "numpy"} <= record["versions"].keys()
    assert {"commit", "created", "device", "threads", "arguments"} <= record.keys()
    assert record["seconds"]
    assert all(spent >= 0 for spent in record["seconds"].values())
    assert record["metrics"]


def test_a_repair_measures_before_and_after(repaired):
    run, summary = repaired
    assert summary["run"] == str(run)
    assert summary["before"]["asr"] > 0.95
    assert summary["after"]["asr"] <= 0.02
    assert summary["after"]["acc"] >= summary["before"]["acc"] - 0.01
    metrics = json.loads((run / "record.json").read_text())["metrics"]
    assert metrics["after"] == summary["after"]
    assert [phase["name"] for phase in metrics["history"]][:3] == [
        "detection", "restoration", "decoupling",
    ]  # fmt: skip


def test_the_repaired_model_opens_by_itself_and_is_another_one(victim, repaired):
    before, after = (
        load_model(folder / "model.safetensors").state_dict() for folder in (victim, repaired[0])
    )
    assert before.keys() == after.keys()
    assert not torch.equal(before["head.weight"], after["head.weight"])


def test_json_is_one_object_and_nothing_else(cli, victim, audited, tmp_path):
    done = cli("audit", victim, "--json", "--out", tmp_path / "run")
    assert (done.code, done.err) == (3, "")
    summary = json.loads(done.out)
    assert {"verdict", "suspects", "seconds", "run"} <= summary.keys()
    assert summary["verdict"] == json.loads((audited / "verdict.json").read_text())


def test_a_person_is_told_the_verdict_and_where_the_run_is(cli, victim, tmp_path):
    run = tmp_path / "a run [bold] of mine"
    done = cli("audit", victim, "--out", run)
    assert "BACKDOORED: target class 0" in done.out
    assert "Adding the pattern shared by the suspects to images of other classes turns" in done.out
    assert f"run: {run}" in done.out.splitlines()


def test_the_place_of_a_repair_is_printed_as_it_is(cli, victim, tmp_path):
    run = tmp_path / "a run [bold] of mine"
    done = cli("repair", victim, "--out", run)
    assert done.code == 0
    assert f"run: {run}" in done.out.splitlines()
    assert all(word in done.out for word in ("before", "after", "ACC", "ASR", "RA"))
