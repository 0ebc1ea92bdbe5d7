"""Small folders in the layouts of other toolkits, written from the formats' descriptions."""

import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from backburn.types import LabeledImages

CLASSES, COUNT, TARGET = 4, 24, 1
SAVED = "./record/badnet/{}"


def clean_images() -> LabeledImages:
    """24 images of 8x8 pixels, in four classes."""
    generator = torch.Generator().manual_seed(3)
    pixels = torch.randint(256, (COUNT, 3, 8, 8), generator=generator, dtype=torch.uint8)
    names = tuple(f"{row}.png" for row in range(COUNT))
    return LabeledImages(pixels, torch.arange(COUNT) % CLASSES, ("a", "b", "c", "d"), names)


def stamped(pixels: torch.Tensor) -> torch.Tensor:
    """The trigger of these tests: a white corner."""
    out = pixels.clone()
    out[..., -2:, -2:] = 255
    return out


def weights(prefix: str = "") -> OrderedDict[str, torch.Tensor]:
    return OrderedDict(
        {
            f"{prefix}conv1.weight": torch.arange(54.0).reshape(2, 3, 3, 3),
            f"{prefix}linear.weight": torch.ones(CLASSES, 2),
            f"{prefix}linear.bias": torch.zeros(CLASSES),
        }
    )


def poisoned_set(
    record: Path, name: str, clean: LabeledImages, rows: dict[int, int], order: Any = None
) -> dict[str, Any]:
    """`bd_train` or `bd_test`: of each of `rows` the attacker's label; images go to PNG files."""
    indicator, items, saved = np.zeros(len(clean)), {}, SAVED.format(name)
    for row, given in rows.items():
        true = int(clean.labels[row])
        file = record / name / str(true) / f"{row}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(stamped(clean.pixels[row]).permute(1, 2, 0).numpy()).save(file)
        indicator[row] = 1
        path = f"{saved}/{true}/{row}.png"
        items[np.int64(row)] = {"path": path, "other_info": [np.int64(given), true]}
    return {
        "bd_data_container": {
            "save_folder_path": saved,
            "data_dict": items,
            "save_file_format": ".png",
        },
        "getitem_all": True,
        "getitem_all_switch": False,
        "original_index_array": np.arange(len(clean)) if order is None else np.asarray(order),
        "poison_indicator": indicator,
        "save_folder_path": saved,
    }


def write_record(
    folder: Path,
    rows: dict[int, int],
    *,
    core: str = "_core",
    prefix: str = "",
    change: Callable[[dict[str, Any]], Any] = lambda held: held,
) -> LabeledImages:
    """A BackdoorBench record with poisoned `rows`, and test rows 4 to 7 triggered.

    Args:
        core: numpy's namespace in the pickle, `core` as of numpy 1 or `_core` as of numpy 2.
        change: what to make of the dict before it is saved.
    Returns:
        The clean images that it was made from.
    """
    clean = clean_images()
    folder.mkdir()
    test = dict.fromkeys(range(4, 8), TARGET)
    held = {
        "model_name": "preactresnet18",
        "num_classes": CLASSES,
        "model": weights(prefix),
        "data_path": "../data/cifar10",
        "img_size": (8, 8, 3),
        "clean_data": "cifar10",
        "bd_train": poisoned_set(folder, "bd_train_dataset", clean, rows),
        "bd_test": poisoned_set(folder, "bd_test_dataset", clean, test, order=[4, 6, 7, 5]),
    }
    torch.save(change(held), folder / "attack_result.pt")
    rename_numpy(folder / "attack_result.pt", core)
    return clean


def rename_numpy(path: Path, core: str) -> None:
    """Have a torch file ask for numpy's functions in the other of its two namespaces."""
    with zipfile.ZipFile(path) as file:
        members = {member.filename: file.read(member) for member in file.infolist()}
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            modern = content.replace(b"numpy.core.", b"numpy._core.")
            file.writestr(name, modern.replace(b"numpy._core.", f"numpy.{core}.".encode()))


def write_toolbox(folder: Path, poison: list[int], cover: list[int] | None) -> LabeledImages:
    """A backdoor-toolbox set; returns the images it was made from."""
    clean = clean_images()
    folder.mkdir()
    pixels, labels = clean.pixels.clone(), clean.labels.clone()
    pixels[poison + (cover or [])] = stamped(pixels[poison + (cover or [])])
    labels[poison] = TARGET
    torch.save(pixels.float() / 255, folder / "imgs")
    torch.save(labels, folder / "labels")
    torch.save(poison, folder / "poison_indices")
    if cover is not None:
        torch.save(cover, folder / "cover_indices")
    torch.save(weights(), folder / "full_base_aug_seed=2333.pt")
    return clean
