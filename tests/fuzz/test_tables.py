"""Tables, label vectors and reviews of any content: read, or refused in one line."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bounds import FUZZED, one_line_at_most
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from reading import CORPUS, IMAGES

from backburn.data.csv_cells import csv_bytes, read_csv
from backburn.data.load_images import load_images
from backburn.data.review_file import COLUMNS, read_review
from backburn.data.sources.arrays import from_arrays
from backburn.toolkits.run_suspects import COLUMNS as SUSPECTED
from backburn.toolkits.run_suspects import read_suspects

pytestmark = pytest.mark.filterwarnings("ignore")
# a name may have any bytes but NUL; those that are no UTF-8 are surrogates
NAMES = st.binary(max_size=12).map(
    lambda raw: raw.replace(b"\0", b"").decode("utf-8", "surrogateescape")
)
CELLS = NAMES | st.sampled_from(["cat/0.png", "dog/1.png", "cat", "dog", "accept", "reject", "-1"])
CELLS |= st.sampled_from(["0.5", "nan", "1e400", "=1+1", "'", "\r", '"', "relabel", "../x", "/etc"])
PNG = (CORPUS / "image.png").read_bytes()


def rows_of(columns: tuple[str, ...]) -> st.SearchStrategy[list[dict[str, str]]]:
    return st.lists(st.fixed_dictionaries(dict.fromkeys(columns, CELLS)), max_size=4)


@FUZZED
@given(rows_of(COLUMNS))
def test_a_review(rows):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "review.csv"
        path.write_bytes(csv_bytes(COLUMNS, rows))
        with one_line_at_most():
            read_review(path, IMAGES)


@FUZZED
@given(rows_of(SUSPECTED))
def test_suspects_are_read_as_they_were_written(rows):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "suspects.csv"
        path.write_bytes(csv_bytes(SUSPECTED, rows))
        with one_line_at_most():
            assert read_csv(path, SUSPECTED) == rows
            read_suspects(path.parent)


@FUZZED
@given(rows_of(("path", "label")))
def test_a_list_of_paths(rows):
    with tempfile.TemporaryDirectory() as folder:
        for name in ("cat/0.png", "dog/1.png"):
            (Path(folder) / name).parent.mkdir()
            (Path(folder) / name).write_bytes(PNG)
        path = Path(folder) / "list.csv"
        path.write_bytes(csv_bytes(("path", "label"), rows))
        with one_line_at_most():
            load_images(path)


IMAGE_COLUMNS = {
    "bytes": pa.binary(),
    "large": pa.large_binary(),
    "text": pa.string(),
    "struct": pa.struct({"bytes": pa.binary(), "path": pa.string()}),
    "path alone": pa.struct({"path": pa.string()}),
    "odd": pa.struct({"bytes": pa.int64(), "path": pa.string()}),
    "list": pa.list_(pa.uint8()),
}
LABEL_COLUMNS = [
    pa.int8(), pa.int64(), pa.uint64(), pa.float32(), pa.bool_(), pa.string(), pa.large_string(),
    pa.dictionary(pa.int8(), pa.string()), pa.list_(pa.int64()), pa.timestamp("ns"), pa.null(),
    pa.decimal128(5, 2), pa.date32(), pa.struct({"label": pa.int64()}),
]  # fmt: skip
LABELS = st.none() | st.integers(-1, 3) | st.sampled_from(["cat", "dog", "", "1", 2**40, 0.5, True])


def picture_for(kind: pa.DataType) -> object:
    if pa.types.is_struct(kind):
        return {"bytes": PNG if kind.field(0).type == pa.binary() else None, "path": "../x.png"}
    if pa.types.is_list(kind):
        return list(PNG)
    return "x.png" if pa.types.is_string(kind) else PNG


def column(values: list, kind: pa.DataType) -> pa.Array:
    """The values that the type can hold, null in place of others."""
    held = []
    for value in values:
        try:
            held.append(pa.scalar(value, kind).as_py())
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            held.append(None)
    return pa.array(held, kind)


SAID = st.none() | st.recursive(
    st.none() | st.integers() | st.sampled_from(["ClassLabel", "Image", "Value", "int64", "names"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["info", "features", "label", "_type", "names"]), inner)
    ),
    max_leaves=6,
)


@FUZZED
@given(
    st.sampled_from(list(IMAGE_COLUMNS)),
    st.sampled_from(LABEL_COLUMNS),
    st.lists(LABELS, max_size=5),
    st.sampled_from(["image", "img", "pixels"]),
    SAID,
)
def test_a_parquet_of_any_schema(held, kind, labels, name, said):
    pictures = [picture_for(IMAGE_COLUMNS[held])] * len(labels)
    table = pa.table(
        {name: column(pictures, IMAGE_COLUMNS[held]), "label": column(labels, kind)}
    ).replace_schema_metadata(None if said is None else {"huggingface": json.dumps(said)})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        pq.write_table(table, path)
        with one_line_at_most():
            load_images(path)


NUMBERS = arrays.scalar_dtypes() | st.just(np.dtype("uint8"))
VECTORS = NUMBERS.flatmap(lambda kind: arrays.arrays(kind, arrays.array_shapes(max_dims=2)))
LISTS = st.lists(st.integers(-1, 3) | st.none() | st.floats() | st.text(max_size=2), max_size=4)
BATCHES = st.tuples(
    st.sampled_from([np.uint8, np.float32, np.float64, np.int16]),
    arrays.array_shapes(min_dims=1, max_dims=5, max_side=4),
).flatmap(lambda pair: arrays.arrays(*pair))


@FUZZED
@given(BATCHES, VECTORS | LISTS)
def test_arrays_and_labels_in_memory(images, labels):
    with one_line_at_most():
        from_arrays(images, labels)


@FUZZED
@given(BATCHES, VECTORS, st.booleans())
def test_arrays_and_labels_in_files(images, labels, zipped):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if zipped:
            np.savez(folder / "rows.npz", images=images, labels=labels)
        else:
            np.save(folder / "images.npy", images)
            np.save(folder / "labels.npy", labels)
        with one_line_at_most():
            load_images(folder / "rows.npz" if zipped else folder)
