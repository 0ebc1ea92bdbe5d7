"""The same work on a CUDA device; skipped where there is none."""

import copy
from dataclasses import replace

import pytest
import torch

from attack_suite import SUITE
from backburn.attacks.badnets import BadNets
from backburn.attacks.base import Recipe, make_evaluation_set
from backburn.attacks.surrogates import Surrogates
from backburn.attacks.victim_folder import dump_victim
from backburn.boundary.search_boundary import search_boundary
from backburn.burn.burn import BURN
from backburn.data.sources.digits import digits
from backburn.metrics import evaluate_model, score_detection
from backburn.models.inference import best_device, device_of, predict
from backburn.testing.attacks import TINY, contract_images
from backburn.testing.cases import contract_case
from backburn.training import Training
from backburn.types import Case
from method_suite import DEFENSES, DETECTORS

RECIPE = Recipe("small_cnn", Training(epochs=16, batch_size=64, learning_rate=0.05))


@pytest.fixture(scope="module")
def cuda() -> torch.device:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return torch.device("cuda")


@pytest.fixture(scope="module")
def victim(cuda):
    """A victim trained on the device."""
    images = digits("train")
    placed = images.relabeled(images.pixels.to(cuda), images.labels)
    return BadNets().train_victim(placed, RECIPE, torch.Generator().manual_seed(0))


@pytest.fixture
def cases(victim, cuda) -> list[Case]:
    """The same case on the processor and on the device."""
    found = []
    for device in (torch.device("cpu"), cuda):
        images = victim.images.relabeled(victim.images.pixels.to(device), victim.images.labels)
        found.append(Case(copy.deepcopy(victim.model).to(device), images))
    return found


def test_the_device_is_taken_where_there_is_one(cuda):
    assert best_device().type == "cuda"


def test_both_devices_say_the_same(cases):
    first, second = (predict(case.model, case.images.pixels) for case in cases)
    assert (first.argmax(1) == second.argmax(1)).float().mean() > 0.99
    assert torch.allclose(first.softmax(1), second.softmax(1), atol=0.02)


def test_both_devices_measure_the_same_distances(cases):
    near, far = (search_boundary(case.model, case.images.pixels[:200]) for case in cases)
    assert torch.equal(near.found, far.found)
    ratio = far.distance[near.found] / near.distance[near.found]
    assert (ratio.median() - 1).abs() < 0.02
    assert ((ratio - 1).abs() < 0.1).float().mean() > 0.95


def test_both_devices_repair_alike(cases, victim):
    exam = make_evaluation_set(victim, digits("test"))
    outcomes = []
    for case in cases:
        repaired = BURN().repair(case, torch.Generator().manual_seed(0))
        assert device_of(repaired.model) == device_of(case.model)
        assert (repaired.verdict.state, repaired.verdict.target_labels) == ("backdoored", (0,))
        found = score_detection(repaired.evidence, repaired.suspects, victim.truth)
        assert found.tpr > 0.95
        assert found.fpr < 0.01
        outcomes.append(evaluate_model(repaired.model, exam))
    near, far = outcomes
    assert max(near.asr, far.asr) <= 0.02
    assert near.acc == pytest.approx(far.acc, abs=0.02)
    assert near.ra == pytest.approx(far.ra, abs=0.05)


def test_a_victim_on_the_device_can_be_written(victim):
    files = dump_victim(victim, make_evaluation_set(victim, digits("test")))
    cpu = replace(victim, images=replace(victim.images, pixels=victim.images.pixels.cpu()))
    again = dump_victim(cpu, make_evaluation_set(cpu, digits("test")))
    assert files["train.parquet"] == again["train.parquet"]
    assert files["triggered.parquet"] == again["triggered.parquet"]


@pytest.mark.parametrize("attack", SUITE, ids=lambda attack: type(attack).__name__)
def test_a_trigger_is_the_same_on_both_devices(attack, cuda):
    images = contract_images(attack)
    trigger = attack.poison(images, torch.Generator().manual_seed(0), Surrogates()).trigger
    near, far = trigger(images.pixels), trigger(images.pixels.to(cuda))
    assert far.device.type == "cuda"
    apart = (near.short() - far.cpu().short()).abs()
    assert int(apart.max()) <= 1
    assert float((apart > 0).float().mean()) < 0.01


@pytest.mark.parametrize("attack", SUITE, ids=lambda attack: type(attack).__name__)
def test_every_attack_is_mounted_on_the_device(attack, cuda):
    images = contract_images(attack).on(cuda)
    victim = attack.train_victim(images, TINY, torch.Generator().manual_seed(0))
    assert victim.images.pixels.device.type == "cuda"
    assert victim.trigger(images.pixels).device.type == "cuda"


@pytest.mark.parametrize("name", DEFENSES)
def test_every_defense_works_on_the_device(name, cuda):
    case = on_device(contract_case(DEFENSES[name].inputs), cuda)
    model = DEFENSES[name].repair(case, torch.Generator().manual_seed(0)).model
    assert device_of(model).type == "cuda"


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_works_on_the_device(name, cuda):
    case = on_device(contract_case(DETECTORS[name].inputs), cuda)
    found = DETECTORS[name].examine(case, torch.Generator().manual_seed(0))
    assert found.score.device.type == "cpu"
    assert len(found.score) == len(case.images)


def on_device(case, cuda):
    """The case with its model and images on the device."""
    holdout = case.holdout.on(cuda) if case.holdout else None
    return Case(case.model.to(cuda), case.images.on(cuda), holdout)
