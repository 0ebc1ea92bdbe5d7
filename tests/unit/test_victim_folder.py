"""A victim written to a folder and read again."""

from pathlib import Path

import pytest
import torch

from backburn.attacks.badnets import BadNets
from backburn.attacks.base import make_evaluation_set
from backburn.attacks.none import NoAttack
from backburn.attacks.surrogates import Surrogates
from backburn.attacks.victim_folder import (
    dump_victim,
    is_victim,
    read_case,
    read_truth,
    read_victim,
)
from backburn.errors import InputError
from backburn.metrics import evaluate_model
from backburn.models.inference import predict
from backburn.models.nets.zoo import build
from backburn.types import EvaluationSet, LabeledImages, Victim

CPU = torch.device("cpu")


def make(attack, channels: int = 3, classes: int = 4) -> tuple[Victim, EvaluationSet]:
    """A victim whose network was never trained; its folder does not care."""
    generator = torch.Generator().manual_seed(0)
    names = tuple(f"class {k}" for k in range(classes))

    def noise(count: int) -> LabeledImages:
        pixels = torch.randint(256, (count, channels, 8, 8), generator=generator).to(torch.uint8)
        return LabeledImages(pixels, torch.arange(count) % classes, names)

    planted = attack.poison(noise(40), generator, Surrogates())
    model = build("small_cnn-w4", classes, channels, generator=generator).eval()
    victim = Victim(model, planted.images, planted.truth, planted.trigger, attack.goal(classes))
    return victim, make_evaluation_set(victim, noise(12))


def write(folder: Path, victim: Victim, exam: EvaluationSet, layout: str = "parquet") -> Path:
    for name, content in dump_victim(victim, exam, layout=layout).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def made() -> tuple[Victim, EvaluationSet]:
    return make(BadNets(poisoning_rate=0.2, target_label=1))


@pytest.fixture
def folder(tmp_path, made) -> Path:
    return write(tmp_path / "victim", *made)


def assert_same(found: LabeledImages, expected: LabeledImages) -> None:
    assert torch.equal(found.pixels, expected.pixels)
    assert torch.equal(found.labels, expected.labels)
    assert found.class_names == expected.class_names


@pytest.mark.parametrize("channels", [1, 3])
def test_everything_is_read_as_it_was_written(tmp_path, channels):
    victim, exam = make(BadNets(poisoning_rate=0.2, target_label=1), channels)
    case, truth, read = read_victim(write(tmp_path / "victim", victim, exam), CPU)
    assert_same(case.images, victim.images)
    assert torch.equal(truth.state, victim.truth.state)
    assert truth.state.dtype == torch.int8
    assert torch.equal(truth.labels, victim.truth.labels)
    assert_same(read.clean, exam.clean)
    assert_same(read.triggered, exam.triggered)
    assert read.wanted.tolist() == [1] * 9  # of 12 test images 3 are of the target class
    images = exam.clean.pixels
    assert torch.equal(predict(case.model, images), predict(victim.model, images))


def test_a_defender_sees_the_same_whether_or_not_there_is_a_truth(folder, made):
    before = read_case(folder, CPU)
    for name in ("truth.parquet", "test.parquet", "triggered.parquet", "wanted.parquet"):
        (folder / name).unlink()
    after = read_case(folder, CPU)
    assert_same(after.images, before.images)
    assert read_truth(folder) is None
    with pytest.raises(InputError, match=r"no truth\.parquet"):
        read_victim(folder, CPU)


def test_a_clean_model_has_no_triggered_images(tmp_path):
    victim, exam = make(NoAttack())
    folder = write(tmp_path / "victim", victim, exam)
    assert {path.name for path in folder.iterdir()} == {
        "model.safetensors", "train.parquet", "truth.parquet", "test.parquet",
    }  # fmt: skip
    _, truth, read = read_victim(folder, CPU)
    assert not truth.state.any()
    assert len(read.triggered) == len(read.wanted) == 0
    scores = evaluate_model(victim.model, read)
    assert 0 <= scores.acc <= 1
    assert scores.asr != scores.asr


def test_a_victim_with_two_classes_is_read_again(tmp_path):
    # all triggered images are of one class then, which is no mistake
    victim, exam = make(BadNets(poisoning_rate=0.2, target_label=1), classes=2)
    _, _, read = read_victim(write(tmp_path / "victim", victim, exam), CPU)
    assert_same(read.triggered, exam.triggered)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_tree_of_files_is_the_same_case(tmp_path, channels):
    victim, exam = make(BadNets(poisoning_rate=0.2, target_label=1), channels)
    folder = write(tmp_path / "tree", victim, exam, "folder")
    assert is_victim(folder)
    assert sorted(path.name for path in (folder / "train").iterdir()) == [
        f"class {k}" for k in range(4)
    ]
    case, truth, _ = read_victim(folder, CPU)
    order = victim.images.labels.argsort(stable=True)
    assert_same(case.images, victim.images.take(order))
    assert torch.equal(truth.state, victim.truth.state[order])
    assert torch.equal(truth.labels, victim.truth.labels[order])


def test_nothing_is_pickled(folder):
    assert {path.suffix for path in folder.iterdir()} == {".safetensors", ".parquet", ".png"}


@pytest.mark.parametrize("missing", ["model.safetensors", "train.parquet"])
def test_a_folder_without_model_or_images_is_no_victim(folder, missing):
    assert is_victim(folder)
    (folder / missing).unlink()
    assert not is_victim(folder)


def other(name: str) -> bytes:
    """A file of another victim, with fewer training and test images."""
    victim, exam = make(BadNets(poisoning_rate=0.2, target_label=1))
    rows = torch.arange(20)
    fewer = Victim(
        victim.model,
        victim.images.take(rows),
        type(victim.truth)(victim.truth.state[rows], victim.truth.labels[rows]),
        victim.trigger,
        victim.goal,
    )
    return dump_victim(fewer, make_evaluation_set(fewer, exam.clean.take(rows[:8])))[name]


@pytest.mark.parametrize("name", ["truth.parquet", "train.parquet", "wanted.parquet"])
def test_files_of_two_victims_are_not_mixed(folder, name):
    (folder / name).write_bytes(other(name))
    with pytest.raises(InputError, match=r"mixed up.*make the victim again"):
        read_victim(folder, CPU)


@pytest.mark.parametrize("name", ["truth.parquet", "wanted.parquet"])
@pytest.mark.parametrize("damage", ["junk", "weights", "gone"])
def test_a_truth_that_cannot_be_read_is_refused_by_path(folder, name, damage):
    content = {"junk": b"junk", "weights": (folder / "model.safetensors").read_bytes()}
    if damage == "gone":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content[damage])
    with pytest.raises(InputError) as caught:
        read_victim(folder, CPU)
    assert name in str(caught.value)
