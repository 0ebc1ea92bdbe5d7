"""The order in which a model's maker lists its classes, wherever that is written."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...errors import InputError, first_line, printable

KEYS = (
    "class_names", "classes", "CLASSES", "idx_to_class", "id2label", "class_to_idx", "label2id",
    "label_names", "labels", "names", "categories", "vocab",
)  # fmt: skip
HOLDERS = ("hyper_parameters", "hparams", "args", "config", "meta", "dataset_meta")
"""Tables of a checkpoint in which training scripts put such a list."""
BESIDE = ("classes.txt", "labels.txt", "class_names.txt", "classes.json", "class_to_idx.json")
"""Files beside a model that list its classes."""
LARGEST = 2**22
"""Bytes of a list; the 21,000 names of ImageNet have less than one million."""
GENERIC = re.compile(r"LABEL_\d+")
"""What transformers calls a class that nobody has named."""


def class_list(held: Any) -> tuple[str, ...]:
    """The classes that a checkpoint lists, by the model's order; empty where it lists none."""
    if not isinstance(held, dict):
        return ()
    for table in (held, *(held[key] for key in HOLDERS if isinstance(held.get(key), dict))):
        for key in KEYS:
            if key in table and (names := names_in(table[key])):
                return names
    return ()


def names_in(value: Any) -> tuple[str, ...]:
    """A list of names, a table from number to name, or from name to number; else nothing."""
    if isinstance(value, dict):
        try:
            if all(isinstance(number, int) for number in value.values()):
                value = {number: name for name, number in value.items()}
            value = [value[key] for key in sorted(value, key=int)]
        except (TypeError, ValueError):
            return ()
    if not isinstance(value, list | tuple) or len(value) < 2:
        return ()
    if not all(isinstance(name, str) and name for name in value):
        return ()
    if len(set(value)) < len(value) or all(GENERIC.fullmatch(name) for name in value):
        return ()
    return tuple(value)


def read_classes(path: Path) -> tuple[str, ...]:
    """The classes that a file lists: a line a class, or JSON.

    Raises:
        InputError: a file that cannot be read, or that lists a class twice or fewer than two.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"more than {LARGEST} bytes")
        text = path.read_text(encoding="utf-8-sig")
        value = json.loads(text) if path.suffix == ".json" else lines(text)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path} cannot be read as a list of classes: {first_line(error)}"
        ) from None
    if names := names_in(class_list(value) or value):
        return names
    twice = sorted({printable(str(n)) for n in value if list(value).count(n) > 1})[:3]
    what = f"lists {', '.join(twice)} more than once" if twice else "lists fewer than two classes"
    raise InputError(f"{path} {what}: give the model's classes in its order, one a line")


def lines(text: str) -> Sequence[str]:
    """Names of a text, one a line; `0: cat`, `0,cat` and `0 cat` are cat where all are numbered."""
    found = [line.strip() for line in text.splitlines() if line.strip()]
    parts = [re.fullmatch(r"(\d+)\s*[:,;\t ]\s*(.+)", line) for line in found]
    if found and all(part and int(part[1]) == place for place, part in enumerate(parts)):
        return [part[2] for part in parts if part]
    return found


def classes_beside(path: Path) -> tuple[tuple[str, ...], str]:
    """The list that lies in the model's folder and the name of its file; both empty without one."""
    for name in BESIDE:
        if (path.parent / name).is_file():
            return read_classes(path.parent / name), name
    return (), ""
