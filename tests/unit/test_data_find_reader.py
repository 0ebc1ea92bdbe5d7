"""The same images from every kind of source, and which kind a path is."""

import csv
import io
import tarfile
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from PIL import Image

from backburn.data.load_images import has_split, load_images
from backburn.data.sources.python_dataset import from_dataset
from backburn.data.writing import dump_folder, dump_parquet
from backburn.errors import InputError
from backburn.types import LabeledImages

NAMES = ("cat", "dog", "emu")


@pytest.fixture
def images(generator) -> LabeledImages:
    """Twelve of three classes, in the order that a tree has them."""
    pixels = torch.randint(256, (12, 3, 6, 5), generator=generator).to(torch.uint8)
    return LabeledImages(pixels, torch.arange(3).repeat_interleave(4), NAMES)


@pytest.fixture
def photos(tmp_path, images) -> Path:
    for name, content in dump_folder(images, "photos").items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path / "photos"


def files_of(photos: Path) -> list[Path]:
    return sorted(photos.rglob("*.png"))


def a_table(photos: Path, suffix: str) -> Path:
    path = photos.parent / f"list{suffix}"
    with path.open("w", newline="") as file:
        rows = csv.writer(file, "excel-tab" if suffix == ".tsv" else "excel")
        rows.writerow(["label", "image"])
        for png in files_of(photos):
            rows.writerow([png.parent.name, png.relative_to(photos.parent)])
    return path


def a_parquet(images: LabeledImages, folder: Path) -> Path:
    (folder / "rows.parquet").write_bytes(dump_parquet(images))
    return folder / "rows.parquet"


def a_tar(photos: Path) -> Path:
    path = photos.parent / "shard.tar"
    with tarfile.open(path, "w") as archive:
        for png in files_of(photos):
            label = str(NAMES.index(png.parent.name)).encode()
            for suffix, content in ((".png", png.read_bytes()), (".cls", label)):
                member = tarfile.TarInfo(f"{png.parent.name}/{png.stem}{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


def an_npz(images: LabeledImages, folder: Path) -> Path:
    pixels = images.pixels.movedim(1, -1).numpy()
    np.savez_compressed(folder / "a.npz", images=pixels, labels=images.labels.numpy())
    return folder / "a.npz"


def a_saved_set(photos: Path) -> Path:
    columns = {
        "image": [str(png) for png in files_of(photos)],
        "label": [NAMES.index(png.parent.name) for png in files_of(photos)],
    }
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=list(NAMES))}
    )
    path = photos.parent / "saved"
    datasets.Dataset.from_dict(columns, features=features).save_to_disk(path)
    return path


class Pairs(list):
    """As torchvision's data sets: items are pairs, `classes` names the classes."""

    classes = NAMES


@pytest.mark.parametrize("size", [None, 4])
def test_every_source_gives_the_same_images(tmp_path, photos, images, size, capfd):
    sources = {
        "tree": photos,
        "csv": a_table(photos, ".csv"),
        "tsv": a_table(photos, ".tsv"),
        "parquet": a_parquet(images, tmp_path),
        "tar": a_tar(photos),
        "npz": an_npz(images, tmp_path),
        "saved": a_saved_set(photos),
    }
    capfd.readouterr()
    read = {kind: load_images(source, size=size) for kind, source in sources.items()}
    pairs = Pairs((Image.open(f), NAMES.index(f.parent.name)) for f in files_of(photos))
    read["pairs"] = from_dataset(pairs, size=size)
    for kind, found in read.items():
        assert torch.equal(found.pixels, read["tree"].pixels), kind
        assert torch.equal(found.labels, images.labels), kind
        assert found.class_names == (() if kind in ("tar", "npz") else NAMES), kind
        assert found.skipped == ()
    if size is None:
        assert torch.equal(read["tree"].pixels, images.pixels)
    assert capfd.readouterr() == ("", "")  # no progress bars


def test_images_keep_the_names_of_their_files(tmp_path, photos):
    first = {load_images(s).names[0] for s in (photos, a_table(photos, ".csv"), a_tar(photos))}
    assert first == {"cat/00.png", "photos/cat/00.png", "cat/00"}


def test_a_set_of_splits_is_read_by_split(tmp_path, images):
    def rows(level: int) -> datasets.Dataset:
        pictures = [Image.new("RGB", (4, 4), (level, 0, 0)), Image.new("RGB", (4, 4))]
        return datasets.Dataset.from_dict({"img": pictures, "labels": [0, 1]})

    parts = {"train": rows(1), "test": rows(2)}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    for split, level in (("train", 1), ("test", 2)):
        assert load_images(tmp_path / "saved", split=split).pixels[0, 0, 0, 0] == level
        assert has_split(tmp_path / "saved", split)
    assert not has_split(tmp_path / "saved", "val")
    with pytest.raises(InputError, match="has no split 'val'"):
        load_images(tmp_path / "saved", split="val")


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".tar"])
def test_a_split_has_a_file_of_any_kind(tmp_path, photos, images, suffix):
    made = {
        ".csv": lambda: a_table(photos, ".csv"),
        ".npz": lambda: an_npz(images, tmp_path),
        ".tar": lambda: a_tar(photos),
    }[suffix]()
    made.rename(tmp_path / f"test{suffix}")
    assert len(load_images(tmp_path, split="test")) == 12
    assert has_split(tmp_path, "test")
    assert not has_split(tmp_path, "train")


def test_a_limit_takes_the_first_rows_of_what_is_no_tree(tmp_path, photos, images):
    for source in (a_table(photos, ".csv"), a_tar(photos), an_npz(images, tmp_path)):
        assert load_images(source, limit=6).labels.tolist() == [0, 0, 0, 0, 1, 1]


def test_a_set_of_the_hub_is_asked_for_by_name_split_and_revision(monkeypatch, images):
    asked = []

    def load_dataset(name, *, split, revision):
        asked.append((name, split, revision))
        pictures = [Image.fromarray(p.movedim(0, -1).numpy()) for p in images.pixels]
        return datasets.Dataset.from_dict({"img": pictures, "label": images.labels.tolist()})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert torch.equal(load_images("hf:someone/photos").pixels, images.pixels)
    load_images("hf:someone/photos@v2", split="test")
    assert asked == [("someone/photos", "train", None), ("someone/photos", "test", "v2")]


def test_the_hub_out_of_reach_is_told_in_one_line(monkeypatch):
    def load_dataset(name, **_):
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(InputError, match=r"hf:a/b \(split train\) cannot be had .*: no route$"):
        load_images("hf:a/b")


def test_a_folder_here_is_not_taken_for_a_name_on_the_hub(photos, monkeypatch):
    monkeypatch.chdir(photos.parent)
    with pytest.raises(InputError, match="hf:photos is no name on the Hub, or a folder here"):
        load_images("hf:photos")


@pytest.mark.parametrize("size", [0, -3, (4, 0), 10**6])
def test_a_size_that_no_image_can_have_is_refused(photos, size):
    with pytest.raises(InputError, match="size is"):
        load_images(photos, size=size)


def test_images_are_brought_to_a_size_of_two_sides(photos):
    assert load_images(photos, size=(9, 4)).pixels.shape == (12, 3, 9, 4)


def test_the_commonest_size_is_the_size_of_all(photos):
    Image.new("RGB", (50, 40)).save(photos / "cat" / "big.png")
    assert load_images(photos).pixels.shape == (13, 3, 6, 5)


def test_gray_images_become_rgb_among_color_images_and_stay_gray_among_themselves(photos):
    Image.new("L", (5, 6), 77).save(photos / "cat" / "0.png")
    mixed = load_images(photos)
    assert mixed.pixels[mixed.names.index("cat/0.png")].unique().tolist() == [77]
    assert mixed.pixels.shape[1] == 3
    for file in files_of(photos):
        Image.new("L", (5, 6), 77).save(file)
    assert load_images(photos).pixels.shape == (13, 1, 6, 5)
