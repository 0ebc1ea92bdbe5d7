"""Names of classes in a parquet file's metadata, as `datasets` writes them and without it."""

import json

import pyarrow as pa
import pytest

from backburn.data.parquet_class_names import image_schema, read_class_names
from backburn.errors import InputError


def schema(**label) -> pa.Schema:
    said = json.dumps({"info": {"features": {"label": label}}})
    return pa.schema([("label", pa.int64())], metadata={"huggingface": said})


@pytest.mark.parametrize("names", [(), ("cat", "dog")])
def test_what_is_written_is_read_and_is_what_datasets_writes(names):
    made = image_schema(names)
    assert read_class_names(made, "x") == names
    datasets = pytest.importorskip("datasets")
    label = datasets.ClassLabel(names=list(names)) if names else datasets.Value("int64")
    theirs = datasets.Features({"image": datasets.Image(), "label": label}).arrow_schema
    assert made.equals(theirs)
    assert json.loads(made.metadata[b"huggingface"]) == json.loads(theirs.metadata[b"huggingface"])


def test_names_by_number_are_read_as_older_versions_wrote_them():
    assert read_class_names(schema(names={"1": "dog", "0": "cat"}, _type="ClassLabel"), "x") == (
        "cat",
        "dog",
    )


def test_a_schema_without_metadata_names_nothing():
    assert read_class_names(pa.schema([("label", pa.int64())]), "x") == ()


@pytest.mark.parametrize(
    "label",
    [
        {"names": 3, "_type": "ClassLabel"},
        {"names": [1, 2], "_type": "ClassLabel"},
        {"names": {"a": "b"}, "_type": "ClassLabel"},
        {"names": ["a"]},
        {"_type": "os"},
    ],
)
def test_metadata_that_say_something_else_are_refused_in_one_line(label):
    with pytest.raises(InputError, match="x cannot be read as labeled images") as caught:
        read_class_names(schema(**label), "x")
    assert "\n" not in str(caught.value)


def test_a_saved_set_without_the_library_says_what_to_install(monkeypatch):
    from backburn.data.sources import huggingface

    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(InputError, match=r"needs datasets: pip install 'backburn\[hub\]'"):
        huggingface.open_hub("hf:owner/name", "train")


def test_other_extras_say_so_too(monkeypatch):
    import torch

    from backburn import metrics
    from backburn.results import Suspects

    for module in ("pandas", "skimage", "skimage.metrics"):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    none = torch.zeros(0, dtype=torch.long)
    with pytest.raises(InputError, match=r"pip install 'backburn\[pandas\]'"):
        Suspects(none, none, none, torch.zeros(0)).to_pandas()
    pixels = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    with pytest.raises(InputError, match=r"pip install 'backburn\[benchmark\]'"):
        metrics.stealth(pixels, pixels + 1)
