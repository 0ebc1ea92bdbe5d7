"""JSON that comes with a Hugging Face model: numbers and names; never what fetches or runs."""

import json
from pathlib import Path
from typing import Any

from ...errors import InputError, first_line
from .class_lists import names_in
from .network_names import Normalization

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
LARGEST = 4 * 2**20
"""Bytes of a configuration; that of ImageNet-21k has less than two million."""
FOREIGN = ("implementation", "auto_map", "quantization", "kernel", "pipeline", "pretrained")
"""Parts of the names of settings that fetch or run what is not in the folder; left out."""


def read_settings(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"more than {LARGEST} bytes")
        found = _local(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON: {first_line(error)}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} holds a {type(found).__name__}: give a table of settings")
    return found


def _local(settings: Any) -> Any:
    """JSON without the settings that would fetch or run anything."""
    if isinstance(settings, list):
        return [_local(value) for value in settings]
    if not isinstance(settings, dict):
        return settings
    kept = {key: value for key, value in settings.items() if not any(f in key for f in FOREIGN)}
    return {key: _local(value) for key, value in kept.items() if "backbone" not in key}


def preprocessing(folder: Path) -> tuple[tuple[int, int] | None, Normalization | None]:
    """Size and normalization of a folder's images; None for what it does not say."""
    if not (folder / PREPROCESSOR).is_file():
        return None, None
    told = read_settings(folder / PREPROCESSOR)
    size = _size(told.get("crop_size") if told.get("do_center_crop") else None) or _size(
        told.get("size")
    )
    factor = told.get("rescale_factor", 1 / 255)
    plain = _numbers([factor]) and abs(factor - 1 / 255) < 1e-6
    mean: Any = told.get("image_mean")
    std: Any = told.get("image_std")
    if told.get("do_normalize") is False and plain:
        return size, ((0.0,) * 3, (1.0,) * 3)
    if not plain or not _numbers(mean) or not _numbers(std):
        return size, None
    return size, (tuple(map(float, mean)), tuple(map(float, std)))


def named_classes(folder: Path) -> tuple[str, ...]:
    """The classes that a folder's configuration names, by number; empty where nobody has."""
    return names_in(read_settings(folder / CONFIG).get("id2label"))


def _numbers(values: Any) -> bool:
    """Whether these are numbers that may be converted to floats."""
    return isinstance(values, list) and all(
        isinstance(value, int | float) and abs(value) < 2**53 for value in values
    )


def _size(told: Any) -> tuple[int, int] | None:
    """Height and width out of the ways in which preprocessors have said them."""
    if isinstance(told, dict):
        shortest = told.get("shortest_edge")
        told = [told.get("height", shortest), told.get("width", shortest)]
    sides = told if isinstance(told, list) else [told, told]
    if len(sides) != 2 or not all(isinstance(side, int) and 0 < side <= 4096 for side in sides):
        return None
    return sides[0], sides[1]
