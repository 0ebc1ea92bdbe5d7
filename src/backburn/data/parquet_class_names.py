"""Class names in parquet schema metadata, in the layout of Hugging Face `datasets`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from ..errors import InputError, first_line

METADATA_KEY = b"huggingface"
LABEL_TYPES = ("ClassLabel", "Value")
LABEL_COLUMNS = ("label", "labels", "fine_label", "class", "target", "class_name", "category")


def read_class_names(schema: pa.Schema, source: str) -> tuple[str, ...]:
    """Return the class names stored in the schema's metadata, or `()` if there are none.

    Args:
        schema: of a table with one of the `LABEL_COLUMNS`.
        source: name of the file or data set, for the error message.
    Raises:
        InputError: the metadata is malformed.
    """
    metadata = (schema.metadata or {}).get(METADATA_KEY)
    if metadata is None:
        return ()
    try:
        features = json.loads(metadata)["info"]["features"] or {}
        label = next((features[name] for name in LABEL_COLUMNS if name in schema.names), None)
        if label is not None and label["_type"] not in LABEL_TYPES:
            raise ValueError(f"labels of type {label['_type']!r}")
        names = label.get("names") if label else None
        return _in_order(names) if names else ()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{source} cannot be read as labeled images: its metadata about classes: "
            f"{first_line(error)}"
        ) from None


def _in_order(names: Any) -> tuple[str, ...]:
    """Return the names in order of their numbers; old versions wrote a mapping, not a list."""
    if isinstance(names, Mapping):
        names = [names[str(number)] for number in range(len(names))]
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise ValueError("names that are no texts")
    return tuple(names)


def image_schema(class_names: Sequence[str]) -> pa.Schema:
    """Return a schema with columns `image` (bytes and path) and `label`.

    The class names go into the metadata, where there are any.

    >>> read_class_names(image_schema(["cat", "dog"]), "train.parquet")
    ('cat', 'dog')
    """
    label: dict[str, Any] = {"dtype": "int64", "_type": "Value"}
    if class_names:
        label = {"names": list(class_names), "_type": "ClassLabel"}
    features = {"image": {"_type": "Image"}, "label": label}
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    metadata = json.dumps({"info": {"features": features}}).encode()
    return pa.schema([("image", image), ("label", pa.int64())], metadata={METADATA_KEY: metadata})
