"""Writes the small whole files that fuzzed ones are made from: `python tests/fuzz/seeds.py`."""

import io
import json
import tarfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tomli_w
import torch
from PIL import Image
from safetensors.torch import save

from backburn.burn.burn import BURN
from backburn.models.nets.zoo import build
from backburn.models.save_model import dump_model
from backburn.report.gallery import Gallery, Suspect
from backburn.report.gallery_files import gallery_files
from backburn.runs import new_record, to_json, with_checksum

CORPUS = Path(__file__).with_name("corpus")
ROWS = 4


def pixels(side: int = 6) -> np.ndarray:
    """RGB images, each of one color."""
    levels = np.arange(ROWS * 3, dtype=np.uint8).reshape(ROWS, 1, 1, 3) * 20
    return np.broadcast_to(levels, (ROWS, side, side, 3))


def picture(kind: str, mode: str = "RGB") -> bytes:
    """The second of them, as an image file."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels()[1])).convert(mode).save(buffer, kind)
    return buffer.getvalue()


def pictures() -> dict[str, bytes]:
    """An image file of each usual format."""
    kinds = {"png": "PNG", "jpg": "JPEG", "gif": "GIF", "bmp": "BMP", "webp": "WEBP"}
    files = {f"image.{suffix}": picture(kind) for suffix, kind in kinds.items()}
    return {
        **files,
        "image.tif": picture("TIFF", "I;16"),
        "image.alpha.png": picture("PNG", "RGBA"),
    }


def models() -> dict[str, bytes]:
    """Weights in every container."""
    model = build("small_cnn-w4", 2, 3, generator=torch.Generator().manual_seed(0))
    weights = {"fc.weight": torch.arange(6.0).view(2, 3), "fc.bias": torch.zeros(2)}
    files = {"own.safetensors": dump_model(model), "weights.safetensors": save(weights)}
    for name, zipped in (("zipped.pt", True), ("older.pt", False)):
        buffer = io.BytesIO()
        torch.save({"state_dict": weights}, buffer, _use_new_zipfile_serialization=zipped)
        files[name] = buffer.getvalue()
    return files


def sets() -> dict[str, bytes]:
    """Labeled images as parquet, arrays and an archive."""
    rows = [{"bytes": picture("PNG"), "path": None}] * ROWS
    parquet, arrays, tar = io.BytesIO(), io.BytesIO(), io.BytesIO()
    pq.write_table(pa.table({"image": rows, "label": [0, 1, 0, 1]}), parquet)
    np.savez(arrays, images=pixels(), labels=np.array([0, 1, 0, 1]))
    with tarfile.open(fileobj=tar, mode="w:") as archive:
        for number in range(ROWS):
            members = {"png": picture("PNG"), "cls": str(number % 2).encode()}
            for suffix, content in members.items():
                member = tarfile.TarInfo(f"{number:03d}.{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return {
        "rows.parquet": parquet.getvalue(),
        "rows.npz": arrays.getvalue(),
        "rows.tar": tar.getvalue(),
    }


def records() -> dict[str, bytes]:
    """What a run holds, and what a person adds to it."""
    given = {"model": "model.pt", "data": "photos", "arch": "timm:resnet18"}
    verdict = {"state": "clean", "target_labels": [], "suspects": 2}
    record = new_record("audit", given, 0, {"read": 0.5}, {"verdict": verdict}, "cpu")
    suspect = Suspect("cat/0.png", 0, 0, 1, 0.9, 0.8, 0.5, 1)
    shown = torch.zeros(1, 3, 6, 6, dtype=torch.uint8)
    pictures = (shown, shown, shown, (True,), {0: shown[0]})
    points = {"other": [(0.5, -0.5)], "suspect": [(1.0, 0.0)]}
    gallery = Gallery((suspect,), ("cat", "dog"), *pictures, {"other": (0.5,)}, points)
    head, cells = "image,given_label,restored_label,", "\ncat/0.png,cat,dog,"
    return {
        "record.json": to_json(with_checksum(record)),
        **gallery_files(gallery),
        "suspects.csv": f"{head}confidence,score,distance{cells}0.9,0.8,0.5\n".encode(),
        "review.csv": f"{head}decision,label{cells}accept,dog\n".encode(),
        "list.csv": b"path,label\ncat/0.png,cat\ndog/1.png,dog\n",
        "config.toml": tomli_w.dumps(asdict(BURN())).encode(),
        "study.toml": b'dataset = "digits"\nattacks = ["badnets", "none"]\nrates = [0.1]\n'
        b'methods = ["ft"]\n[hyperparameters.ft]\ntraining = {epochs = 5}\n',
    }


if __name__ == "__main__":
    CORPUS.mkdir(exist_ok=True)
    for name, content in {**pictures(), **models(), **sets(), **records()}.items():
        (CORPUS / name).write_bytes(content)
        print(json.dumps(name), len(content))  # noqa: T201
