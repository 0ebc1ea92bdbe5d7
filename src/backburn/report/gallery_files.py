"""A gallery in a run directory: its pictures as safetensors, all else as JSON."""

import json
from math import inf
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..errors import InputError, first_line
from ..runs import own
from .gallery import PICTURED, Gallery, Suspect
from .thumbnails import SIDE

LISTED, PICTURES = "gallery.json", "gallery.safetensors"
KINDS = ("image", "perturbed", "perturbation")


class Listed(msgspec.Struct, frozen=True):
    """What `gallery.json` holds; a distance is null where no boundary was found."""

    classes: list[str]
    suspects: list[dict[str, Any]]
    shared: list[int]
    distances: dict[str, list[float]]
    embedding: dict[str, list[tuple[float, float]]]


def gallery_files(gallery: Gallery) -> dict[str, bytes]:
    """Both files, by name."""
    suspects = [
        {
            "rank": rank,
            **each._asdict(),
            "distance": each.distance if found else None,
            "found": found,
        }
        for rank, (each, found) in enumerate(zip(gallery.suspects, gallery.found, strict=True), 1)
    ]
    listed = {
        "classes": gallery.classes,
        "suspects": suspects,
        "shared": list(gallery.shared),
        "distances": gallery.distances,
        "embedding": gallery.embedding,
    }
    tensors = {name: getattr(gallery, name) for name in KINDS}
    tensors["row"] = torch.tensor([each.row for each in gallery.suspects], dtype=torch.long)
    tensors["found"] = torch.tensor(gallery.found, dtype=torch.bool)
    tensors |= {f"shared.{label}": part for label, part in gallery.shared.items()}
    # safetensors takes neither views nor tensors that share memory
    tensors = {name: part.clone().contiguous() for name, part in tensors.items()}
    # ASCII: names of files that are no UTF-8 keep their bytes as escapes
    return {LISTED: json.dumps(listed).encode("ascii"), PICTURES: save(tensors)}


def read_gallery(run: Path) -> Gallery:
    """The gallery of a run.

    Raises:
        InputError: the run has none, or one that is damaged.
    """
    for name in (LISTED, PICTURES):
        if not own(run, name).is_file():
            raise InputError(
                f"{run} has no {name}: give a run of audit, repair or demo, made by this version"
            )
    try:
        listed = msgspec.convert(json.loads((run / LISTED).read_bytes()), Listed)
        gallery = _assembled(listed, load((run / PICTURES).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
        raise InputError(
            f"{run / LISTED} and {PICTURES} cannot be read: {first_line(error)}; make the run again"
        ) from error
    return gallery


def _assembled(listed: Listed, tensors: dict[str, Tensor]) -> Gallery:
    """Raises ValueError, KeyError or TypeError: what does not fit together."""
    suspects = tuple(_suspect(each, len(listed.classes)) for each in listed.suspects)
    pictured = min(len(suspects), PICTURED)
    pictures = [_checked(tensors[name], pictured) for name in KINDS]
    if len({picture.shape for picture in pictures}) != 1:
        raise ValueError("thumbnails differ in shape")
    shared = {label: _checked(tensors[f"shared.{label}"][None], 1)[0] for label in listed.shared}
    if any(not 0 <= label < len(listed.classes) for label in shared):
        raise ValueError("a class that does not exist")
    return Gallery(
        suspects=suspects,
        classes=tuple(listed.classes),
        image=pictures[0],
        perturbed=pictures[1],
        perturbation=pictures[2],
        found=tuple(bool(each["found"]) for each in listed.suspects),
        shared=shared,
        distances={name: tuple(values) for name, values in listed.distances.items()},
        embedding={name: tuple(places) for name, places in listed.embedding.items()},
    )


def _suspect(given: dict[str, Any], classes: int) -> Suspect:
    distance = inf if given["distance"] is None else given["distance"]
    columns = [{**given, "distance": distance}[name] for name in Suspect._fields]
    suspect = msgspec.convert(columns, Suspect)
    labels = (suspect.given, suspect.restored)
    if not all(0 <= label < classes for label in labels) or not -1 <= suspect.crossed < classes:
        raise ValueError(f"{suspect.image} has a class that does not exist")
    return suspect


def _checked(picture: Tensor, count: int) -> Tensor:
    small = picture.ndim == 4 and picture.shape[1] >= 1 and max(picture.shape[2:]) <= SIDE
    if picture.dtype != torch.uint8 or not small or len(picture) != count:
        raise ValueError(f"thumbnails of shape {tuple(picture.shape)} for {count} suspects")
    return picture
