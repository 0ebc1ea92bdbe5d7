"""Each verb on a digits victim: exit codes, what is printed, and what lies in the run's folder."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from backburn.models.loading import load_model

TRUTH = ("truth.parquet", "test.parquet", "triggered.parquet", "wanted.parquet")


@pytest.fixture(scope="session")
def audited(cli, victim, tmp_path_factory) -> Path:
    """A run of `audit` on the victim's folder."""
    run = tmp_path_factory.mktemp("runs") / "audit"
    done = cli("audit", victim, "--out", run)
    assert done.code == 3, done.err
    return run


@pytest.fixture(scope="session")
def repaired(cli, victim, tmp_path_factory) -> tuple[Path, dict]:
    """A run of `repair` on the victim's folder, and the JSON that it printed."""
    run = tmp_path_factory.mktemp("runs") / "repair"
    done = cli("repair", victim, "--out", run, "--json")
    assert (done.code, done.err) == (0, ""), done.err
    return run, json.loads(done.out)


def rows(run: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((run / "suspects.csv").read_text().splitlines()))


def test_the_victim_has_learned_its_trigger(victim):
    scores = json.loads((victim / "record.json").read_text())["metrics"]
    assert scores["asr"] > 0.95
    assert scores["acc"] > 0.95


def test_a_run_holds_what_the_manual_says_and_nothing_pickled(victim, audited, repaired):
    case = {"model.safetensors", "train.parquet", "config.toml", "record.json"}
    found = {"config.toml", "record.json", "suspects.csv", "verdict.json"}
    assert {path.name for path in victim.iterdir()} == case | set(TRUTH)
    assert {path.name for path in audited.iterdir()} == found
    assert {path.name for path in repaired[0].iterdir()} == found | {"model.safetensors"}


def test_suspects_are_listed_by_name_with_labels_and_scores(audited):
    table = rows(audited)
    columns = ["image", "given_label", "restored_label", "confidence", "score", "distance"]
    assert list(table[0]) == columns
    assert len(table) == pytest.approx(72, abs=4)  # 5 per cent of 1,437 images
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
    assert [phase["name"] for phase in metrics["history"]][:2] == ["boundary", "decoupling"]


def test_the_repaired_model_opens_by_itself(repaired):
    assert load_model(repaired[0] / "model.safetensors").architecture == "small_cnn"


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
    assert f"run: {run}" in done.out.splitlines()


def test_the_place_of_a_repair_is_printed_as_it_is(cli, victim, tmp_path):
    run = tmp_path / "a run [bold] of mine"
    done = cli("repair", victim, "--out", run)
    assert done.code == 0
    assert f"run: {run}" in done.out.splitlines()
    assert all(word in done.out for word in ("before", "after", "ACC", "ASR", "RA"))


def test_the_same_seed_finds_the_same_suspects(cli, victim, audited, tmp_path):
    cli("audit", victim, "--out", tmp_path / "run", "--seed", "0")
    assert (tmp_path / "run" / "suspects.csv").read_bytes() == (
        audited / "suspects.csv"
    ).read_bytes()


def test_the_truth_is_never_used(cli, victim, audited, repaired, tmp_path):
    copy = tmp_path / "victim"
    shutil.copytree(victim, copy)
    for name in TRUTH:
        (copy / name).unlink()
    for verb, code, known in (("audit", 3, audited), ("repair", 0, repaired[0])):
        done = cli(verb, copy, "--out", tmp_path / verb)
        assert done.code == code, done.err
        assert "TPR" not in done.out
        for name in ("suspects.csv", "verdict.json"):
            assert (tmp_path / verb / name).read_bytes() == (known / name).read_bytes()


def test_model_and_images_may_be_given_apart(cli, victim, audited, tmp_path):
    model, images = victim / "model.safetensors", victim / "train.parquet"
    done = cli("audit", model, images, "--out", tmp_path / "run")
    assert done.code == 3, done.err
    assert rows(tmp_path / "run") == rows(audited)


def test_accuracy_is_measured_on_test_images_of_ones_own(cli, victim, tmp_path):
    case = (victim / "model.safetensors", victim / "train.parquet")
    done = cli("repair", *case, "--test", "digits", "--out", tmp_path / "run", "--json")
    assert done.code == 0, done.err
    summary = json.loads(done.out)
    assert summary["after"]["acc"] > 0.95
    assert summary["after"]["asr"] is None


def test_a_runs_configuration_can_be_given_back(cli, victim, audited, tmp_path):
    settings = ("--set", "detector.steps=5", "--set", "decoupling.stamped=0.25")
    cli("audit", victim, "--out", tmp_path / "first", *settings)
    config = tmp_path / "first" / "config.toml"
    assert "steps = 5" in config.read_text()
    cli("audit", victim, "--out", tmp_path / "second", "--config", config)
    for name in ("config.toml", "suspects.csv"):
        first, second = (tmp_path / run / name for run in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()
    assert config.read_bytes() != (audited / "config.toml").read_bytes()
