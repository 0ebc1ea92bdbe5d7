"""Decoded images in mapped files, and kept in a cache."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from backburn import memory_mapped as mapping_of_files
from backburn.data import cache as caching
from backburn.data.load_images import load_images
from backburn.errors import InputError
from backburn.models.inference import predict


@pytest.fixture
def photos(tmp_path) -> Path:
    """Six of two classes, and one that only decoding shows to be broken."""
    levels = np.random.default_rng(0).integers(0, 256, (7, 8, 8, 3), dtype=np.uint8)
    for k, array in enumerate(levels):
        folder = tmp_path / "photos" / ("cat" if k < 4 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(folder / f"{k}.png")
    broken = tmp_path / "photos" / "cat" / "2.png"
    broken.write_bytes(broken.read_bytes()[:100])
    return tmp_path / "photos"


@pytest.fixture
def mapping(monkeypatch):
    monkeypatch.setattr(mapping_of_files, "MAX_IN_MEMORY", 0)


@pytest.fixture
def decodings(monkeypatch) -> list[int]:
    """One entry an image that is decoded."""
    from backburn.data import decode_rows

    seen, decode = [], decode_rows.decode
    monkeypatch.setattr(decode_rows, "decode", lambda *a: seen.append(1) or decode(*a))
    return seen


def same(one, other) -> bool:
    columns = ("class_names", "names", "skipped")
    return (
        torch.equal(one.pixels, other.pixels)
        and torch.equal(one.labels, other.labels)
        and all(getattr(one, name) == getattr(other, name) for name in columns)
    )


def entry(folder: Path) -> tuple[Path, Path]:
    (pixels,), (sidecar,) = folder.glob("*.u8"), folder.glob("*.json")
    return pixels, sidecar


def test_mapped_images_are_those_in_memory(photos, monkeypatch):
    held = load_images(photos)
    monkeypatch.setattr(mapping_of_files, "MAX_IN_MEMORY", 0)
    mapped = load_images(photos)
    assert same(held, mapped)
    assert len(held) == 6
    assert held.pixels.untyped_storage().filename is None
    assert mapped.pixels.untyped_storage().filename is not None


@pytest.mark.usefixtures("mapping")
def test_no_file_is_left_behind(photos, tmp_path, monkeypatch):
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(mapping_of_files.tempfile, "tempdir", str(tmp_path / "scratch"))
    images = load_images(photos)
    assert list((tmp_path / "scratch").iterdir()) == []
    assert int(images.pixels.sum()) > 0


@pytest.mark.usefixtures("mapping")
def test_a_temporary_folder_that_cannot_be_written_is_told(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(mapping_of_files.tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"cannot be written to .*nowhere: .*; free some room"):
        load_images(photos)


@pytest.mark.usefixtures("mapping")
def test_a_full_disk_is_told(photos, monkeypatch):
    def write(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mapping_of_files, "write_table", write)
    with pytest.raises(InputError, match="No space left on device; free some room"):
        load_images(photos)


@pytest.mark.usefixtures("mapping")
def test_a_model_may_be_asked_about_mapped_images(photos):
    images = load_images(photos)
    before = images.pixels.clone()
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    assert torch.equal(
        predict(model, images.pixels, batch_size=2), predict(model, before, batch_size=2)
    )
    assert torch.equal(images.pixels, before)


def test_kept_images_are_those_that_were_decoded(photos, tmp_path, decodings):
    folder = tmp_path / "a" / "cache"
    plain = load_images(photos)
    made = load_images(photos, cache=folder)
    done = len(decodings)
    kept = load_images(photos, cache=folder)
    assert same(plain, made)
    assert same(plain, kept)
    assert len(decodings) == done
    assert sorted(p.suffix for p in folder.iterdir()) == [".json", ".u8"]


def test_the_same_content_elsewhere_is_not_decoded_again(photos, tmp_path, decodings):
    load_images(photos, cache=tmp_path / "cache")
    done = len(decodings)
    photos.rename(tmp_path / "moved")
    load_images(tmp_path / "moved", cache=tmp_path / "cache")
    assert len(decodings) == done


@pytest.mark.parametrize("change", ["pixels", "label", "size", "decoder"])
def test_what_is_not_the_same_is_decoded_again(photos, tmp_path, decodings, monkeypatch, change):
    load_images(photos, cache=tmp_path / "cache")
    done, size = len(decodings), None
    if change == "pixels":
        Image.new("RGB", (8, 8)).save(photos / "cat" / "0.png")
    if change == "label":
        (photos / "dog" / "4.png").rename(photos / "cat" / "4.png")
    if change == "size":
        size = 4
    if change == "decoder":
        monkeypatch.setattr(caching, "DECODER_VERSION", 99)
    images = load_images(photos, size=size, cache=tmp_path / "cache")
    assert len(decodings) > done
    assert same(images, load_images(photos, size=size))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def forge(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


DAMAGE = {
    "a bit of the pixels": lambda pixels, sidecar: flip(pixels),
    "truncated pixels": lambda pixels, sidecar: os.truncate(pixels, 100),
    "no pixels": lambda pixels, sidecar: pixels.unlink(),
    "no sidecar": lambda pixels, sidecar: sidecar.unlink(),
    "empty sidecar": lambda pixels, sidecar: sidecar.write_bytes(b""),
    "a pickle": lambda pixels, sidecar: sidecar.write_bytes(b"\x80\x04."),
    "another shape": lambda pixels, sidecar: forge(sidecar, shape=[1, 3, 8, 8]),
    "a shape of one number": lambda pixels, sidecar: forge(sidecar, shape=7),
    "other rows left out": lambda pixels, sidecar: forge(sidecar, bad=[[0, "no"]]),
    "a row before the first": lambda pixels, sidecar: forge(sidecar, bad=[[-1, "no"]]),
    "another checksum": lambda pixels, sidecar: forge(sidecar, sha256="0" * 64),
    "more than there is": lambda pixels, sidecar: forge(sidecar, code="import os"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_made_again(photos, tmp_path, decodings, damage):
    load_images(photos, cache=tmp_path / "cache")
    pixels, sidecar = entry(tmp_path / "cache")
    before = pixels.read_bytes(), sidecar.read_bytes()
    DAMAGE[damage](pixels, sidecar)
    done = len(decodings)
    assert same(load_images(photos, cache=tmp_path / "cache"), load_images(photos))
    assert len(decodings) > done
    assert (pixels.read_bytes(), sidecar.read_bytes()) == before


def test_stopped_in_the_middle_nothing_is_kept(photos, tmp_path):
    def stop(phase, done, total):
        if (phase, done) == ("read images", 3):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_images(photos, cache=tmp_path / "cache", progress=stop)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_that_is_a_file_is_refused(photos, tmp_path):
    (tmp_path / "cache").write_bytes(b"")
    with pytest.raises(InputError, match="cache: File exists; free some room, name another"):
        load_images(photos, cache=tmp_path / "cache")
