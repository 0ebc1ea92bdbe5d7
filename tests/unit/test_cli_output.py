"""What a verdict says to a person."""

import pytest
import torch

from backburn.cli.bench import _first
from backburn.cli.output import print_verdict, print_victim
from backburn.results import Scores
from backburn.types import LabeledImages

IMAGES = LabeledImages(
    torch.zeros((4, 3, 8, 8), dtype=torch.uint8), torch.tensor([0, 0, 1, 1]), ("cat", "dog")
)


def verdict(state: str, p_value: float) -> dict:
    classes: list = []
    counts = {"suspects": 0, "images": 4, "images_in_all": 4, "suspect_share": [0.0, 0.1]}
    named = {"target_labels": [0], "target_names": ["cat"], "reason": ""}
    return {"state": state, "p_value": p_value, "classes": classes, **counts, **named}


@pytest.mark.parametrize(("p_value", "risk"), [(0.02, "0.05"), (0.0721, "0.08")])
def test_what_is_no_proof_says_how_to_act_on_it(capsys, p_value, risk):
    print_verdict(IMAGES, verdict("suspicious", p_value))
    said = capsys.readouterr().out
    assert "nothing is flagged" in said
    assert f"--set detector.false_alarm={risk}\n" in said


def test_a_proof_does_not(capsys):
    print_verdict(IMAGES, verdict("backdoored", 0.001))
    assert "false_alarm" not in capsys.readouterr().out


def test_a_proof_that_accuses_no_image_says_why_and_asks_for_no_risk(capsys):
    print_verdict(IMAGES, {**verdict("suspicious", 1e-6), "reason": "both sides look alike"})
    said = capsys.readouterr().out
    assert "SUSPICIOUS: target class cat (p = 1e-06)\nNothing is flagged: both sides" in said
    assert "false_alarm" not in said


@pytest.mark.parametrize(("asr", "failed"), [(0.49, True), (0.5, False), (float("nan"), False)])
def test_a_victim_whose_trigger_hardly_works_is_called_failed(capsys, tmp_path, asr, failed):
    print_victim(Scores(0.98, asr, 0.1), IMAGES, IMAGES, tmp_path)
    assert ("The attack failed (ASR below 50%)" in capsys.readouterr().out) == failed


def test_of_many_failed_cells_three_are_shown():
    assert _first(["a", "b", "c"]) == "a; b; c"
    assert _first(["a", "b", "c", "d", "e"]) == "a; b; c; and 2 more"
