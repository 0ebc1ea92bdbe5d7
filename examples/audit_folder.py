"""Audit a model and the folder of images that it was trained on.

python examples/audit_folder.py                          # makes a backdoored model and audits it
python examples/audit_folder.py model.pt photos/ timm:resnet18
"""

import argparse
import tempfile
from pathlib import Path

import torch

import backburn
from backburn.attacks import Blended, Recipe, Training, dump_victim, make_evaluation_set


def make_a_case(folder: Path) -> tuple[Path, Path]:
    """A backdoored model, and its training images with one folder a class."""
    recipe = Recipe("small_cnn", Training(epochs=16, batch_size=64, learning_rate=0.05))
    images, test = (backburn.load_images("digits", split=split) for split in ("train", "test"))
    victim = Blended().train_victim(images, recipe, torch.Generator().manual_seed(0))
    files = dump_victim(victim, make_evaluation_set(victim, test), layout="folder")
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder / "model.safetensors", folder / "train"


def audit(model: Path, photos: Path, arch: str | None = None, shown: int = 10) -> backburn.Audit:
    """The audit; its verdict and the first suspects are printed."""
    images = backburn.load_images(photos)
    network = backburn.load_model(model, arch)
    found = backburn.audit(network, images)
    print(f"{found.verdict.state}, p = {found.verdict.p_value:.2g}")
    print(f"{len(found.suspects)} of {len(images)} images are suspect")
    for row in found.suspects.rows(found.evidence.score)[:shown]:
        given, restored = (
            images.class_names[row[key]] for key in ("given_label", "restored_label")
        )
        print(f"  {images.name_of(row['index'])}: called {given}, should be {restored}")
    return found


def main() -> None:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("photos", nargs="?", type=Path)
    parser.add_argument("arch", nargs="?", help="such as timm:resnet18")
    asked = parser.parse_args()
    if asked.model and asked.photos:
        audit(asked.model, asked.photos, asked.arch)
        return
    with tempfile.TemporaryDirectory() as folder:
        audit(*make_a_case(Path(folder)))


if __name__ == "__main__":
    main()
