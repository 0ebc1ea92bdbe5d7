"""Folders: Hugging Face models, images, and runs of a stranger."""

import io
import json
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pickled import BARE, archive
from PIL import Image
from safetensors.numpy import save_file

CORPUS = Path(__file__).resolve().parents[1] / "fuzz" / "corpus"
PNG = (CORPUS / "image.png").read_bytes()
ESCAPES = "\x1b]0;owned\x07\x1b[31mred\x9b31m"

CONFIGS: dict[str, str] = {
    "vision_config of 10^7 layers": '{"model_type":"clip","vision_config":{"num_hidden_layers":10000000}}',
    "vit of 10^7 layers": '{"model_type":"vit","num_hidden_layers":10000000}',
    "depth_coefficient of 10^7": '{"model_type":"efficientnet","depth_coefficient":1e7}',
    "num_block_repeats of 10^7": '{"model_type":"efficientnet","num_block_repeats":[10000000]}',
    "10^9 classes": '{"model_type":"resnet","num_labels":1000000000}',
    "a vit of one pixel a patch": '{"model_type":"vit","patch_size":1,"image_size":384,"hidden_size":12,"num_attention_heads":1,"num_hidden_layers":1,"intermediate_size":8}',
    "wider than its file": '{"model_type":"vit","hidden_size":98304}',
    "own code": '{"model_type":"evil","auto_map":{"AutoModel":"evil.Evil"}}',
    "own attention": '{"model_type":"vit","_attn_implementation":"evil/kernels"}',
    "nested 100,000 deep": "[" * 100_000,
    "a number of 5,000 digits": '{"model_type":"vit","hidden_size":' + "9" * 5000 + "}",
    "a list": "[1, 2]",
    "a word for a number": '{"model_type":"vit","hidden_size":"wide"}',
}
PREPROCESSORS: dict[str, str] = {
    "rescale_factor a list": '{"rescale_factor":[1]}',
    "rescale_factor 10^400": '{"rescale_factor":1' + "0" * 400 + "}",
    "image_mean of 10^400": '{"image_mean":[1' + "0" * 400 + '],"image_std":[1]}',
    "size of 10^9": '{"size":{"height":1000000000,"width":1000000000}}',
    "size 4096": '{"size":4096}',
}
RESNET = '{"model_type":"resnet","embedding_size":8,"hidden_sizes":[8],"depths":[1],"layer_type":"basic"}'


def hub_folder(config: str, preprocessor: str | None) -> Callable[[Path], None]:
    """A model's folder with weights that fit nothing."""

    def make(path: Path) -> None:
        path.mkdir()
        (path / "config.json").write_text(config)
        (path / "evil.py").write_text("import os\nos.mkdir('proof')\n")
        if preprocessor is not None:
            (path / "preprocessor_config.json").write_text(preprocessor)
        save_file({"w": np.zeros(64, np.float32)}, path / "model.safetensors")

    return make


HUB = {f"config: {name}": hub_folder(told, None) for name, told in CONFIGS.items()}
HUB |= {f"preprocessor: {name}": hub_folder(RESNET, told) for name, told in PREPROCESSORS.items()}
SLOW = [name for name in HUB if "10^7" in name or "10^9 classes" in name]
"""They take all the time that they may."""


def tree(path: Path) -> Path:
    """Two classes of six images."""
    for name in ("cat", "dog"):
        (path / name).mkdir(parents=True)
        for k in range(6):
            Image.new("RGB", (8, 8), (40 * k, 9, 90)).save(path / name / f"{k}.png")
    return path


def _in_tree(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda path: (tree(path) / "cat" / name).write_bytes(content) and None


def _link(path: Path) -> None:
    (tree(path) / "cat" / "x.png").symlink_to("/etc/passwd")


def _linked_class(path: Path) -> None:
    (tree(path) / "bird").symlink_to("/etc")


def _loop(path: Path) -> None:
    (tree(path) / "cat" / "again").symlink_to("..")


def _pipe(path: Path) -> None:
    os.mkfifo(tree(path) / "cat" / "x.png")


def _bomb_png(side: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (side, side)).save(buffer, "PNG")
    return buffer.getvalue()


def _escapes(path: Path) -> None:
    (tree(path) / "cat").rename(path / ESCAPES)
    (path / ESCAPES / "broken.png").write_bytes(b"no image")


TREES: dict[str, Callable[[Path], None]] = {
    "a link out of the tree": _link,
    "a class that is a link": _linked_class,
    "links in a loop": _loop,
    "a pipe": _pipe,
    "PNG of 12,000 x 12,000": _in_tree("x.png", _bomb_png(12_000)),
    "PNG of 8,000 x 8,000": _in_tree("x.png", _bomb_png(8_000)),
    "PostScript": _in_tree("x.png", b"%!PS\n%%BoundingBox: 0 0 9 9\n(proof) (w) file\n"),
    "SVG that fetches": _in_tree("x.png", b'<svg><image href="http://127.0.0.1:1/x"/></svg>'),
    "half an image": _in_tree("x.png", PNG[: len(PNG) // 2]),
    "escape sequences as a class": _escapes,
}


def _parquet(**columns: object) -> Callable[[Path], None]:
    return lambda path: pq.write_table(
        pa.table(columns), path.with_suffix(".parquet"), compression="zstd"
    )


def repeated(count: int) -> pa.Array:
    """One image so many times, by its number in a dictionary."""
    index = pa.array(np.arange(count, dtype=np.int32) % 2)
    return pa.DictionaryArray.from_arrays(index, pa.array([PNG, PNG + b"x"], pa.binary())).cast(
        pa.binary()
    )


def _csv(content: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        tree(path.parent / "photos")
        path.with_suffix(".csv").write_text(content)

    return make


def _npz(**arrays: np.ndarray) -> Callable[[Path], None]:
    return lambda path: np.savez_compressed(path.with_suffix(".npz"), **arrays)


def _lying_npz(path: Path) -> None:
    head = (
        b"\x93NUMPY\x01\x00v\x00"
        + b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000, 8, 8, 3)}".ljust(117)
        + b"\n"
    )
    with zipfile.ZipFile(path.with_suffix(".npz"), "w") as made:
        made.writestr("images.npy", head)
        made.writestr("labels.npy", head)


def _pickled_npz(path: Path) -> None:
    np.savez(path.with_suffix(".npz"), images=np.array([{"a": 1}], object), labels=np.array([0]))


def _tar(*members: tuple[str, bytes, bytes]) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with tarfile.open(path.with_suffix(".tar"), "w") as made:
            for name, content, kind in members:
                info = tarfile.TarInfo(name)
                info.size, info.type, info.linkname = len(content), kind, "/etc/passwd"
                made.addfile(info, io.BytesIO(content))

    return make


FILE, LINK, HARD = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
SETS: dict[str, Callable[[Path], None]] = {
    "parquet: 2,000,000 nulls": _parquet(
        image=pa.nulls(2_000_000, pa.binary()), label=pa.array(np.zeros(2_000_000, np.int8))
    ),
    "parquet: two images 300,000 times": _parquet(
        image=repeated(300_000), label=pa.array(np.arange(300_000) % 2)
    ),
    "parquet: 400 MB of zeros": _parquet(image=[bytes(400_000_000)], label=[0]),
    "parquet: paths elsewhere": _parquet(
        image=[{"bytes": None, "path": "/etc/passwd"}] * 2, label=[0, 1]
    ),
    "parquet: labels of 10^18": _parquet(image=[PNG, PNG], label=[0, 10**18]),
    "parquet: escape sequences as labels": _parquet(image=[PNG, b"x"], label=[ESCAPES, "b"]),
    "csv: a path that leaves": _csv("path,label\n../../etc/passwd,a\nphotos/cat/0.png,b\n"),
    "csv: one image 200,000 times": _csv("path,label\n" + "photos/cat/0.png,a\n" * 200_000),
    "csv: a row of a million commas": _csv("path,label\n" + "," * 10**6),
    "npz: 2 GiB of zeros": _npz(
        images=np.zeros((100, 3, 2640, 2640), np.uint8), labels=np.arange(100) % 2
    ),
    "npz: a shape of 10^12": _lying_npz,
    "npz: pickled": _pickled_npz,
    "tar: a member that leaves": _tar(("../x.png", PNG, FILE), ("../x.cls", b"0", FILE)),
    "tar: links": _tar(("0.png", b"", LINK), ("0.cls", b"0", FILE), ("1.png", b"", HARD)),
    "tar: a label of a megabyte": _tar(("0.png", PNG, FILE), ("0.cls", b"9" * 10**6, FILE)),
}


def good_run(path: Path) -> Path:
    """What a report can be made of."""
    path.mkdir()
    for name in (
        "record.json",
        "gallery.json",
        "gallery.safetensors",
        "suspects.csv",
        "config.toml",
    ):
        shutil.copy(CORPUS / name, path / name)
    record = json.loads((CORPUS / "record.json").read_bytes())
    seconds = {"read": 0.1}
    verdict = {
        "state": "clean",
        "target_labels": [],
        "target_names": [],
        "p_value": 0.5,
        "reason": "",
        "classes": [],
        "suspects": 1,
        "suspect_share": [0.0, 0.1],
        "images": 2,
        "images_in_all": 2,
        "skipped": [],
    }
    record |= {"metrics": {"verdict": verdict, "suspects": None, "notes": []}, "seconds": seconds}
    del record["digest"]
    (path / "record.json").write_text(json.dumps(record))
    return path


def changed(path: Path, **fields: object) -> None:
    """A run whose record says something else."""
    record = json.loads((good_run(path) / "record.json").read_text())
    (path / "record.json").write_text(json.dumps({**record, **fields}))


def linked(name: str, target: str) -> Callable[[Path], None]:
    """A run with a link; `elsewhere/` beside it has files of the names that would be written."""

    def make(path: Path) -> None:
        elsewhere = path.parent / "elsewhere"
        elsewhere.mkdir()
        for file in (
            "distances.png",
            "distances.csv",
            "embedding.png",
            "review.csv",
            "report.html",
        ):
            (elsewhere / file).write_text("mine")
        good_run(path)
        (path / name).unlink(missing_ok=True)
        (path / name).symlink_to(path.parent / target)

    return make


def piped(name: str) -> Callable[[Path], None]:
    """A run with a pipe in place of a file: whoever reads it waits for ever."""

    def make(path: Path) -> None:
        good_run(path)
        (path / name).unlink(missing_ok=True)
        os.mkfifo(path / name)

    return make


def _begun(path: Path) -> None:
    good_run(path)
    work = path.parent / ".begun-work"
    work.mkdir()
    told = {"command": "audit", "line": ["rm", "-rf", ESCAPES], "arguments": {}, "made_of": {}}
    more = {"versions": {}, "threads": 1, "created": ESCAPES}
    (work / "begun.json").write_text(json.dumps({**told, **more}))
    (path.parent / ".pipe-work").mkdir()
    os.mkfifo(path.parent / ".pipe-work" / "begun.json")


def _trusting(path: Path) -> None:
    changed(path, arguments={"model": "m.pt", "data": "photos", "trust": True})
    tree(path.parent / "photos")
    archive(BARE["os.mkdir"], path.parent / "m.pt")


def _pickled_model(path: Path) -> None:
    changed(path, arguments={"arch": "small_cnn"}, command="repair")
    archive(BARE["os.mkdir"], path / "model.pt")


REPORT, SERVE, LS = ("report", "run"), ("serve", "run", "--no-browser"), ("ls", ".")
REPAIR, EXPORT = ("repair", "run", "--out", "out"), ("export", "run", "out")
RUNS: dict[str, tuple[tuple[str, ...], Callable[[Path], None]]] = {
    "report: figures are a link": (REPORT, linked("figures", "elsewhere")),
    "report: the page is a link": (REPORT, linked("report.html", "elsewhere/report.html")),
    "report: the record is a link": (REPORT, linked("record.json", "elsewhere/review.csv")),
    "report: config.toml is a link": (REPORT, linked("config.toml", "elsewhere/review.csv")),
    "report: gallery.json is a pipe": (REPORT, piped("gallery.json")),
    "report: config.toml is a pipe": (REPORT, piped("config.toml")),
    "report: figures are a pipe": (REPORT, piped("figures")),
    "report: a name that leaves": (REPORT, lambda path: changed(path, command="../../x")),
    "serve: review.csv is a link": (SERVE, linked("review.csv", "elsewhere/review.csv")),
    "serve: review.csv is a pipe": (SERVE, piped("review.csv")),
    "serve: its lock is a pipe": (SERVE, piped(".review.csv.lock")),
    "ls: escape sequences": (LS, lambda path: changed(path, command=ESCAPES, created=ESCAPES)),
    "ls: metrics are no table": (LS, lambda path: changed(path, metrics={"verdict": [1]})),
    "ls: begun with another command": (LS, _begun),
    "repair: names code": (
        REPAIR,
        lambda path: changed(path, arguments={"model": "m.pt", "data": "d", "arch": "evil:build"}),
    ),
    "repair: names trust": (
        REPAIR,
        _trusting,
    ),
    "repair: names a download": (
        REPAIR,
        lambda path: changed(path, arguments={"model": "hf:someone/model", "data": "d"}),
    ),
    "repair: config.toml is a link": (REPAIR, linked("config.toml", "elsewhere/review.csv")),
    "export: suspects are a pipe": (EXPORT, piped("suspects.csv")),
    "export: a pickled model": ((*EXPORT, "--as", "backdoorbench"), _pickled_model),
}
"""A command, and the run `run` that it is about."""
