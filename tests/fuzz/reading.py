"""Every reader of a stranger's file, by the seeds that it reads."""

from collections.abc import Callable
from pathlib import Path

import torch

from backburn.benchmark.study_file import load_study
from backburn.burn.burn import BURN
from backburn.config import configure
from backburn.data.load_images import load_images
from backburn.data.review_file import read_review
from backburn.models.open.open_model import open_model
from backburn.report.gallery_files import read_gallery
from backburn.runs import read_checked, read_record
from backburn.toolkits.run_suspects import read_suspects
from backburn.toolkits.safe_torch_load import safe_load
from backburn.types import LabeledImages

CORPUS = Path(__file__).with_name("corpus")
IMAGES = LabeledImages(
    torch.zeros(2, 3, 4, 4, dtype=torch.uint8),
    torch.tensor([0, 1]),
    ("cat", "dog"),
    ("cat/0.png", "dog/1.png"),
)


def _one_of_a_tree(path: Path) -> None:
    """An image among good ones: it may be skipped, but not more."""
    for name in ("cat", "dog"):
        home = path.parent / "tree" / name
        home.mkdir(parents=True, exist_ok=True)
        home.joinpath("good.png").write_bytes((CORPUS / "image.png").read_bytes())
    path.rename(home / f"odd{path.suffix}")
    images = load_images(home.parent)
    assert len(images) + len(images.skipped) == 3


def _listed(path: Path) -> None:
    for name in ("cat/0.png", "dog/1.png"):
        file = path.parent / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes((CORPUS / "image.png").read_bytes())
    load_images(path)


def _gallery(path: Path) -> None:
    for name in ("gallery.json", "gallery.safetensors"):
        if name != path.name:
            (path.parent / name).write_bytes((CORPUS / name).read_bytes())
    read_gallery(path.parent)


def _record(path: Path) -> None:
    read_record(path.parent)
    read_checked(path)


READERS: dict[str, Callable[[Path], object]] = {
    **{
        f"image.{suffix}": _one_of_a_tree
        for suffix in ("png", "jpg", "gif", "bmp", "webp", "tif", "alpha.png")
    },
    "own.safetensors": open_model,
    "weights.safetensors": lambda path: open_model(path, "small_cnn"),
    "zipped.pt": lambda path: open_model(path, "small_cnn"),
    "older.pt": safe_load,
    **dict.fromkeys(("rows.parquet", "rows.npz", "rows.tar"), load_images),
    "record.json": _record,
    "gallery.json": _gallery,
    "gallery.safetensors": _gallery,
    "suspects.csv": lambda path: read_suspects(path.parent),
    "review.csv": lambda path: read_review(path, IMAGES),
    "list.csv": _listed,
    "config.toml": lambda path: configure(BURN(), path),
    "study.toml": load_study,
}
