"""BackdoorBench's records in, with three states of truth, and its results out."""

import io

import pytest
import torch

from backburn.errors import InputError
from backburn.toolkits.backdoorbench import dump_defense_result, read_backdoorbench
from backburn.types import State
from toolkit_files import CLASSES, TARGET, clean_images, stamped, weights, write_record

POISON, COVER = {0: TARGET, 2: TARGET, 7: TARGET}, {5: 1, 10: 2}


@pytest.mark.parametrize("core", ["core", "_core"])
def test_a_record_gives_images_truth_test_images_and_weights(tmp_path, core):
    record = tmp_path / "badnet"
    clean = write_record(record, POISON | COVER, core=core)
    found = read_backdoorbench(record, clean)
    rows, poison = list(POISON | COVER), list(POISON)
    assert found.images.pixels[rows].equal(stamped(clean.pixels[rows]))
    others = [row for row in range(len(clean)) if row not in rows]
    assert found.images.pixels[others].equal(clean.pixels[others])
    assert found.images.labels[poison].tolist() == [TARGET] * 3
    assert found.truth.labels.equal(clean.labels)
    assert found.truth.poison.nonzero().flatten().tolist() == poison
    assert (found.truth.state == State.COVER).nonzero().flatten().tolist() == list(COVER)
    assert found.images.names == clean.names
    assert found.architecture == "cifar_preact_resnet18"
    assert found.weights.keys() == weights().keys()
    assert found.weights["conv1.weight"].equal(weights()["conv1.weight"])


def test_triggered_test_images_keep_the_order_of_their_rows_and_leave_the_target_out(tmp_path):
    clean = write_record(tmp_path / "badnet", POISON)
    found = read_backdoorbench(tmp_path / "badnet", clean)
    assert found.triggered.labels.tolist() == [0, 2, 3]  # 5 is of the target class
    assert found.triggered.pixels.equal(stamped(clean.pixels[[4, 6, 7]]))
    assert found.wanted.tolist() == [TARGET] * 3


def test_the_clean_images_are_left_as_they_were(tmp_path):
    clean = write_record(tmp_path / "badnet", POISON)
    read_backdoorbench(tmp_path / "badnet", clean)
    assert clean.pixels.equal(clean_images().pixels)
    assert clean.labels.equal(clean_images().labels)


def test_where_no_label_changes_all_that_is_marked_is_clean_label_poison(tmp_path):
    clean = write_record(tmp_path / "sig", {1: TARGET, 5: TARGET})
    found = read_backdoorbench(tmp_path / "sig", clean)
    assert found.truth.poison.nonzero().flatten().tolist() == [1, 5]
    assert any("clean-label" in note for note in found.notes)


def test_a_training_set_may_be_a_part_of_the_original(tmp_path):
    def part(held):
        held["bd_train"]["original_index_array"] = torch.tensor([7, 3, 0])
        return held

    clean = write_record(tmp_path / "badnet", POISON, change=part)
    found = read_backdoorbench(tmp_path / "badnet", clean)
    assert found.truth.labels.tolist() == [3, 3, 0]
    assert found.truth.poison.tolist() == [True, False, True]


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.int64, torch.bool])
def test_marks_may_be_numbers_of_any_kind(tmp_path, kind):
    def change(held):
        marks = torch.tensor(held["bd_train"]["poison_indicator"]).to(kind)
        held["bd_train"]["poison_indicator"] = marks
        return held

    clean = write_record(tmp_path / "badnet", POISON, change=change)
    found = read_backdoorbench(tmp_path / "badnet", clean)
    assert found.truth.poison.nonzero().flatten().tolist() == list(POISON)


def test_the_prefix_of_data_parallel_is_taken_off(tmp_path):
    clean = write_record(tmp_path / "badnet", POISON, prefix="module.")
    assert "linear.bias" in read_backdoorbench(tmp_path / "badnet", clean).weights


def test_networks_of_torchvision_are_named_as_ours_are(tmp_path):
    clean = write_record(
        tmp_path / "r", POISON, change=lambda held: {**held, "model_name": "vgg19"}
    )
    assert read_backdoorbench(tmp_path / "r", clean).architecture == "torchvision:vgg19"


def test_a_record_without_test_images_says_so(tmp_path):
    clean = write_record(tmp_path / "r", POISON, change=lambda held: {**held, "bd_test": None})
    found = read_backdoorbench(tmp_path / "r", clean)
    assert (found.triggered, found.wanted) == (None, None)
    assert "the record holds no triggered test images" in found.notes


def test_a_poisoned_image_that_cannot_be_decoded_is_named_and_the_others_are_kept(tmp_path):
    clean = write_record(tmp_path / "badnet", POISON)
    (tmp_path / "badnet" / "bd_train_dataset" / "2" / "2.png").write_bytes(b"\x89PNG broken")
    found = read_backdoorbench(tmp_path / "badnet", clean)
    assert len(found.images) == len(found.truth.labels) == len(clean) - 1
    assert found.truth.poison.nonzero().flatten().tolist() == [0, 6]
    assert found.images.skipped[0].startswith("2.png: ")


def test_images_in_another_order_are_refused(tmp_path):
    clean = write_record(tmp_path / "badnet", POISON)
    shuffled = clean.take(torch.arange(len(clean)).roll(1))
    with pytest.raises(InputError, match="in the attack's own order"):
        read_backdoorbench(tmp_path / "badnet", shuffled)


def test_images_of_another_size_or_number_are_refused(tmp_path):
    clean = write_record(tmp_path / "badnet", POISON)
    small = clean.relabeled(clean.pixels[:, :, :4], clean.labels)
    with pytest.raises(InputError, match="at the size that the attack ran at"):
        read_backdoorbench(tmp_path / "badnet", small)
    with pytest.raises(InputError, match="24 images, not 20"):
        read_backdoorbench(tmp_path / "badnet", clean.take(torch.arange(20)))


def test_a_result_is_read_by_torch_alone_and_holds_plain_tensors():
    content = dump_defense_result(weights(), "cifar_preact_resnet18")
    result = torch.load(io.BytesIO(content), weights_only=True)
    assert set(result) == {"model_name", "num_classes", "model"}
    assert (result["model_name"], result["num_classes"]) == ("preactresnet18", CLASSES)
    assert all(result["model"][name].equal(weight) for name, weight in weights().items())


def test_a_result_for_a_network_that_they_lack_is_refused():
    for name in ("preact_resnet18", "timm:vit_tiny", "torchvision:"):
        with pytest.raises(InputError, match="no network"):
            dump_defense_result(weights(), name)


def test_what_came_in_goes_out_under_their_name(tmp_path):
    def other(held):
        return {**held, "model_name": "resnet18"}

    clean = write_record(tmp_path / "badnet", POISON, change=other)
    found = read_backdoorbench(tmp_path / "badnet", clean)
    content = dump_defense_result(found.weights, found.architecture, CLASSES)
    assert torch.load(io.BytesIO(content), weights_only=True)["model_name"] == "resnet18"
