"""A victim is handed to a method, and what comes of it is judged: real cells of small victims."""

import copy
import json
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from backburn.attacks.base import Recipe
from backburn.benchmark import cell as cells
from backburn.benchmark.cell import run_cell
from backburn.benchmark.plan import planned_cells
from backburn.benchmark.study_file import Study
from backburn.data.load_images import load_images
from backburn.errors import InputError
from backburn.interfaces import Defense, Detector, Oracle, OracleInputs
from backburn.registry import DEFENSES, DETECTORS, ORACLES
from backburn.results import Evidence
from backburn.runs import to_json
from backburn.training import Training
from backburn.types import no_progress

STUDY = Study(
    dataset="digits",
    attacks=["none", "badnets"],
    rates=[0.1],
    methods=["clp", "margin"],
    recipe=Recipe("small_cnn", Training(epochs=8, batch_size=64, learning_rate=0.05)),
)


@pytest.fixture(scope="module")
def victims(tmp_path_factory):
    return tmp_path_factory.mktemp("victims")


def ran(name, victims, study=STUDY):
    (cell,) = (cell for cell in planned_cells(study) if cell.name == name)
    return run_cell(cell, victims, victims, no_progress)


def test_a_defence_without_suspects_has_no_verdict_and_nothing_found(victims):
    record = ran("badnets-0.1-0-clp", victims)
    outcome = json.loads(to_json(record))["metrics"]["outcome"]
    assert (outcome["found"], outcome["verdict"], outcome["p_value"]) == (None, None, None)
    assert outcome["before"]["asr"] > 0.9
    assert 0.4 < outcome["der"] <= 1
    assert outcome["clean"]["asr"] < 0.1
    assert {"victim", "read", "repair", "test"} == set(record.seconds)
    assert record.memory
    assert record.memory > 100


def test_what_a_victim_scored_when_it_was_made_is_what_it_scores(victims):
    record = ran("badnets-0.1-0-clp", victims)
    folder = victims / "badnets-0.1-0"
    case, _, exam = cells.read_victim(folder, torch.device("cpu"))
    assert record.metrics["outcome"].before == cells.evaluate_model(case.model, exam)


def test_a_detector_is_held_against_the_truth(victims):
    found = ran("badnets-0.1-0-margin", victims).metrics["detected"]
    assert found.auroc > 0.8
    assert found.restored != found.restored
    clean = ran("none-0-0-margin", victims).metrics
    assert clean["detected"].auroc != clean["detected"].auroc
    assert clean["before"].asr != clean["before"].asr


SEEN: list = []


@dataclass(frozen=True)
class Nosy(Detector):
    """Remembers what it was handed."""

    def examine(self, case, generator, progress=no_progress):
        SEEN.append(case)
        count = len(case.images)
        return Evidence(torch.zeros(count), torch.zeros(count, dtype=torch.bool))


def test_a_method_gets_no_more_than_it_says(victims, monkeypatch):
    monkeypatch.setattr(Study, "build_method", lambda study, method: Nosy())
    ran("badnets-0.1-0-margin", victims)
    (case,) = SEEN
    assert case.holdout is case.base is case.witness is None
    assert set(case.__slots__) == {"model", "images", "holdout", "base", "witness"}


@dataclass(frozen=True)
class Proposing(Oracle):
    """Proposes the given model, one that says class 3, and one that says class 4."""

    inputs: ClassVar[OracleInputs] = OracleInputs("none", 0.05)

    def candidates(self, case, generator, progress=no_progress):
        SEEN.append(case)
        yield case.model
        for label in (3, 4):
            model = copy.deepcopy(case.model)
            with torch.no_grad():
                model.head.weight.zero_()
                model.head.bias.copy_(torch.eye(10)[label])
            yield model

    def prefers(self, given, best, new):
        return new.asr < best.asr


def test_the_test_picks_one_of_an_oracles_models_and_shows_it_no_trigger(victims, monkeypatch):
    SEEN.clear()
    monkeypatch.setattr(Study, "build_method", lambda study, method: Proposing())
    outcome = ran("badnets-0.1-0-clp", victims).metrics["outcome"]
    assert outcome.before.asr > 0.9
    assert outcome.after.asr == 0.0  # the first that no other beats: all images are called 3
    digits = load_images("digits", split="test")
    assert outcome.after.acc == pytest.approx(float((digits.labels == 3).float().mean()))
    (case,) = SEEN
    assert len(case.images) == 0
    assert set(case.__slots__) == {"model", "images", "holdout", "base", "witness"}


def test_an_oracle_is_no_defense_and_says_what_it_is_given():
    assert set(ORACLES).isdisjoint({**DEFENSES, **DETECTORS})
    for oracle in ORACLES.values():
        assert not issubclass(oracle, Defense)
        assert "test images with triggers" in str(oracle.inputs)
    study = replace(STUDY, attacks=["badnets"], methods=["anp_oracle"])
    (cell,) = planned_cells(study)
    assert cell.kind == "defense"
    assert str(cell.inputs) == "5 % clean + test images with triggers"


def test_a_fresh_holdout_is_of_images_that_no_victim_has_seen(tmp_path):
    study = replace(STUDY, attacks=["badnets"], methods=["scan"], skip=400, fresh_holdout=True)
    (cell,) = planned_cells(study)
    assert cell.arguments()["settings"]["fresh_holdout"] is True
    run_cell(cell, tmp_path, tmp_path, no_progress)
    folder = tmp_path / cell.victim_name
    record = cells.ensure_victim(cell, tmp_path, folder, no_progress)
    victim = cells._load_victim(cell, tmp_path, folder, record, None, no_progress)
    holdout = cells._method_case(cell, victim).holdout
    assert len(victim.reserve) == 400
    seen = {bytes(image.numpy()) for image in victim.case.images.pixels}
    assert not seen & {bytes(image.numpy()) for image in holdout.pixels}


def test_only_methods_with_a_holdout_depend_on_where_it_is_from():
    study = replace(STUDY, skip=400, fresh_holdout=True)
    made = [cell.arguments()["settings"] for cell in planned_cells(study)]
    assert not any("fresh_holdout" in settings for settings in made)
    with pytest.raises(InputError, match="fresh_holdout"):
        replace(STUDY, fresh_holdout=True)


def test_our_methods_are_given_a_holdout_where_the_study_says_so():
    study = replace(STUDY, attacks=["badnets"], methods=["default", "margin"], holdout=0.1)
    ours, other = planned_cells(study)
    assert ours.arguments()["settings"]["holdout"] == 0.1
    assert ours.inputs.holdout == 0.1
    assert "holdout" not in other.arguments()["settings"]
    assert other.inputs.holdout == 0.0
    without = planned_cells(replace(study, holdout=0.0))[0]
    assert "holdout" not in without.arguments()["settings"]
    with pytest.raises(InputError, match="holdout is 1"):
        replace(STUDY, holdout=1.0)
