"""Reading a parquet file with columns image and label, and writing one."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from backburn.data.load_images import has_split, load_images
from backburn.data.writing import dump_parquet
from backburn.errors import InputError
from backburn.types import LabeledImages


def png(level: int) -> dict[str, bytes | None]:
    buffer = io.BytesIO()
    Image.new("L", (4, 4), level).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": None}


@pytest.fixture
def table(tmp_path):
    def write(image, label, names=("image", "label"), file="rows.parquet"):
        pq.write_table(pa.table([image, label], names=list(names)), tmp_path / file)
        return tmp_path / file

    return write


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("class_names", [(), ("ant", "bee", "cat")])
def test_written_images_are_read_back_exactly(tmp_path, generator, channels, class_names):
    pixels = torch.randint(256, (6, channels, 5, 7), generator=generator).to(torch.uint8)
    labels = torch.tensor([2, 0, 1, 1, 2, 0])
    path = tmp_path / "rows.parquet"
    path.write_bytes(dump_parquet(LabeledImages(pixels, labels, class_names)))
    read = load_images(path)
    assert torch.equal(read.pixels, pixels)
    assert torch.equal(read.labels, labels)
    assert read.class_names == (class_names or ("0", "1", "2"))


def test_rows_are_named_by_number(table):
    assert load_images(table([png(5), png(6)], [1, 0])).names == ("row 0", "row 1")


@pytest.mark.parametrize("kind", [pa.int64(), pa.int32(), pa.uint8(), pa.bool_()], ids=str)
def test_plain_whole_numbers_are_labels_without_class_names(table, kind):
    read = load_images(table([png(5), png(6)], pa.array([0, 1]).cast(kind)))
    assert (read.labels.tolist(), read.labels.dtype) == ([0, 1], torch.int64)
    assert read.class_names == ()
    assert read.pixels[:, 0, 0, 0].tolist() == [5, 6]


def test_a_column_of_bare_image_bytes_is_read(table):
    read = load_images(table([png(5)["bytes"], png(6)["bytes"]], [0, 1]))
    assert read.pixels[:, 0, 0, 0].tolist() == [5, 6]


def test_each_split_is_read_from_its_own_file(tmp_path, table):
    table([png(1), png(2)], [0, 1], file="train.parquet")
    table([png(3), png(4)], [0, 1], file="test.parquet")
    assert load_images(tmp_path).pixels[:, 0, 0, 0].tolist() == [1, 2]
    assert load_images(tmp_path, split="test").pixels[:, 0, 0, 0].tolist() == [3, 4]


def test_a_file_with_brackets_in_its_name_is_read(table):
    assert len(load_images(table([png(5), png(6)], [1, 0], file="rows[1].parquet"))) == 2


def test_a_limit_takes_the_first_rows(table):
    read = load_images(table([png(5), png(6), png(7)], [0, 1, 1]), limit=2)
    assert read.names == ("row 0", "row 1")


@pytest.mark.parametrize(
    "broken",
    [None, {"bytes": b"", "path": None}, {"bytes": b"x", "path": None}],
    ids=["null", "no bytes", "no image"],
)
def test_a_corrupt_row_is_skipped_and_named(table, broken):
    read = load_images(table([png(5), broken, png(6)], [0, 1, 1]))
    assert read.names == ("row 0", "row 2")
    assert [entry.partition(":")[0] for entry in read.skipped] == ["row 1"]


@pytest.mark.parametrize("label", [-1, None])
def test_a_label_that_is_no_class_number_is_refused_with_its_row(table, label):
    with pytest.raises(InputError, match=f"label {label} of row 1 in .* is out of range"):
        load_images(table([png(5), png(6)], [0, label]))


@pytest.mark.parametrize("labels", [[0.0, 1.5], ["0.0", "1.5"], ["1", "-1"], ["cat", None]])
def test_labels_that_are_no_whole_numbers_are_refused(table, labels):
    with pytest.raises(InputError, match=r"(label .* of )?row 1 .*(is no whole number|no label)"):
        load_images(table([png(5), png(6)], labels))


TEXTS = {
    "string": pa.array(["dog", "cat"], pa.string()),
    "large": pa.array(["dog", "cat"], pa.large_string()),
    "view": pa.array(["dog", "cat"], pa.string_view()),
    "dictionary": pa.array(["dog", "cat"]).dictionary_encode(),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_labels_may_be_text_of_any_kind(table, kind):
    images = load_images(table([png(5), png(6)], TEXTS[kind]))
    assert (images.class_names, images.labels.tolist()) == (("cat", "dog"), [1, 0])


def test_whole_numbers_may_be_floats(table):
    assert load_images(table([png(5), png(6)], [1.0, 0.0])).labels.tolist() == [1, 0]


@pytest.mark.parametrize("names", [("img", "labels"), ("image", "fine_label")], ids="-".join)
def test_columns_may_have_the_names_that_the_hub_uses(table, names):
    assert load_images(table([png(5), png(6)], [1, 0], names=names)).labels.tolist() == [1, 0]


def test_labels_that_are_text_are_classes_in_order(table):
    read = load_images(table([png(5), png(6), png(7)], ["dog", "cat", "dog"]))
    assert (read.labels.tolist(), read.class_names) == ([1, 0, 1], ("cat", "dog"))


def test_a_limit_does_not_change_what_text_labels_mean(table):
    path = table([png(5), png(6), png(7)], ["dog", "cat", "ant"])
    assert load_images(path, limit=2).labels.tolist() == [2, 1]


@pytest.mark.parametrize(
    "files",
    [
        ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"],
        ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"],
        ["train/0000.parquet", "train/0001.parquet"],
        ["a.parquet", "b.parquet"],
    ],
    ids="-".join,
)
def test_shards_are_read_in_order(tmp_path, table, files):
    for number, file in enumerate(files):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        table([png(number), png(10 + number)], [0, 1], file=file)
    assert load_images(tmp_path).pixels[:, 0, 0, 0].tolist() == [0, 10, 1, 11]
    assert has_split(tmp_path, "train") == ("train" in files[0])


def test_shards_of_another_split_are_not_taken(tmp_path, table):
    table([png(1), png(2)], [0, 1], file="test-00000-of-00001.parquet")
    with pytest.raises(InputError, match="has no split 'train': found test"):
        load_images(tmp_path)
    assert not has_split(tmp_path, "train")
    assert has_split(tmp_path, "test")


def test_shards_that_name_classes_differently_are_refused(tmp_path, generator):
    pixels = torch.randint(256, (2, 1, 4, 4), generator=generator).to(torch.uint8)
    for file, names in (("a.parquet", ("cat", "dog")), ("b.parquet", ("dog", "cat"))):
        images = LabeledImages(pixels, torch.tensor([0, 1]), names)
        (tmp_path / file).write_bytes(dump_parquet(images))
    with pytest.raises(InputError, match="name their classes differently"):
        load_images(tmp_path)


def test_a_path_in_place_of_bytes_is_not_followed(tmp_path, table):
    Image.new("L", (4, 4), 9).save(tmp_path / "secret.png")
    trap = {"bytes": None, "path": str(tmp_path / "secret.png")}
    read = load_images(table([png(5), trap, png(6)], [0, 1, 1]))
    assert read.skipped == ("row 1: no image bytes, but a path to elsewhere",)


def test_missing_columns_are_refused_with_those_that_are_there(table):
    path = table([png(5), png(6)], [0, 1], names=("picture", "kind"))
    with pytest.raises(InputError, match="columns image and label; found: picture, kind"):
        load_images(path)


def test_rows_of_which_none_can_be_decoded_are_refused(table):
    with pytest.raises(InputError, match="none of 2 images"):
        load_images(table([{"bytes": b"x", "path": None}] * 2, [0, 1]))


def test_a_table_without_rows_is_refused(table):
    no_images = pa.array([], pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    with pytest.raises(InputError, match=r"rows\.parquet"):
        load_images(table(no_images, pa.array([], pa.int64())))


def test_an_image_column_of_numbers_is_refused(table):
    with pytest.raises(InputError, match=r"rows\.parquet"):
        load_images(table([1, 2], [0, 1]))


@pytest.mark.parametrize("content", [b"", b"no parquet", b"PAR1" + bytes(40) + b"PAR1"])
def test_a_file_that_is_no_parquet_is_refused(tmp_path, content):
    (tmp_path / "rows.parquet").write_bytes(content)
    with pytest.raises(InputError, match=r"rows\.parquet cannot be read"):
        load_images(tmp_path / "rows.parquet")


def test_damage_in_the_middle_of_a_file_is_refused(table):
    path = table([png(level) for level in range(200)], [0, 1] * 100)
    start = pq.ParquetFile(path).metadata.row_group(0).column(0).data_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + 40] = b"\xff" * 40
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"rows\.parquet"):
        load_images(path)


def test_cifar10_is_read(cifar10):
    images = load_images(cifar10, split="test", limit=30)
    assert images.pixels.shape == (30, 3, 32, 32)
    assert len(images.class_names) == 10
    assert "airplane" in images.class_names
