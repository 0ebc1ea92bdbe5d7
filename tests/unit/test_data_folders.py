"""Reading a folder with one folder of images a class."""

import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from backburn.data.load_images import has_split, load_images
from backburn.errors import InputError

TWO = {"cat/1.png": 10, "dog/2.png": 20}


def tree(root: Path, files: dict[str, int]) -> Path:
    """One-colored 4x4 images; the number is the grey level of all three channels."""
    for name, level in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (level,) * 3).save(path)
    return root


def png_that_claims(width: int, height: int) -> bytes:
    """A tiny file that says it is a huge image."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_classes_are_the_folders_in_alphabetical_order(tmp_path):
    files = {"dog/b.png": 30, "cat/z.png": 10, "dog/a.png": 20, "ant/1.JPG": 40}
    images = load_images(tree(tmp_path, files))
    assert images.class_names == ("ant", "cat", "dog")
    assert images.labels.tolist() == [0, 1, 2, 2]
    assert images.names == ("ant/1.JPG", "cat/z.png", "dog/a.png", "dog/b.png")
    assert images.pixels[:, 0, 0, 0].tolist() == [40, 10, 20, 30]
    assert images.pixels.shape == (4, 3, 4, 4)
    assert images.skipped == ()


@pytest.mark.parametrize(
    "files",
    [
        ["cat/1.png", "cat/test_2.png", "dog/train_3.png", "dog/4.png"],
        ["cat/test_1.png", "dog/test_2.png"],
        ["test/1.png", "dog/2.png"],
        ["valid/1.png", "invalid/2.png"],
    ],
    ids=["mixed file names", "test file names", "a class called test", "a class called valid"],
)
def test_no_image_is_left_out_for_its_name(tmp_path, files):
    images = load_images(tree(tmp_path, dict.fromkeys(files, 0)))
    assert sorted(images.names) == sorted(files)


@pytest.mark.parametrize("name", ["with space", "photos [2024]", "a*b?", "{a,b}"])
def test_a_folder_of_any_name_is_read(tmp_path, name):
    assert len(load_images(tree(tmp_path / name, TWO))) == 2


def test_a_relative_path_is_read(tmp_path, monkeypatch):
    tree(tmp_path / "photos", TWO)
    monkeypatch.chdir(tmp_path)
    assert load_images("photos").names == tuple(TWO)


def test_class_folders_may_be_links_inside_of_the_tree(tmp_path):
    root = tree(tmp_path, {".store/c/1.png": 10, ".store/d/2.png": 20})
    for name, kept in (("cat", "c"), ("dog", "d")):
        (root / name).symlink_to(root / ".store" / kept)
    images = load_images(root)
    assert (images.class_names, images.names) == (("cat", "dog"), ("cat/1.png", "dog/2.png"))


def test_class_folders_that_are_links_out_are_refused(tmp_path):
    real = tree(tmp_path / "real", TWO)
    links = tree(tmp_path / "links", TWO)
    (links / "emu").symlink_to(real / "cat")
    with pytest.raises(InputError, match="links/emu is a link that leaves the folder"):
        load_images(links)


def test_a_tree_that_is_a_link_itself_is_read(tmp_path):
    tree(tmp_path / "real", TWO)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert load_images(tmp_path / "link").names == tuple(TWO)


def test_a_file_that_is_a_link_out_is_skipped_and_named(tmp_path):
    secret = tree(tmp_path / "elsewhere", {"secret.png": 99}) / "secret.png"
    root = tree(tmp_path / "photos", TWO)
    (root / "cat" / "0.png").symlink_to(secret)
    (root / "cat" / "2.png").symlink_to(root / "dog" / "2.png")
    images = load_images(root)
    assert images.names == ("cat/1.png", "cat/2.png", "dog/2.png")
    assert images.skipped == ("cat/0.png: a link that leaves the folder",)


@pytest.mark.parametrize("target", [".", "..", "cat", "cat/inner"])
def test_loops_of_links_end(tmp_path, target):
    root = tree(tmp_path, {**TWO, "cat/inner/3.png": 30})
    (root / "cat" / "inner" / "loop").symlink_to(root / "cat" / "inner" / target)
    (root / "loop").symlink_to(root)
    images = load_images(root)
    assert images.names == ("cat/1.png", "cat/inner/3.png", "dog/2.png")
    assert images.class_names == ("cat", "dog")


def test_files_that_are_no_images_are_passed_over_and_named(tmp_path):
    root = tree(tmp_path, TWO)
    for junk in ("notes.txt", "cat/.DS_Store", "dog/Thumbs.db", "dog/labels.csv"):
        (root / junk).write_bytes(b"junk")
    images = load_images(root)
    assert (images.names, images.skipped) == (tuple(TWO), ("dog/labels.csv: no image",))


def test_images_without_a_suffix_are_read(tmp_path):
    root = tree(tmp_path, TWO)
    (root / "cat" / "1.png").rename(root / "cat" / "1f3870be274f6c49b3e31a0c6728957f")
    (root / "dog" / "2.png").rename(root / "dog" / "2.png_original")
    images = load_images(root)
    assert images.labels.tolist() == [0, 1]
    assert images.skipped == ()


def test_a_class_of_files_that_cannot_be_read_is_named(tmp_path):
    root = tree(tmp_path, {**TWO, "emu/1.png": 0})
    (root / "emu" / "1.png").unlink()
    for k in range(3):
        (root / "emu" / f"{k}.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(
        InputError, match=r"none of the 3 files in the class folder .*emu.*3 \.heic"
    ):
        load_images(root)


def test_a_class_whose_images_are_all_broken_is_named(tmp_path):
    root = tree(tmp_path, {**TWO, "emu/1.png": 0})
    (root / "emu" / "1.png").write_bytes(b"junk")
    with pytest.raises(InputError, match=r"none of the 1 images of class emu can be read"):
        load_images(root)


def test_an_empty_folder_keeps_the_number_of_its_class(tmp_path):
    root = tree(tmp_path, TWO)
    (root / "cow").mkdir()
    images = load_images(root)
    assert images.class_names == ("cat", "cow", "dog")
    assert images.labels.tolist() == [0, 2]


def test_the_labels_of_an_imagefolder_are_those_of_its_table(tmp_path):
    root = tree(tmp_path, {"in/1.png": 1, "in/2.png": 2})
    (root / "metadata.jsonl").write_text(
        '{"file_name": "in/2.png", "label": "b"}\n{"file_name": "in/1.png", "label": "a"}\n'
    )
    images = load_images(root)
    assert (images.names, images.class_names) == (("in/2.png", "in/1.png"), ("a", "b"))


def test_an_image_beside_the_class_folders_does_not_become_a_class(tmp_path):
    images = load_images(tree(tmp_path, {**TWO, "preview.png": 0}))
    assert images.class_names == ("cat", "dog")
    assert images.skipped == ("preview.png: lies in no class's folder",)


@pytest.mark.parametrize(
    "content",
    [b"", b"no image", png_that_claims(9, 9), png_that_claims(20000, 20000)],
    ids=["empty", "text", "truncated", "decompression bomb"],
)
def test_a_corrupt_image_among_good_ones_is_skipped_and_named(tmp_path, content):
    root = tree(tmp_path, TWO)
    (root / "cat" / "0.png").write_bytes(content)
    images = load_images(root)
    assert images.names == tuple(TWO)
    assert images.labels.tolist() == [0, 1]
    assert [entry.partition(":")[0] for entry in images.skipped] == ["cat/0.png"]


def test_each_split_is_read_from_its_own_folder(tmp_path):
    tree(tmp_path / "train", TWO)
    tree(tmp_path / "test", {"cat/3.png": 30, "dog/4.png": 40})
    assert load_images(tmp_path).names == ("cat/1.png", "dog/2.png")
    assert load_images(tmp_path, split="test").names == ("cat/3.png", "dog/4.png")
    assert has_split(tmp_path, "test")
    assert not has_split(tmp_path, "val")


def test_a_limit_takes_files_evenly_over_all_classes(tmp_path):
    files = {"cat/1.png": 1, "dog/2.png": 2, "dog/3.png": 3}
    assert load_images(tree(tmp_path, files), limit=2).names == ("cat/1.png", "dog/3.png")


def test_reading_is_reported_image_by_image(tmp_path):
    heard = []
    load_images(tree(tmp_path, TWO), progress=lambda *told: heard.append(told[:2]))
    assert heard == [(phase, k) for phase in ("look at images", "read images") for k in (1, 2)]


def test_a_missing_path_is_refused(tmp_path):
    with pytest.raises(InputError, match="no images at"):
        load_images(tmp_path / "nowhere")


def test_a_text_file_is_refused(tmp_path):
    (tmp_path / "list.txt").write_text("cat")
    with pytest.raises(
        InputError, match=r"list\.txt is of no kind that can be read: give a folder"
    ):
        load_images(tmp_path / "list.txt")


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match=str(tmp_path)):
        load_images(tmp_path)


def test_images_of_one_class_are_refused(tmp_path):
    with pytest.raises(InputError, match="one class"):
        load_images(tree(tmp_path, {"cat/1.png": 1, "cat/2.png": 2}))


def test_images_without_class_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match=str(tmp_path)):
        load_images(tree(tmp_path, {"1.png": 1, "2.png": 2}))


def test_a_folder_of_corrupt_images_is_refused_with_their_count(tmp_path):
    for name in TWO:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"junk")
    with pytest.raises(InputError, match="none of 2 images can be decoded"):
        load_images(tmp_path)
