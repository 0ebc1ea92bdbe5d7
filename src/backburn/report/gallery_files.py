"""The gallery in a run directory: thumbnails as safetensors, the rest as JSON."""

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
from ..runs import path_in_run
from .gallery import MAX_PICTURED, Gallery, Suspect
from .thumbnails import MAX_SIDE

GALLERY_JSON, GALLERY_TENSORS = "gallery.json", "gallery.safetensors"
THUMBNAIL_KINDS = ("image", "perturbed", "perturbation")


class GalleryListing(msgspec.Struct, frozen=True):
    """Content of `gallery.json`; a distance is null where no boundary was found."""

    classes: list[str]
    suspects: list[dict[str, Any]]
    shared: list[int]
    distances: dict[str, list[float]]
    embedding: dict[str, list[tuple[float, float]]]


def gallery_files(gallery: Gallery) -> dict[str, bytes]:
    """Return the content of both files, by file name."""
    suspects = [
        {
            "rank": rank,
            **suspect._asdict(),
            "distance": suspect.distance if has_boundary else None,
            "found": has_boundary,
        }
        for rank, (suspect, has_boundary) in enumerate(
            zip(gallery.suspects, gallery.has_boundary, strict=True), 1
        )
    ]
    listing = {
        "classes": gallery.classes,
        "suspects": suspects,
        "shared": list(gallery.mean_directions),
        "distances": gallery.distances,
        "embedding": gallery.embedding,
    }
    tensors = {name: getattr(gallery, name) for name in THUMBNAIL_KINDS}
    tensors["row"] = torch.tensor([suspect.row for suspect in gallery.suspects], dtype=torch.long)
    tensors["found"] = torch.tensor(gallery.has_boundary, dtype=torch.bool)
    tensors |= {
        f"shared.{label}": direction for label, direction in gallery.mean_directions.items()
    }
    # safetensors takes neither views nor tensors that share memory
    tensors = {name: tensor.clone().contiguous() for name, tensor in tensors.items()}
    # ASCII: file names that aren't UTF-8 keep their bytes as escapes
    return {GALLERY_JSON: json.dumps(listing).encode("ascii"), GALLERY_TENSORS: save(tensors)}


def read_gallery(run: Path) -> Gallery:
    """Read the gallery of a run.

    Raises:
        InputError: the run has none, or it is damaged.
    """
    for name in (GALLERY_JSON, GALLERY_TENSORS):
        if not path_in_run(run, name).is_file():
            raise InputError(
                f"{run} has no {name}: give a run of audit, repair or demo, made by this version"
            )
    try:
        listing = msgspec.convert(json.loads((run / GALLERY_JSON).read_bytes()), GalleryListing)
        gallery = _assemble(listing, load((run / GALLERY_TENSORS).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
        raise InputError(
            f"{run / GALLERY_JSON} and {GALLERY_TENSORS} cannot be read: {first_line(error)}; "
            "make the run again"
        ) from error
    return gallery


def _assemble(listing: GalleryListing, tensors: dict[str, Tensor]) -> Gallery:
    """Build the gallery from both files.

    Raises:
        ValueError, KeyError, TypeError: the parts don't fit together.
    """
    class_count = len(listing.classes)
    suspects = tuple(_parse_suspect(entry, class_count) for entry in listing.suspects)
    pictured = min(len(suspects), MAX_PICTURED)
    thumbnails = [_check_thumbnails(tensors[name], pictured) for name in THUMBNAIL_KINDS]
    if len({thumbnail.shape for thumbnail in thumbnails}) != 1:
        raise ValueError("thumbnails differ in shape")
    mean_directions = {
        label: _check_thumbnails(tensors[f"shared.{label}"][None], 1)[0] for label in listing.shared
    }
    if any(not 0 <= label < class_count for label in mean_directions):
        raise ValueError("a class that does not exist")
    return Gallery(
        suspects=suspects,
        classes=tuple(listing.classes),
        image=thumbnails[0],
        perturbed=thumbnails[1],
        perturbation=thumbnails[2],
        has_boundary=tuple(bool(entry["found"]) for entry in listing.suspects),
        mean_directions=mean_directions,
        distances={name: tuple(values) for name, values in listing.distances.items()},
        embedding={name: tuple(points) for name, points in listing.embedding.items()},
    )


def _parse_suspect(entry: dict[str, Any], class_count: int) -> Suspect:
    distance = inf if entry["distance"] is None else entry["distance"]
    columns = [{**entry, "distance": distance}[name] for name in Suspect._fields]
    suspect = msgspec.convert(columns, Suspect)
    labels = (suspect.given, suspect.restored)
    if not all(0 <= label < class_count for label in labels) or (
        not -1 <= suspect.crossed < class_count
    ):
        raise ValueError(f"{suspect.image} has a class that does not exist")
    return suspect


def _check_thumbnails(thumbnails: Tensor, count: int) -> Tensor:
    shape = thumbnails.shape
    is_small = thumbnails.ndim == 4 and shape[1] >= 1 and max(shape[2:]) <= MAX_SIDE
    if thumbnails.dtype != torch.uint8 or not is_small or len(thumbnails) != count:
        raise ValueError(f"thumbnails of shape {tuple(shape)} for {count} suspects")
    return thumbnails
