"""Images that change or go while they are read, and a machine that runs out of something."""

import errno
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from backburn.data import decode_rows
from backburn.data.encoded import read_encoded_images
from backburn.data.load_images import load_images
from backburn.data.writing import to_png
from backburn.errors import BackburnError, InputError


def png(level: int) -> bytes:
    return to_png(Image.new("L", (4, 4), level))


def write_tree(root) -> None:
    for number, name in enumerate(("cat", "dog")):
        (root / name).mkdir(parents=True)
        for k in range(3):
            (root / name / f"{k}.png").write_bytes(png(100 * number + k))


def write_parquet(path, level: int) -> None:
    images = [{"bytes": png(level + k), "path": None} for k in range(6)]
    pq.write_table(pa.table({"image": images, "label": [0, 0, 0, 1, 1, 1]}), path)


def after_the_survey(change):
    """A progress that changes something between the first pass over six images and the second."""

    def tell(phase: str, done: int, total: int, /) -> None:
        if (phase, done) == ("look at images", 6):
            change()

    return tell


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "dog" / "1.png").write_bytes(png(7)),
        lambda root: (root / "dog" / "1.png").unlink(),
        lambda root: (root / "dog" / "1.png").write_bytes(b"junk"),
    ],
    ids=["other pixels", "gone", "junk"],
)
def test_a_file_that_changes_or_goes_while_it_is_read_is_told(tmp_path, change, cached):
    root, cache = tmp_path / "photos", tmp_path / "cache"
    write_tree(root)
    told = after_the_survey(lambda: change(root))
    with pytest.raises(InputError, match="photos was changed while it was read: give the same"):
        load_images(root, cache=cache if cached else None, progress=told)
    assert not list(cache.glob("*"))


def test_a_table_that_is_replaced_while_it_is_read_is_told(tmp_path):
    path = tmp_path / "rows.parquet"
    write_parquet(path, 10)
    with pytest.raises(InputError, match="was changed while it was read"):
        load_images(path, progress=after_the_survey(lambda: write_parquet(path, 90)))


def test_arrays_that_are_overwritten_while_they_are_read_are_told(tmp_path):
    np.save(tmp_path / "labels.npy", np.array([0, 0, 0, 1, 1, 1]))
    np.save(tmp_path / "images.npy", np.zeros((6, 4, 4), np.uint8))

    def overwrite() -> None:
        with (tmp_path / "images.npy").open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"\xff")

    with pytest.raises(InputError, match="was changed while it was read"):
        load_images(tmp_path, progress=after_the_survey(overwrite))


def test_what_is_left_alone_is_read_with_and_without_a_cache(tmp_path):
    write_tree(tmp_path / "photos")
    for _ in range(2):
        images = load_images(tmp_path / "photos", cache=tmp_path / "cache")
        assert images.pixels[:, 0, 0, 0].tolist() == [0, 1, 2, 100, 101, 102]


@pytest.mark.parametrize(
    "error",
    [MemoryError(), OSError(errno.EMFILE, "Too many open files")],
    ids=["no memory", "too many files"],
)
def test_what_befalls_a_decode_worker_is_neither_skipped_nor_waited_for(
    tmp_path, monkeypatch, error
):
    def fail(*_):
        raise error

    write_tree(tmp_path / "photos")
    monkeypatch.setattr(decode_rows, "decode", fail)
    with pytest.raises(type(error)):
        load_images(tmp_path / "photos")


def test_a_decode_worker_that_ends_is_told(tmp_path, monkeypatch):
    def end(*_):
        raise SystemExit("killed")

    write_tree(tmp_path / "photos")
    monkeypatch.setattr(decode_rows, "decode", end)
    with pytest.raises(BackburnError, match=r"a decode worker ended \(killed\)"):
        load_images(tmp_path / "photos")


def test_an_export_does_not_leave_out_what_the_machine_could_not_open(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    write_tree(tmp_path / "photos")
    monkeypatch.setattr("backburn.data.encoded.check_regular_file", fail)
    with pytest.raises(OSError, match="Too many open files"):
        list(read_encoded_images(tmp_path / "photos").rows)
