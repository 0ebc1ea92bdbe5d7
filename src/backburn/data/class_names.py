"""The names of classes in a parquet file's own metadata, as `datasets` writes and reads them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from ..errors import InputError, first_line

KEY = b"huggingface"
KINDS = ("ClassLabel", "Value")
LABELS = ("label", "labels", "fine_label", "class", "target", "class_name", "category")


def class_names(schema: pa.Schema, where: str) -> tuple[str, ...]:
    """The names in the schema's own metadata, where its label column has some.

    Raises:
        InputError: metadata that say something else in their place.
    """
    said = (schema.metadata or {}).get(KEY)
    if said is None:
        return ()
    try:
        features = json.loads(said)["info"]["features"] or {}
        label = next((features[name] for name in LABELS if name in schema.names), None)
        if label is not None and label["_type"] not in KINDS:
            raise ValueError(f"labels of type {label['_type']!r}")
        names = label.get("names") if label else None
        return _in_order(names) if names else ()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{where} cannot be read as labeled images: its metadata about classes: "
            f"{first_line(error)}"
        ) from None


def _in_order(names: Any) -> tuple[str, ...]:
    """A list, or, as older versions wrote it, names by number."""
    if isinstance(names, Mapping):
        names = [names[str(number)] for number in range(len(names))]
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise ValueError("names that are no texts")
    return tuple(names)


def named_schema(names: Sequence[str]) -> pa.Schema:
    """`image` (bytes and path) and `label`, with the names in the metadata."""
    label: dict[str, Any] = {"dtype": "int64", "_type": "Value"}
    if names:
        label = {"names": list(names), "_type": "ClassLabel"}
    features = {"image": {"_type": "Image"}, "label": label}
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    said = json.dumps({"info": {"features": features}}).encode()
    return pa.schema([("image", image), ("label", pa.int64())], metadata={KEY: said})
