"""Rows of parquet files, and of data sets of the Hugging Face `datasets` library."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import InputError, first_line
from ..class_names import LABELS, class_names
from ..labels import from_values
from ..rows import Picture, Row, Rows
from .folder import inside

IMAGES = ("image", "img", "picture", "image_bytes")
VIEWS = (pa.binary_view(),)
CHUNK = 100
"""Rows that are held undecoded at a time."""
BUFFER = 2**20
FEW, LEAST = 10_000, 10
"""Rows that any file may have, and how many bytes make one more: no image has fewer."""
UNPACKED, TIMES = 2**26, 20
"""Bytes that any file may unpack to, and how many for each of its own."""

Batches = Callable[[list[str]], Iterator[pa.RecordBatch | pa.Table]]


def parquet(files: Sequence[Path], where: str) -> Rows:
    """Rows of parquet files that belong together, in the order of their names.

    Raises:
        InputError: no parquet, other columns, shards that name classes in different order.
    """
    schemas = [_reading(partial(_schema, file), str(file)) for file in files]
    names = {class_names(schema, where) for schema in schemas}
    if len(names) > 1:
        raise InputError(f"{where}: its files name their classes differently: give them one by one")

    def batches(columns: list[str]) -> Iterator[pa.RecordBatch]:
        for file in files:
            # else the file is held as it is read: all of it, or columns of whole row groups
            with pq.ParquetFile(file, pre_buffer=False, buffer_size=BUFFER) as table:
                yield from table.iter_batches(CHUNK, columns=columns)

    return arrow_rows(schemas[0], batches, where)


def _schema(file: Path) -> pa.Schema:
    """Of a file that says that it unpacks to what a person would have packed."""
    with pq.ParquetFile(file) as table:
        about, size = table.metadata, file.stat().st_size
        if about.num_rows > FEW + size // LEAST:
            raise ValueError(f"it says that it has {about.num_rows} rows, in {size} bytes")
        unpacked = sum(about.row_group(k).total_byte_size for k in range(about.num_row_groups))
        if unpacked > UNPACKED + TIMES * size:
            raise ValueError(f"it unpacks to {unpacked} bytes from {size}: images hardly shrink")
        return table.schema_arrow


def arrow_rows(schema: pa.Schema, batches: Batches, where: str, root: Path | None = None) -> Rows:
    """Rows of arrow tables with an image and a label column, each called by one of their names.

    Images are bytes, or structs with `bytes`; of one with a `path` alone the file is read only
    if it lies in `root`.
    Raises:
        InputError: other columns, or labels that are text and numbers at once.
    """
    image, label = _column(schema, IMAGES, where), _column(schema, LABELS, where)
    _refuse_non_images(schema.field(image).type, image, where)
    names, numbers = class_names(schema, where), None
    if not names and not pa.types.is_integer(schema.field(label).type):
        values = [value for (value,) in _columns(batches, [label], where)]
        numbers, names = from_values(values, where)

    def read() -> Iterator[Row]:
        rows = _columns(batches, [image, label], where)
        for number, (picture, given) in enumerate(rows):
            said = given if numbers is None else numbers[number]
            yield Row(f"row {number}", _picture(picture, root), said)

    return Rows(where, read, names)


def _reading(ask: Callable[[], Any], where: str) -> Any:
    try:
        return ask()
    except InputError:
        raise
    except Exception as error:  # the libraries raise their own, pyarrow's and OS errors
        raise unreadable(where, error) from None


def unreadable(where: str, error: Exception) -> InputError:
    """The error for a source that some library could not read."""
    return InputError(f"{where} cannot be read as labeled images: {first_line(error)}")


def _columns(batches: Batches, columns: list[str], where: str) -> Iterator[tuple[Any, ...]]:
    stream = iter(batches(columns))

    def chunk() -> list[list[Any]] | None:
        batch = next(stream, None)
        return None if batch is None else [batch.column(name).to_pylist() for name in columns]

    # damage that shows only now is the source's; what a consumer raises is not
    while (values := _reading(chunk, where)) is not None:
        yield from zip(*values, strict=True)


def _column(schema: pa.Schema, known: tuple[str, ...], where: str) -> str:
    for name in known:
        if name in schema.names:
            return name
    found = ", ".join(schema.names) or "nothing of the kind"
    raise InputError(f"{where} needs columns image and label; found: {found}")


def _refuse_non_images(kind: pa.DataType, name: str, where: str) -> None:
    held = kind
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        held = kind.field("bytes").type
    if not (pa.types.is_binary(held) or pa.types.is_large_binary(held) or held in VIEWS):
        raise InputError(
            f"{where}: column {name} holds {kind}: give encoded images (PNG, JPEG ...)"
        )


def _picture(value: bytes | dict[str, Any] | None, root: Path | None) -> Picture | str:
    if isinstance(value, bytes):
        return value or "no image bytes"
    if value and value["bytes"]:
        return bytes(value["bytes"])
    path = value and value.get("path")
    if path and root and inside(Path(path), root):
        return Path(path)
    return "no image bytes, but a path to elsewhere" if path else "no image bytes"
