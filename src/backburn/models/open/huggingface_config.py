"""Read the JSON files of a Hugging Face model, without settings that would fetch or run code."""

import json
from pathlib import Path
from typing import Any

from ...errors import InputError, first_line
from .class_lists import parse_class_names
from .find_network import Normalization

CONFIG_FILE, PREPROCESSOR_FILE = "config.json", "preprocessor_config.json"
MAX_FILE_BYTES = 4 * 2**20
"""Size of a configuration; that of ImageNet-21k has less than two million."""
UNSAFE_PARTS = ("implementation", "auto_map", "quantization", "kernel", "pipeline", "pretrained")
"""Parts of the names of settings that fetch or run what is not in the folder."""


def read_settings(path: Path) -> dict[str, Any]:
    """Read a JSON file of settings, without those that would fetch or run code.

    Raises:
        InputError: a file that is too large, or holds no JSON table.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ValueError(f"more than {MAX_FILE_BYTES} bytes")
        settings = _without_unsafe(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON: {first_line(error)}") from error
    if not isinstance(settings, dict):
        raise InputError(f"{path} holds a {type(settings).__name__}: give a table of settings")
    return settings


def _without_unsafe(settings: Any) -> Any:
    """The same JSON without settings that would fetch or run anything, at any depth."""
    if isinstance(settings, list):
        return [_without_unsafe(value) for value in settings]
    if not isinstance(settings, dict):
        return settings
    kept = {
        key: value
        for key, value in settings.items()
        if not any(part in key for part in UNSAFE_PARTS)
    }
    return {key: _without_unsafe(value) for key, value in kept.items() if "backbone" not in key}


def read_preprocessing(folder: Path) -> tuple[tuple[int, int] | None, Normalization | None]:
    """Read the image size and normalization of a model's folder; None for what is unknown."""
    if not (folder / PREPROCESSOR_FILE).is_file():
        return None, None
    settings = read_settings(folder / PREPROCESSOR_FILE)
    crop_size = settings.get("crop_size") if settings.get("do_center_crop") else None
    size = _size(crop_size) or _size(settings.get("size"))
    factor = settings.get("rescale_factor", 1 / 255)
    is_standard = _are_numbers([factor]) and abs(factor - 1 / 255) < 1e-6
    mean: Any = settings.get("image_mean")
    std: Any = settings.get("image_std")
    if settings.get("do_normalize") is False and is_standard:
        return size, ((0.0,) * 3, (1.0,) * 3)
    if not is_standard or not _are_numbers(mean) or not _are_numbers(std):
        return size, None
    return size, (tuple(map(float, mean)), tuple(map(float, std)))


def read_class_names(folder: Path) -> tuple[str, ...]:
    """Read the class names in a folder's configuration; empty if the classes are unnamed."""
    return parse_class_names(read_settings(folder / CONFIG_FILE).get("id2label"))


def _are_numbers(values: Any) -> bool:
    """Whether these are numbers that fit into floats."""
    return isinstance(values, list) and all(
        isinstance(value, int | float) and abs(value) < 2**53 for value in values
    )


def _size(setting: Any) -> tuple[int, int] | None:
    """Height and width, out of the formats that preprocessors have used; None for others."""
    if isinstance(setting, dict):
        shortest = setting.get("shortest_edge")
        setting = [setting.get("height", shortest), setting.get("width", shortest)]
    sides = setting if isinstance(setting, list) else [setting, setting]
    if len(sides) != 2 or not all(isinstance(side, int) and 0 < side <= 4096 for side in sides):
        return None
    return sides[0], sides[1]
