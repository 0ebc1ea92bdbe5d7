"""Suspects in a FiftyOne data set; a stand-in has the few methods that are used."""

import sys
from types import SimpleNamespace

import pytest
from PIL import Image

from backburn.data.csv_cells import csv_bytes
from backburn.errors import InputError
from backburn.toolkits.fiftyone import label_samples
from backburn.toolkits.run_suspects import COLUMNS


class Dataset:
    """`values`, `set_values` by id, `select` and `tag_samples`, as FiftyOne documents them."""

    def __init__(self, paths):
        self.samples = {
            f"id{k}": {"filepath": str(path), "tags": []} for k, path in enumerate(paths)
        }

    def values(self, fields):
        columns = {
            "id": list(self.samples),
            "filepath": [s["filepath"] for s in self.samples.values()],
        }
        return [columns[field] for field in fields]

    def set_values(self, field, values, key_field):
        assert key_field == "id"
        for key, value in values.items():
            self.samples[key][field] = value

    def select(self, ids):
        view = Dataset(())
        view.samples = {key: self.samples[key] for key in ids}
        return view

    def tag_samples(self, tag):
        for sample in self.samples.values():
            sample["tags"].append(tag)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run that suspects one of two photos, and fiftyone as far as it is needed."""
    fake = SimpleNamespace(Classification=lambda label, confidence: (label, confidence))
    monkeypatch.setitem(sys.modules, "fiftyone", fake)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / "photos" / name / "1.png")
    row = ("cat/1.png", "cat", "dog", "0.7500", "0.9000", "1.00000")
    (tmp_path / "run").mkdir()
    table = csv_bytes(COLUMNS, [dict(zip(COLUMNS, row, strict=True))])
    (tmp_path / "run" / "suspects.csv").write_bytes(table)
    return tmp_path / "run"


def test_suspects_get_a_label_with_confidence_and_a_tag(run, tmp_path):
    photos = tmp_path / "photos"
    dataset = Dataset([photos / "dog" / "1.png", photos / "cat" / "1.png"])
    assert label_samples(dataset, run, photos) == 1
    assert dataset.samples["id0"] == {"filepath": str(photos / "dog" / "1.png"), "tags": []}
    assert dataset.samples["id1"]["backburn_restored"] == ("dog", 0.75)
    assert dataset.samples["id1"]["tags"] == ["backburn_suspect"]


def test_a_data_set_without_a_suspect_is_refused_and_left_alone(run, tmp_path):
    dataset = Dataset([tmp_path / "photos" / "dog" / "1.png"])
    with pytest.raises(InputError, match=r"has no .*cat/1\.png"):
        label_samples(dataset, run, tmp_path / "photos")
    assert dataset.samples["id0"]["tags"] == []


def test_without_fiftyone_it_says_what_to_install(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fiftyone", None)
    with pytest.raises(InputError, match="pip install fiftyone"):
        label_samples(Dataset(()), run, tmp_path / "photos")
