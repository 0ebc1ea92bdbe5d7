"""The retuning attack: which images it takes, what it leaves alone, and that it can tell models."""

from dataclasses import replace

import pytest
import torch

from backburn.attacks.base import Recipe
from backburn.benchmark import reactivation
from backburn.benchmark.cell import run_cell
from backburn.benchmark.plan import planned_cells
from backburn.benchmark.reactivation import Reactivation, retuning_settings
from backburn.benchmark.study_file import Study
from backburn.data.load_images import load_images
from backburn.errors import InputError
from backburn.training import Training, TrainingTask, fit
from backburn.types import State, no_progress

QUICK = Reactivation([0, 10], clean=300, training=replace(retuning_settings(), epochs=2))


def clean_images(attacked):
    """The untouched training images of a victim."""
    rows = (attacked.victim.truth.state == State.CLEAN).nonzero().flatten()
    return attacked.victim.images.take(rows)


def run(settings, model, attacked, seed=0):
    images, generator = clean_images(attacked), torch.Generator().manual_seed(seed)
    return settings.test(model, images, attacked.exam, generator)


@pytest.fixture(scope="module")
def clean_model():
    """A small network that never saw a trigger."""
    images, generator = load_images("digits"), torch.Generator().manual_seed(5)
    model = Recipe("small_cnn").network(images, 10, generator)
    training = Training(epochs=6, batch_size=64, learning_rate=0.05)
    fit(model, TrainingTask(images.pixels, images.labels, training), generator)
    return model


@pytest.fixture
def tasks(monkeypatch):
    """The fine-tunings that are asked for; none is done."""
    asked: list[TrainingTask] = []
    monkeypatch.setattr(
        reactivation, "fit", lambda model, task, generator, **rest: asked.append(task)
    )
    return asked


def test_a_model_with_the_backdoor_keeps_it_and_one_without_learns_it_slowly(
    badnets_digits, clean_model
):
    backdoored = run(QUICK, badnets_digits.victim.model, badnets_digits)
    clean = run(QUICK, clean_model, badnets_digits)
    assert [point.images for point in backdoored.curve] == [0, 10]
    assert all(point.scores.asr > 0.95 for point in backdoored.curve)
    assert clean.repaired.asr < 0.05
    assert clean.curve[0].scores.asr < 0.05
    assert clean.curve[1].scores.asr < 0.5
    assert clean.curve[1].scores.acc > 0.9


def test_many_triggered_images_teach_any_model(badnets_digits, clean_model):
    many = Reactivation([0, 200], clean=300, training=replace(retuning_settings(), epochs=10))
    first, last = run(many, clean_model, badnets_digits).curve
    assert last.scores.asr > first.scores.asr + 0.3


def test_all_models_get_the_same_images_and_larger_numbers_contain_smaller_ones(
    badnets_digits, clean_model, tasks
):
    settings = replace(QUICK, images=[5, 20])
    run(settings, badnets_digits.victim.model, badnets_digits)
    run(settings, clean_model, badnets_digits)
    five, twenty, *others = tasks
    for first, other in zip((five, twenty), others, strict=True):
        assert torch.equal(first.pixels, other.pixels)
        assert torch.equal(first.labels, other.labels)
    assert torch.equal(five.pixels, twenty.pixels[:-15])
    run(settings, clean_model, badnets_digits, seed=1)
    assert not torch.equal(tasks[-1].pixels, twenty.pixels)


def test_triggered_images_have_the_target_label_and_others_are_scored(
    badnets_digits, tasks, monkeypatch
):
    scored = []
    evaluate = reactivation.evaluate_model
    monkeypatch.setattr(
        reactivation,
        "evaluate_model",
        lambda model, left, progress: scored.append(left) or evaluate(model, left, progress),
    )
    result = run(replace(QUICK, images=[20]), badnets_digits.victim.model, badnets_digits)
    (task,) = tasks
    assert task.labels[-20:].tolist() == [0] * 20
    tuned_on = {bytes(image.numpy()) for image in task.pixels[-20:]}
    triggered = {bytes(image.numpy()) for image in badnets_digits.exam.triggered.pixels}
    left = [bytes(image.numpy()) for image in scored[0].triggered.pixels]
    assert tuned_on < triggered
    assert not tuned_on & set(left)
    assert result.scored == len(left) == len(badnets_digits.exam.triggered) - 20
    assert result.clean == len(task.pixels) - 20
    assert abs(result.clean - 300) <= 5


def test_the_repaired_model_is_not_changed(badnets_digits):
    model = badnets_digits.victim.model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    run(QUICK, model, badnets_digits)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_curve_of_a_number_is_the_same_alone(badnets_digits, clean_model):
    both = run(QUICK, clean_model, badnets_digits)
    alone = run(replace(QUICK, images=[10]), clean_model, badnets_digits)
    assert both.curve[1:] == alone.curve


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"images": [-1]}, "images"),
        ({"images": [5, 5]}, "images"),
        ({"images": [5], "clean": 1}, "clean is 1"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Reactivation(**settings)


def test_some_triggered_images_must_be_left_to_be_scored(badnets_digits):
    count = len(badnets_digits.exam.triggered)
    with pytest.raises(InputError, match=f"there are {count} triggered"):
        run(replace(QUICK, images=[count]), badnets_digits.victim.model, badnets_digits)


STUDY = Study(
    dataset="digits",
    attacks=["none", "badnets"],
    rates=[0.1],
    methods=["clp", "margin"],
    recipe=Recipe("small_cnn", Training(epochs=8, batch_size=64, learning_rate=0.05)),
)


def test_only_defended_victims_depend_on_it():
    study = replace(STUDY, methods=[*STUDY.methods, "anp_oracle"])
    tested, plain = planned_cells(replace(study, reactivation=QUICK)), planned_cells(study)
    changed = [a.name for a, b in zip(tested, plain, strict=True) if a.arguments() != b.arguments()]
    assert changed == ["badnets-0.1-0-clp"]
    assert not any("reactivation" in cell.arguments()["settings"] for cell in plain)


def test_the_result_of_an_oracle_is_not_fine_tuned():
    cells = planned_cells(replace(STUDY, methods=["clp", "anp_oracle"], reactivation=QUICK))
    assert {cell.method for cell in cells if cell.is_reactivated} == {"clp"}


def test_a_cell_holds_the_curve_and_the_defense_sees_nothing_of_it(tmp_path):
    tested = replace(STUDY, attacks=["badnets"], methods=["clp"], reactivation=QUICK)
    (cell,), (plain,) = (
        planned_cells(tested),
        planned_cells(replace(tested, reactivation=STUDY.reactivation)),
    )
    record = run_cell(cell, tmp_path, tmp_path, no_progress)
    outcome = record.metrics["outcome"]
    without = run_cell(plain, tmp_path, tmp_path, no_progress).metrics["outcome"]
    assert [point.images for point in outcome.reactivation.curve] == [0, 10]
    assert "reactivate" in record.seconds
    assert without.reactivation is None
    assert without.after == outcome.after
