"""The whole chain on digits: what the README promises of `backburn demo`."""

import json

import pytest
import torch

from backburn.models.open.open_model import load_model


@pytest.fixture(scope="module")
def demo(cli, tmp_path_factory):
    """The demo's run directory, and the JSON object that it printed."""
    run = tmp_path_factory.mktemp("demo") / "run"
    done = cli("demo", "--json", "--out", run)
    assert (done.code, done.err) == (0, ""), done.err
    return run, json.loads(done.out)


def test_the_summary_has_all_its_keys(demo):
    run, summary = demo
    assert {"before", "after", "suspects", "verdict", "seconds", "run"} <= summary.keys()
    for side in ("before", "after"):
        assert {"acc", "asr", "ra"} <= summary[side].keys()
    assert {"tpr", "fpr", "count"} <= summary["suspects"].keys()
    assert summary["run"] == str(run)
    phases = {"read", "victim", "detection", "restoration", "decoupling", "refinement", "test"}
    assert phases <= summary["seconds"].keys()
    assert all(spent >= 0 for spent in summary["seconds"].values())


def test_the_backdoor_is_there_before_and_gone_after(demo):
    before, after = demo[1]["before"], demo[1]["after"]
    assert before["asr"] >= 0.95
    assert after["asr"] <= 0.02
    assert after["acc"] >= before["acc"] - 0.01
    assert after["ra"] >= 0.9 > before["ra"]


def test_the_poison_is_found_and_the_target_named(demo):
    suspects, verdict = demo[1]["suspects"], demo[1]["verdict"]
    assert suspects["tpr"] >= 0.95
    assert suspects["fpr"] <= 0.01
    assert 68 <= suspects["count"] <= 85  # 72 were poisoned
    assert (verdict["state"], verdict["target_labels"]) == ("backdoored", [0])


def test_the_run_is_written(demo):
    names = {path.name for path in demo[0].iterdir()}
    assert {"model.safetensors", "suspects.csv", "verdict.json", "record.json"} <= names


def test_a_clean_model_is_called_clean_and_left_alone(cli, tmp_path):
    made = cli("attack", "none", "digits", "--out", tmp_path / "clean", "--json")
    assert made.code == 0, made.err
    assert json.loads(made.out)["victim"]["asr"] is None
    audit = cli("audit", tmp_path / "clean", "--out", tmp_path / "audit", "--json")
    assert audit.code == 0
    assert json.loads(audit.out)["verdict"]["state"] == "clean"
    repair = cli("repair", tmp_path / "clean", "--out", tmp_path / "repair", "--json")
    summary = json.loads(repair.out)
    assert summary["verdict"]["suspects"] == 0
    assert summary["before"] == summary["after"]
    kept, given = (
        load_model(tmp_path / name / "model.safetensors").state_dict()
        for name in ("repair", "clean")
    )
    assert all(torch.equal(kept[key], given[key]) for key in given)
