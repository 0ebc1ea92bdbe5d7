"""audit, repair and bench on two nodes come to what one process comes to."""

import json

import torch

from backburn.burn.burn import BURN
from backburn.burn.refinement import Refinement
from backburn.cluster.executor import ClusterExecutor
from backburn.executor.interface import LOCAL
from backburn.metrics import evaluate_model

STUDY = """
dataset = "digits"
attacks = ["badnets", "sig"]
rates = [0.05]
methods = ["fp"]
[recipe]
architecture = "small_cnn-w4"
training = {epochs = 1, batch_size = 64, learning_rate = 0.05}
"""


def test_a_repair_finds_the_same_and_comes_to_the_same(cluster, badnets_digits, tmp_path):
    case, exam = badnets_digits.victim.case(), badnets_digits.exam
    burn = BURN(refinement=Refinement(rounds=1))
    executor = ClusterExecutor(tmp_path, workers=2, shard_size=256)
    result, expected = (
        burn.repair(case, torch.Generator().manual_seed(0), executor=who)
        for who in (executor, LOCAL)
    )
    assert expected.verdict.state == "backdoored"
    assert result.verdict == expected.verdict
    assert torch.equal(result.evidence.score, expected.evidence.score)
    assert torch.equal(result.boundary.distance, expected.boundary.distance)
    assert len(list((tmp_path / "boundary").glob("*.safetensors"))) > 1
    assert torch.equal(result.suspects.index, expected.suspects.index)
    weights = result.model.state_dict()
    assert all(
        torch.equal(weights[name], value) for name, value in expected.model.state_dict().items()
    )
    assert evaluate_model(result.model, exam).asr < 0.05


def test_a_study_has_the_same_records(cli, nodes, tmp_path):
    (tmp_path / "study.toml").write_text(STUDY)
    runs = {"cluster": ("--ray", nodes.address), "here": ()}
    for name, options in runs.items():
        done = cli("bench", tmp_path / "study.toml", "--out", tmp_path / name, *options)
        assert done.code == 0, done.err
    for path in (tmp_path / "here" / "cells").glob("*.json"):
        here, there = (json.loads((tmp_path / n / "cells" / path.name).read_bytes()) for n in runs)
        for name in ("arguments", "metrics"):
            assert here[name] == there[name]


def test_an_audit_by_command_is_the_same(cli, nodes, badnets_digits, tmp_path, monkeypatch):
    from backburn.attacks.victim_folder import dump_victim
    from backburn.runs import new_record, write_run

    files = dump_victim(*badnets_digits)
    write_run(tmp_path / "victim", new_record("attack", {}, 0, {}, {}, "cpu"), files)
    for name, options in {"cluster": ("--ray", nodes.address), "here": ()}.items():
        done = cli("audit", tmp_path / "victim", "--out", tmp_path / name, *options)
        assert done.code == 3, done.err
    for name in ("verdict.json", "suspects.csv"):
        there, here = ((tmp_path / run / name).read_bytes() for run in ("cluster", "here"))
        assert there == here
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cluster", "here", "victim"]


def test_a_cluster_that_is_not_there_is_said_in_one_line(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong = {"nowhere": "no Ray", "127.0.0.1:1": "no Ray", "ray://here:10001": "Ray Client"}
    for address, said in wrong.items():
        done = cli("audit", "model.pt", "photos", "--ray", address)
        assert (done.code, done.out) == (2, "")
        assert len(done.err.splitlines()) == 1
        assert said in done.err
    assert list(tmp_path.iterdir()) == []
