"""Read the list of a model's classes, from its checkpoint or from a file beside it."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...errors import InputError, first_line, printable

CLASS_LIST_KEYS = (
    "class_names", "classes", "CLASSES", "idx_to_class", "id2label", "class_to_idx", "label2id",
    "label_names", "labels", "names", "categories", "vocab",
)  # fmt: skip
SETTINGS_KEYS = ("hyper_parameters", "hparams", "args", "config", "meta", "dataset_meta")
"""Tables of a checkpoint in which training scripts put their list of classes."""
CLASS_FILES = ("classes.txt", "labels.txt", "class_names.txt", "classes.json", "class_to_idx.json")
"""Files beside a model that list its classes."""
MAX_FILE_BYTES = 2**22
"""Size of a list; the 21,000 names of ImageNet have less than one million."""
PLACEHOLDER = re.compile(r"LABEL_\d+")
"""The name that transformers gives to an unnamed class."""


def find_class_list(content: Any) -> tuple[str, ...]:
    """Find the classes that a checkpoint lists, in the model's order; empty if there are none.

    >>> find_class_list({"state_dict": {}, "hparams": {"class_to_idx": {"dog": 1, "cat": 0}}})
    ('cat', 'dog')
    """
    if not isinstance(content, dict):
        return ()
    settings = (content[key] for key in SETTINGS_KEYS if isinstance(content.get(key), dict))
    for table in (content, *settings):
        for key in CLASS_LIST_KEYS:
            if key in table and (names := parse_class_names(table[key])):
                return names
    return ()


def parse_class_names(value: Any) -> tuple[str, ...]:
    """Convert a list of names, or a table between numbers and names, to names in order.

    Returns an empty tuple for anything else, for duplicates and for placeholders.

    >>> parse_class_names({"0": "cat", "1": "dog"})
    ('cat', 'dog')
    """
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
    if len(set(value)) < len(value) or all(PLACEHOLDER.fullmatch(name) for name in value):
        return ()
    return tuple(value)


def read_classes(path: Path) -> tuple[str, ...]:
    """Read the classes that a file lists, as JSON or as text with one class per line.

    Raises:
        InputError: a file that cannot be read, or that lists a class twice or fewer than two.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ValueError(f"more than {MAX_FILE_BYTES} bytes")
        text = path.read_text(encoding="utf-8-sig")
        value = json.loads(text) if path.suffix == ".json" else parse_lines(text)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path} cannot be read as a list of classes: {first_line(error)}"
        ) from None
    if names := parse_class_names(find_class_list(value) or value):
        return names
    twice = sorted({printable(str(n)) for n in value if list(value).count(n) > 1})[:3]
    what = f"lists {', '.join(twice)} more than once" if twice else "lists fewer than two classes"
    raise InputError(f"{path} {what}: give the model's classes in its order, one a line")


def parse_lines(text: str) -> Sequence[str]:
    """Split a text into names, one per line, without numbers if all lines are numbered.

    >>> parse_lines("0: cat\\n1: dog")
    ['cat', 'dog']
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    matches = [re.fullmatch(r"(\d+)\s*[:,;\t ]\s*(.+)", line) for line in lines]
    if lines and all(match and int(match[1]) == index for index, match in enumerate(matches)):
        return [match[2] for match in matches if match]
    return lines


def read_classes_beside(path: Path) -> tuple[tuple[str, ...], str]:
    """Read the list of classes in a model's folder.

    Returns:
        The classes and the name of their file; both are empty if there is no list.
    """
    for name in CLASS_FILES:
        if (path.parent / name).is_file():
            return read_classes(path.parent / name), name
    return (), ""
