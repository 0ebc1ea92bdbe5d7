"""Reader for parquet files and for Arrow tables of the Hugging Face `datasets` library."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import InputError, first_line
from ..labels import labels_from_values
from ..parquet_class_names import LABEL_COLUMNS, read_class_names
from ..undecoded_rows import RawImage, Row, Rows
from .folder import is_inside

IMAGE_COLUMNS = ("image", "img", "picture", "image_bytes")
BINARY_VIEWS = (pa.binary_view(),)
BATCH_ROWS = 100
"""Rows that are in memory, undecoded, at a time."""
BUFFER_SIZE = 2**20
FREE_ROWS, MIN_ROW_SIZE = 10_000, 10
"""A file may have `FREE_ROWS` rows, plus one per `MIN_ROW_SIZE` bytes: no image is smaller."""
FREE_SIZE, MAX_RATIO = 2**26, 20
"""A file may unpack to `FREE_SIZE` bytes, plus `MAX_RATIO` times its own size."""

Batches = Callable[[list[str]], Iterator[pa.RecordBatch | pa.Table]]
"""Starts an iteration over the given columns of a table."""


def open_parquet(files: Sequence[Path], source: str) -> Rows:
    """Return the rows of one or more parquet files that form a data set.

    Args:
        files: in order.
        source: name of the data set in messages.
    Raises:
        InputError: a file is not parquet, a column is missing, or the files name their classes
            differently.
    """
    schemas = [_convert_errors(partial(_read_schema, file), str(file)) for file in files]
    class_names = {read_class_names(schema, source) for schema in schemas}
    if len(class_names) > 1:
        raise InputError(
            f"{source}: its files name their classes differently: give them one by one"
        )

    def batches(columns: list[str]) -> Iterator[pa.RecordBatch]:
        for file in files:
            # by default pyarrow would keep all that it reads, or columns of whole row groups
            with pq.ParquetFile(file, pre_buffer=False, buffer_size=BUFFER_SIZE) as table:
                yield from table.iter_batches(BATCH_ROWS, columns=columns)

    return rows_from_arrow(schemas[0], batches, source)


def _read_schema(file: Path) -> pa.Schema:
    """Read the schema of a file after checking that its row count and sizes are plausible."""
    with pq.ParquetFile(file) as table:
        metadata, size = table.metadata, file.stat().st_size
        if metadata.num_rows > FREE_ROWS + size // MIN_ROW_SIZE:
            raise ValueError(f"it says that it has {metadata.num_rows} rows, in {size} bytes")
        unpacked = sum(
            metadata.row_group(k).total_byte_size for k in range(metadata.num_row_groups)
        )
        if unpacked > FREE_SIZE + MAX_RATIO * size:
            raise ValueError(f"it unpacks to {unpacked} bytes from {size}: images hardly shrink")
        return table.schema_arrow


def rows_from_arrow(
    schema: pa.Schema, batches: Batches, source: str, root: Path | None = None
) -> Rows:
    """Return the rows of Arrow tables with an image and a label column.

    Images are bytes, or structs with `bytes`. A struct with only a `path` is read if the file is
    in `root`.

    Raises:
        InputError: a column is missing, or labels mix text and numbers.
    """
    image_column = _find_column(schema, IMAGE_COLUMNS, source)
    label_column = _find_column(schema, LABEL_COLUMNS, source)
    _refuse_non_images(schema.field(image_column).type, image_column, source)
    class_names, numbers = read_class_names(schema, source), None
    if not class_names and not pa.types.is_integer(schema.field(label_column).type):
        values = [value for (value,) in _read_columns(batches, [label_column], source)]
        numbers, class_names = labels_from_values(values, source)

    def read() -> Iterator[Row]:
        rows = _read_columns(batches, [image_column, label_column], source)
        for number, (image, value) in enumerate(rows):
            label = value if numbers is None else numbers[number]
            yield Row(f"row {number}", _raw_image(image, root), label)

    return Rows(source, read, class_names)


def _convert_errors(function: Callable[[], Any], source: str) -> Any:
    """Call a function and raise InputError for whatever it raises."""
    try:
        return function()
    except InputError:
        raise
    except Exception as error:  # the libraries raise their own, pyarrow's and OS errors
        raise unreadable_error(source, error) from None


def unreadable_error(source: str, error: Exception) -> InputError:
    """Return the error for a source that a library could not read."""
    return InputError(f"{source} cannot be read as labeled images: {first_line(error)}")


def _read_columns(batches: Batches, columns: list[str], source: str) -> Iterator[tuple[Any, ...]]:
    stream = iter(batches(columns))

    def next_batch() -> list[list[Any]] | None:
        batch = next(stream, None)
        return None if batch is None else [batch.column(name).to_pylist() for name in columns]

    # only errors of reading become InputErrors; those of the consumer of this generator do not
    while (values := _convert_errors(next_batch, source)) is not None:
        yield from zip(*values, strict=True)


def _find_column(schema: pa.Schema, names: tuple[str, ...], source: str) -> str:
    """Return the first of these names that the schema has."""
    for name in names:
        if name in schema.names:
            return name
    columns = ", ".join(schema.names) or "nothing of the kind"
    raise InputError(f"{source} needs columns image and label; found: {columns}")


def _refuse_non_images(column_type: pa.DataType, name: str, source: str) -> None:
    value_type = column_type
    if pa.types.is_struct(column_type) and column_type.get_field_index("bytes") >= 0:
        value_type = column_type.field("bytes").type
    is_binary = pa.types.is_binary(value_type) or pa.types.is_large_binary(value_type)
    if not (is_binary or value_type in BINARY_VIEWS):
        raise InputError(
            f"{source}: column {name} holds {column_type}: give encoded images (PNG, JPEG ...)"
        )


def _raw_image(value: bytes | dict[str, Any] | None, root: Path | None) -> RawImage | str:
    if isinstance(value, bytes):
        return value or "no image bytes"
    if value and value["bytes"]:
        return bytes(value["bytes"])
    path = value and value.get("path")
    if path and root and is_inside(Path(path), root):
        return Path(path)
    return "no image bytes, but a path to elsewhere" if path else "no image bytes"
