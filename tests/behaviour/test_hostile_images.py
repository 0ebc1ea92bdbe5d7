"""Images from strangers: nothing runs or hangs, one clear line, and the good ones are kept."""

import io
import json
import os
import pickle
import resource
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from backburn.data.load_images import load_images
from backburn.errors import InputError

MODEL = "model.safetensors"
pytestmark = pytest.mark.timeout(20)


class Trap:
    """Unpickling it makes a folder."""

    def __reduce__(self):
        return os.mkdir, ("sprung",)


def png(level: int = 7) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (level, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """A tiny file that says it is a huge image."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        sum_ = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + sum_

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(10**6))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """A PNG with a comment that unpacks to 100 MB."""
    data = b"Comment\0\0" + zlib.compress(bytes(10**8))
    sum_ = struct.pack(">I", zlib.crc32(b"zTXt" + data))
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data + sum_
    return png()[:33] + chunk + png()[33:]


def flipped(content: bytes) -> bytes:
    damaged = bytearray(content)
    damaged[len(damaged) // 2] ^= 0xFF
    return bytes(damaged)


def gif_that_claims(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(20) + b";"


POSTSCRIPT = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(sprung) (w) file closefile\nshowpage\n"
)

BAD_FILES = {
    "nothing": b"",
    "text": b"<script>alert(1)</script>",
    "a truncated image": png()[:45],
    "a flipped bit": flipped(png()),
    "50,000 x 50,000 pixels": png_that_claims(50_000, 50_000),
    "9,000 x 9,000 pixels": png_that_claims(9_000, 9_000),
    "no pixels": png_that_claims(0, 0),
    "a huge GIF": gif_that_claims(65_535, 65_535),
    "a bomb in a comment": text_bomb(),
    "a program": POSTSCRIPT,
    "a pickle": pickle.dumps(Trap()),
    "a TIFF that points to itself": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
}


@pytest.fixture
def photos(here) -> Path:
    """The working folder's photos: eight good ones of two classes."""
    return here / "photos"


def the_good_ones(source: Path, *, skipped: int = 1, of: int = 8) -> tuple[str, ...]:
    images = load_images(source)
    assert len(images) == of
    assert len(images.skipped) == skipped
    assert all(entry.isprintable() for entry in images.skipped)
    assert not Path("sprung").exists()
    return images.skipped


def refusal(source: Path | str) -> str:
    with pytest.raises(InputError) as caught:
        load_images(source)
    line = str(caught.value)
    assert line.isprintable()
    assert str(source) in line
    assert not Path("sprung").exists()
    return line


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_named_and_the_good_ones_are_kept(photos, kind):
    (photos / "cat" / "bad.png").write_bytes(BAD_FILES[kind])
    assert the_good_ones(photos)[0].startswith("cat/bad.png: ")


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_row_is_named_and_the_good_ones_are_kept(here, kind):
    rows = [{"bytes": content, "path": None} for content in (png(), BAD_FILES[kind], png(9))]
    pq.write_table(pa.table({"image": rows, "label": [0, 1, 1]}), "rows.parquet")
    assert the_good_ones(Path("rows.parquet"), of=2)[0].startswith("row 1: ")


def test_postscript_is_no_image(photos):
    (photos / "cat" / "bad.eps").write_bytes(POSTSCRIPT)
    assert the_good_ones(photos) == ("cat/bad.eps: no image",)


def test_a_pipe_is_not_waited_for(photos):
    os.mkfifo(photos / "cat" / "pipe.png")
    assert the_good_ones(photos) == ("cat/pipe.png: no plain file",)


def test_a_folder_that_is_called_an_image_is_passed_over(photos):
    (photos / "cat" / "folder.png").mkdir()
    the_good_ones(photos, skipped=0)


def test_a_device_is_not_read(photos):
    (photos / "cat" / "zero.png").symlink_to("/dev/zero")
    assert the_good_ones(photos) == ("cat/zero.png: a link that leaves the folder",)


def test_a_link_to_itself_is_named(photos):
    (photos / "cat" / "loop.png").symlink_to(photos / "cat" / "loop.png")
    assert the_good_ones(photos)[0].startswith("cat/loop.png: ")


def test_a_class_that_is_a_link_to_everything_is_refused(photos):
    (photos / "root").symlink_to("/")
    assert "photos/root is a link that leaves the folder" in refusal(photos)


def test_loops_of_folders_end(photos):
    (photos / "cat" / "up").symlink_to(photos)
    (photos / "cat" / "again").symlink_to(photos / "cat")
    the_good_ones(photos, skipped=0)


@pytest.mark.parametrize(
    "name", ["<img src=x>.png", "a\nb.png", "\x1b[31m.png", "=1+1.png", "\udcff.png"]
)
def test_a_name_is_one_line_wherever_it_is_told(photos, name):
    (photos / "cat" / name).write_bytes(b"junk")
    the_good_ones(photos)


def test_the_name_of_a_class_is_data(photos):
    (photos / "cat").rename(photos / "a\n<b>{}")
    assert load_images(photos).class_names == ("a\n<b>{}", "dog")


OUTSIDE = [
    "../secret.png",
    "photos/../../secret.png",
    "/etc/passwd",
    "out.png",
    "C:\\a.png",
    "a\0b",
]


@pytest.mark.parametrize("path", OUTSIDE, ids=repr)
def test_a_table_cannot_name_files_elsewhere(here, path):
    (here.parent / "secret.png").write_bytes(png())
    (here / "out.png").symlink_to(here.parent / "secret.png")
    Path("list.csv").write_text(f"path,label\nphotos/cat/0.png,0\n{path},1\n")
    told = refusal("list.csv")
    # before Python 3.11, csv reads no NUL
    assert "leaves the table's folder" in told or ("\0" in path and "contains NUL" in told)


@pytest.mark.parametrize("path", ["photos", "pipe.png", "x" * 5000 + ".png"])
def test_a_table_may_name_what_is_no_file(here, path):
    os.mkfifo("pipe.png")
    Path("list.csv").write_text(f"path,label\nphotos/cat/0.png,0\n{path},1\nphotos/dog/0.png,1\n")
    the_good_ones(Path("list.csv"), of=2)


@pytest.mark.parametrize("label", ["0.5", "nan", "-1", "", "99999999999999999999"])
def test_a_table_of_labels_that_are_no_classes_is_refused(here, label):
    Path("list.csv").write_text(f"path,label\nphotos/cat/0.png,0\nphotos/dog/0.png,{label}\n")
    assert "label" in refusal("list.csv")


def test_a_table_with_an_endless_field_is_refused(here):
    Path("list.csv").write_text('path,label\n"' + "x" * 200_000)
    assert "cannot be read as a table" in refusal("list.csv")


@pytest.mark.parametrize("labels", [[0, 2**40], [0.0, float("nan")], [0, -5], [[0], [1]]])
def test_a_parquet_of_labels_that_are_no_classes_is_refused(here, labels):
    rows = [{"bytes": png(), "path": None}] * 2
    pq.write_table(pa.table({"image": rows, "label": labels}), "rows.parquet")
    assert "label" in refusal("rows.parquet")


def test_a_row_cannot_name_a_file(here):
    (here / "secret.png").write_bytes(png())
    rows = [{"bytes": png(), "path": None}, {"bytes": None, "path": str(here / "secret.png")}]
    table = pa.table({"image": [*rows, rows[0]], "label": [0, 1, 1]})
    pq.write_table(table, "rows.parquet")
    assert the_good_ones(Path("rows.parquet"), of=2) == (
        "row 1: no image bytes, but a path to elsewhere",
    )


@pytest.mark.parametrize(
    "said", ["{", json.dumps({"info": {"features": {"label": {"_type": "os"}}}})]
)
def test_metadata_of_a_parquet_is_data(here, said):
    table = pa.table({"image": [{"bytes": png(k), "path": None} for k in (1, 2)], "label": [0, 1]})
    pq.write_table(table.replace_schema_metadata({"huggingface": said}), "rows.parquet")
    assert "rows.parquet cannot be read" in refusal("rows.parquet")


@pytest.mark.parametrize("cut", [10, 400])
def test_a_truncated_or_damaged_parquet_is_refused(here, cut):
    rows = [{"bytes": png(k), "path": None} for k in range(50)]
    pq.write_table(pa.table({"image": rows, "label": [0, 1] * 25}), "rows.parquet")
    Path("rows.parquet").write_bytes(Path("rows.parquet").read_bytes()[:-cut])
    assert "cannot be read" in refusal("rows.parquet")


def tar(members: dict[str, bytes | tarfile.TarInfo], name: str = "a.tar") -> Path:
    with tarfile.open(name, "w") as archive:
        for path, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return Path(name)


def special(name: str, kind: bytes, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


GOOD = {"a.png": png(1), "a.cls": b"0", "b.png": png(2), "b.cls": b"1"}


@pytest.mark.parametrize("name", ["../../c.png", "/etc/c.png", "x/../../c.png"])
def test_a_member_cannot_leave_its_archive(here, name):
    assert "leaves the archive" in refusal(tar({**GOOD, name: png()}))
    assert not (here.parent / "c.png").exists()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_a_member_that_is_no_file_is_no_image(here, kind):
    members = {**GOOD, "c.png": special("c.png", kind, "/etc/passwd"), "c.cls": b"1"}
    assert the_good_ones(tar(members), of=2) == ("c: no image",)


def test_a_member_without_a_label_is_refused(here):
    assert "label None of c in a.tar" in refusal(tar({**GOOD, "c.png": png()}))


@pytest.mark.parametrize("label", [b"0.5", b"-1", b"", b"\xff", b"cat", b"9" * 10**5])
def test_a_member_with_a_label_that_is_no_class_is_refused(here, label):
    assert "labels are whole numbers from 0" in refusal(
        tar({**GOOD, "c.png": png(), "c.cls": label})
    )


@pytest.mark.parametrize("label", [b"{", b'{"label": 1.5}', b"[" * 60_000, b'{"kind": 1}', b'"x"'])
def test_json_with_a_label_that_is_no_class_is_refused(here, label):
    assert "labels are whole numbers" in refusal(tar({**GOOD, "c.png": png(), "c.json": label}))


@pytest.mark.parametrize("keep", [700, 1500])
def test_a_truncated_archive_is_refused(here, keep):
    path = tar(GOOD)
    path.write_bytes(path.read_bytes()[:keep])
    refusal(path)


def test_a_member_that_claims_more_than_there_is_is_refused(here):
    path = tar(GOOD)
    member = tarfile.TarInfo("c.png")
    member.size = 2**40
    content = path.read_bytes().rstrip(b"\0")
    content += bytes(-len(content) % 512)
    path.write_bytes(content + member.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    refusal(path)


def test_a_compressed_archive_is_refused(here):
    with tarfile.open("a.tar", "w:gz"):
        pass
    assert "cannot be read as a tar archive" in refusal("a.tar")


def npy_that_claims(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + bytes(100)


@pytest.mark.parametrize("name", ["images", "labels"])
def test_a_pickled_array_is_not_opened(here, name):
    arrays = {"images": np.zeros((2, 4, 4), np.uint8), "labels": np.arange(2)}
    arrays[name] = np.array([Trap(), Trap()], dtype=object)
    np.savez("a.npz", **arrays)
    assert "allow_pickle=False" in refusal("a.npz")
    Path("pair").mkdir()
    for key, array in arrays.items():
        np.save(f"pair/{key}.npy", array)
    assert "cannot be read as arrays" in refusal("pair")


def test_an_array_that_claims_to_be_huge_is_refused_before_there_is_room_for_it(here):
    with zipfile.ZipFile("a.npz", "w") as archive:
        archive.writestr("images.npy", npy_that_claims((10**6, 10**6)))
        archive.writestr("labels.npy", npy_that_claims((10**6,)))
    assert "more than it holds" in refusal("a.npz")
    Path("pair").mkdir()
    Path("pair/images.npy").write_bytes(npy_that_claims((10**6, 10**6)))
    np.save("pair/labels.npy", np.arange(2))
    assert "cannot be read as arrays" in refusal("pair")


def test_a_zip_bomb_is_refused_by_the_size_it_declares(here, monkeypatch):
    monkeypatch.setattr("backburn.data.sources.numpy_files.MAX_UNPACKED_SIZE", 10**6)
    np.savez_compressed("a.npz", images=np.zeros((2, 10**6), np.uint8), labels=np.arange(2))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "unpacks to 2000128 bytes, more than 1000000" in refusal("a.npz")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2000


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no zip", pickle.dumps(Trap())])
def test_what_is_no_archive_of_arrays_is_refused(here, content):
    Path("a.npz").write_bytes(content)
    assert "cannot be read as arrays" in refusal("a.npz")


def saved(change: Callable[[Path], object]) -> Path:
    pictures = [Image.new("L", (4, 4), level) for level in (1, 2)]
    datasets.Dataset.from_dict({"image": pictures, "label": [0, 1]}).save_to_disk("saved")
    change(Path("saved"))
    return Path("saved")


def with_file(name: str) -> Callable[[Path], object]:
    state = {"_data_files": [{"filename": name}], "_fingerprint": "x", "_format_type": None}
    return lambda path: (path / "state.json").write_text(json.dumps(state))


CHANGES = {
    "a file elsewhere": with_file("../../x.arrow"),
    "a file anywhere": with_file("/etc/passwd"),
    "no file": with_file("x.arrow"),
    "no JSON": lambda path: (path / "state.json").write_text("{"),
    "no state": lambda path: (path / "state.json").write_text("[]"),
    "no features": lambda path: (path / "dataset_info.json").write_text("{}x"),
    "truncated": lambda path: os.truncate(next(path.glob("*.arrow")), 300),
    "empty": lambda path: os.truncate(next(path.glob("*.arrow")), 0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_damaged_saved_set_is_refused(here, change, capfd):
    path = saved(lambda _: None)
    capfd.readouterr()
    CHANGES[change](path)
    refusal(path)


@pytest.mark.parametrize("source", ["list.csv", "a.npz", "a.tar", "photos"])
def test_the_command_line_says_one_line(refused, here, source):
    Path("list.csv").write_text("path,label\n../x.png,0\n")
    Path("a.npz").write_bytes(b"no zip")
    Path("a.tar").write_bytes(b"no tar")
    (here / "photos" / "root").symlink_to("/")
    assert source in refused("audit", MODEL, source)
