"""backdoor-toolbox's sets: states without true labels, or with these where they are given."""

import pytest
import torch

from backburn.errors import InputError
from backburn.toolkits.backdoor_toolbox import read_backdoor_toolbox
from backburn.types import State
from toolkit_files import TARGET, stamped, weights, write_toolbox

POISON, COVER = [0, 2, 7], [5, 10]


def test_images_states_and_weights_are_read(tmp_path):
    clean = write_toolbox(tmp_path / "set", POISON, COVER)
    found = read_backdoor_toolbox(tmp_path / "set")
    expected = clean.pixels.clone()
    expected[POISON + COVER] = stamped(expected[POISON + COVER])
    assert found.images.pixels.equal(expected)
    assert found.images.labels[POISON].tolist() == [TARGET] * 3
    assert found.truth.poison.nonzero().flatten().tolist() == POISON
    assert (found.truth.state == State.COVER).nonzero().flatten().tolist() == COVER
    assert found.architecture == "cifar_resnet18"
    assert found.weights["linear.weight"].equal(weights()["linear.weight"])


def test_true_labels_of_poison_are_unknown_unless_they_are_given(tmp_path):
    clean = write_toolbox(tmp_path / "set", POISON, None)
    found = read_backdoor_toolbox(tmp_path / "set")
    assert found.truth.labels[POISON].tolist() == [-1] * 3
    others = ~found.truth.poison
    assert found.truth.labels[others].equal(clean.labels[others])
    assert any("(-1)" in note for note in found.notes)
    known = read_backdoor_toolbox(tmp_path / "set", clean.labels)
    assert known.truth.labels.equal(clean.labels)
    assert not any("(-1)" in note for note in known.notes)


def test_labels_in_another_order_are_refused(tmp_path):
    clean = write_toolbox(tmp_path / "set", POISON, None)
    with pytest.raises(InputError, match="in its own order"):
        read_backdoor_toolbox(tmp_path / "set", clean.labels.roll(1))


def test_one_model_is_taken_several_are_asked_about_and_none_is_said(tmp_path):
    folder = tmp_path / "set"
    write_toolbox(folder, POISON, None)
    second = folder / "full_base_no_aug_seed=1.pt"
    torch.save({"module.a": torch.ones(1)}, second)
    with pytest.raises(InputError, match="2 models"):
        read_backdoor_toolbox(folder)
    assert list(read_backdoor_toolbox(folder, model=second).weights) == ["a"]
    for file in folder.glob("*.pt"):
        file.unlink()
    found = read_backdoor_toolbox(folder)
    assert found.weights == {}
    assert any("no model" in note for note in found.notes)


@pytest.mark.parametrize(
    ("file", "held", "told"),
    [
        ("imgs", torch.zeros(24, 3, 8, 8).double(), "no float32 tensor"),
        ("imgs", [1.0], "no float32 tensor"),
        ("imgs", torch.zeros(24, 4, 8, 8), "c 1 or 3"),
        ("imgs", torch.full((24, 3, 8, 8), 2.0), "outside of"),
        ("imgs", torch.full((24, 3, 8, 8), float("nan")), "outside of"),
        ("imgs", torch.zeros(1).expand(24, 3, 8, 8), "larger than"),
        ("labels", torch.zeros(23, dtype=torch.int64), "24 images, 23 labels"),
        ("labels", torch.zeros(24), "whole numbers"),
        ("labels", torch.full((24,), -1), "out of range"),
        ("poison_indices", [24], "out of range"),
        ("poison_indices", [0.0], "whole numbers"),
        ("poison_indices", "0", "no list of numbers"),
        ("cover_indices", [0], "as poison and as cover"),
        ("full_base_aug_seed=2333.pt", torch.ones(3), "no state_dict"),
    ],
)
def test_what_does_not_fit_is_told_in_a_line(tmp_path, file, held, told):
    write_toolbox(tmp_path / "set", POISON, None)
    torch.save(held, tmp_path / "set" / file)
    with pytest.raises(InputError, match=told) as caught:
        read_backdoor_toolbox(tmp_path / "set")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["imgs", "labels", "poison_indices"])
def test_a_missing_file_is_told(tmp_path, name):
    write_toolbox(tmp_path / "set", POISON, None)
    (tmp_path / "set" / name).unlink()
    with pytest.raises(InputError, match=f"no file at .*{name}"):
        read_backdoor_toolbox(tmp_path / "set")
