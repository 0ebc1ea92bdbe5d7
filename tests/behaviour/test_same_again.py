"""The same case gives the same run: by seed, without the truth, in two files, by its config."""

import json
import shutil

TRUTH = ("truth.parquet", "test.parquet", "triggered.parquet", "wanted.parquet")


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
    for name in ("suspects.csv", "verdict.json"):
        assert (tmp_path / "run" / name).read_bytes() == (audited / name).read_bytes()


def test_accuracy_is_measured_on_test_images_of_ones_own(cli, victim, tmp_path):
    case = (victim / "model.safetensors", victim / "train.parquet")
    done = cli("repair", *case, "--test", "digits", "--out", tmp_path / "run", "--json")
    assert done.code == 0, done.err
    summary = json.loads(done.out)
    assert summary["after"]["acc"] > 0.95
    assert summary["after"]["asr"] is None


def test_a_runs_configuration_can_be_given_back(cli, victim, audited, tmp_path):
    settings = ("--set", "detector.budget=default", "--set", "decoupling.stamped=0.25")
    cli("audit", victim, "--out", tmp_path / "first", *settings)
    config = tmp_path / "first" / "config.toml"
    assert 'budget = "default"' in config.read_text()
    cli("audit", victim, "--out", tmp_path / "second", "--config", config)
    for name in ("config.toml", "suspects.csv"):
        first, second = (tmp_path / run / name for run in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()
    assert config.read_bytes() != (audited / "config.toml").read_bytes()
