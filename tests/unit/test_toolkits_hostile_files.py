"""Records that are broken or malicious: one line each, nothing is run, nothing outside is read."""

import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from backburn.errors import InputError
from backburn.toolkits.backdoor_toolbox import read_backdoor_toolbox
from backburn.toolkits.backdoorbench import read_backdoorbench
from backburn.toolkits.safe_torch_load import SAFE_GLOBALS, safe_load
from toolkit_files import TARGET, write_record, write_toolbox

POISON = {0: TARGET, 2: TARGET}


class Trap:
    """Unpickling it makes a folder: proof that code was run."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


class Says:
    """Pickles as a call of a function of numpy's with arguments of our own."""

    def __init__(self, function, *arguments, state=None):
        self.parts = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.parts


def refused(record: Path, clean) -> str:
    with pytest.raises(InputError) as caught:
        read_backdoorbench(record, clean)
    line = str(caught.value)
    assert "\n" not in line
    assert str(record) in line
    return line


@pytest.mark.parametrize("place", ["model", "bd_train", "data_path", "extra"])
def test_code_in_a_record_is_refused_and_never_run(tmp_path, place):
    proof, record = tmp_path / "proof", tmp_path / "badnet"
    clean = write_record(record, POISON, change=lambda held: {**held, place: Trap(proof)})
    assert "code in a file is never run): it asks for " in refused(record, clean)
    assert not proof.exists()


def lying_dtype():
    """A dtype of objects that says it holds plain bytes: numpy would take them for pointers."""
    fields = {"f": (np.dtype("O"), 0)}
    state = (3, "|", None, ("f",), fields, 8, 1, 0)
    dtype = Says(np.dtype, "V8", False, True, state=state)
    reconstruct = np.ndarray(0).__reduce__()[0]
    array_state = (1, (2,), dtype, False, b"A" * 16)
    return Says(reconstruct, np.ndarray, (0,), b"b", state=array_state)


@pytest.mark.parametrize(
    "array",
    [
        lying_dtype(),
        np.array([{}], dtype=object),
        np.array(["text"]),
        np.zeros(2, dtype=[("a", "i4")]),
        np.array(["2020-01-01"], dtype="datetime64[D]"),
    ],
    ids=["pointers", "objects", "text", "records", "dates"],
)
def test_arrays_of_anything_but_numbers_are_refused(tmp_path, array):
    def change(held):
        held["bd_train"]["poison_indicator"] = array
        return held

    record = tmp_path / "badnet"
    refused(record, write_record(record, POISON, change=change))


def test_an_array_larger_than_its_bytes_is_refused(tmp_path):
    reconstruct, _, state = np.zeros(3).__reduce__()
    vast = Says(reconstruct, np.ndarray, (0,), b"b", state=(1, (10**12,), *state[2:]))
    torch.save({"a": vast}, tmp_path / "vast")
    with pytest.raises(InputError, match="without the bytes"):
        safe_load(tmp_path / "vast")


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.arange(4, dtype=">i4"),
        np.array([True, False]),
        np.zeros((0, 3), np.float32),
        np.array(3.5),
    ],
    ids=["float64", "fortran", "big-endian", "bool", "empty", "scalar"],
)
def test_arrays_of_numbers_are_what_numpy_saved(tmp_path, array):
    torch.save({"array": array, "one": array.dtype.type(1)}, tmp_path / "file")
    held = safe_load(tmp_path / "file")
    np.testing.assert_array_equal(held["array"].values, array)
    assert held["one"] == 1
    assert isinstance(held["one"], (int, float, bool))


def test_the_stand_ins_are_gone_when_a_file_is_read(tmp_path):
    torch.save({"a": 1}, tmp_path / "file")
    safe_load(tmp_path / "file")
    assert not set(SAFE_GLOBALS) & set(torch.serialization.get_safe_globals())


@pytest.mark.parametrize(
    "path",
    [
        "/etc/hostname",
        "./record/badnet/bd_train_dataset/../../../../../etc/hostname",
        "./record/badnet/bd_train_dataset/../bd_test_dataset/0/4.png",
        "..\\..\\secret.png",
        "./record/other/bd_train_dataset/0/0.png",
        "./record/badnet/bd_train_dataset",
        "./record/badnet/bd_train_dataset/0/0.png\0.txt",
        "",
    ],
)
def test_a_path_outside_of_the_folder_is_refused(tmp_path, path):
    def change(held):
        held["bd_train"]["bd_data_container"]["data_dict"][0]["path"] = path
        return held

    record = tmp_path / "badnet"
    assert "not opened" in refused(record, write_record(record, POISON, change=change))


@pytest.mark.parametrize("saved", ["/", "", "..", "./record/.."])
def test_a_save_folder_without_a_name_is_refused(tmp_path, saved):
    def change(held):
        held["bd_train"]["bd_data_container"]["save_folder_path"] = saved
        return held

    record = tmp_path / "badnet"
    refused(record, write_record(record, POISON, change=change))


def test_links_out_of_the_record_are_refused_and_links_within_it_are_not(tmp_path):
    record = tmp_path / "badnet"
    clean = write_record(record, POISON)
    file = record / "bd_train_dataset" / "0" / "0.png"
    shutil.copy(file, tmp_path / "outside.png")
    file.rename(record / "moved.png")
    file.symlink_to(record / "moved.png")
    assert len(read_backdoorbench(record, clean).images) == len(clean)
    file.unlink()
    file.symlink_to(tmp_path / "outside.png")
    assert "a link out of it" in refused(record, clean)
    file.unlink()
    file.symlink_to(file)
    assert "missing" in refused(record, clean)


def in_memory(held):
    image = Image.new("RGB", (8, 8))
    held["bd_train"]["bd_data_container"].update(
        save_folder_path=None, data_dict={0: (image, TARGET, 0)}
    )
    return held


def without(*keys):
    def change(held):
        inner = held
        for key in keys[:-1]:
            inner = inner[key]
        del inner[keys[-1]]
        return held

    return change


def with_train(**values):
    def change(held):
        held["bd_train"].update(values)
        return held

    return change


def labeled(*labels):
    def change(held):
        held["bd_train"]["bd_data_container"]["data_dict"][0]["other_info"] = list(labels)
        return held

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (in_memory, "attack again with a save folder"),
        (lambda held: {**held, "bd_train": None}, "bd_train is None"),
        (lambda held: [held], "Expected `object`"),
        (lambda held: {**held, "num_classes": "4"}, "num_classes"),
        (lambda held: {**held, "num_classes": 1}, "1 classes"),
        (lambda held: {**held, "num_classes": 3}, "3 classes"),
        (lambda held: {**held, "model": {}}, "no state_dict"),
        (lambda held: {**held, "model": {"a": 3}}, "no state_dict"),
        (lambda held: {**held, "model": {"a": torch.ones(1).expand(9**9)}}, "larger than"),
        (lambda held: {**held, "model_name": "<b>\n</b>"}, "names no network"),
        (without("bd_train", "bd_data_container"), "bd_data_container"),
        (without("bd_train", "poison_indicator"), "poison_indicator"),
        (without("bd_train", "bd_data_container", "data_dict", 0), "does not hold it"),
        (with_train(poison_indicator=np.zeros((24, 1))), "no list of numbers"),
        (with_train(original_index_array=np.array([24])), "out of range"),
        (with_train(original_index_array=np.array([-1])), "out of range"),
        (with_train(original_index_array=np.array([0.5])), "whole numbers"),
        (labeled(1.0, 0), "Expected `int`, got `float`"),
        (labeled(np.float32(1), 0), "Expected `int`, got `float`"),
        (labeled(-1, 0), "labels"),
        (labeled(4, 0), "labels"),
        (labeled(1), "other_info"),
    ],
)
def test_a_record_that_is_not_whole_is_refused_in_a_line(tmp_path, change, told):
    record = tmp_path / "badnet"
    assert told in refused(record, write_record(record, POISON, change=change))


def test_a_record_of_another_number_of_images_is_refused(tmp_path):
    fewer = with_train(poison_indicator=np.zeros(20), original_index_array=np.arange(20))
    record = tmp_path / "badnet"
    clean = write_record(record, POISON, change=fewer)
    assert "made from 20 images, not 24" in refused(record, clean)


def test_a_missing_record_and_a_missing_image_are_told(tmp_path):
    record = tmp_path / "badnet"
    clean = write_record(record, POISON)
    (record / "bd_train_dataset" / "0" / "0.png").unlink()
    assert "0.png' is missing" in refused(record, clean)
    (record / "attack_result.pt").unlink()
    assert "no file at" in refused(record, clean)


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"PK\3\4"])
def test_a_damaged_record_is_told(tmp_path, damage):
    record = tmp_path / "badnet"
    clean = write_record(record, POISON)
    file = record / "attack_result.pt"
    file.write_bytes(damage(file.read_bytes()))
    assert "does not open" in refused(record, clean)


def test_a_file_that_unpacks_to_more_than_it_is_is_refused(tmp_path):
    torch.save(torch.zeros(10**6), tmp_path / "plain")
    with (
        zipfile.ZipFile(tmp_path / "plain") as plain,
        zipfile.ZipFile(tmp_path / "bomb", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for member in plain.infolist():
            bomb.writestr(member.filename, plain.read(member))
    assert (tmp_path / "bomb").stat().st_size < 10**5
    with pytest.raises(InputError, match="would unpack to"):
        safe_load(tmp_path / "bomb")


def test_files_of_the_toolbox_that_hold_code_are_refused_and_never_run(tmp_path):
    proof = tmp_path / "proof"
    for name in ("imgs", "labels", "poison_indices", "cover_indices", "full_base_aug_seed=2333.pt"):
        folder = tmp_path / name.partition(".")[0]
        write_toolbox(folder, [0, 2], [3])
        torch.save(Trap(proof), folder / name)
        with pytest.raises(InputError, match="never run"):
            read_backdoor_toolbox(folder)
    assert not proof.exists()
