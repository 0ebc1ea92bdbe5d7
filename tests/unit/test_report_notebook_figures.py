"""Figures in a notebook: of a result with its case, and of a run."""

import base64
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import backburn
from backburn.burn.burn import BURN
from backburn.errors import InputError
from backburn.report.figure_data import FigureData
from backburn.report.gallery_files import gallery_files
from backburn.report.notebook_figures import Figures, show
from backburn.report.paper_figures import figure_files
from backburn.results import Phase
from backburn.runs import new_record, write_run
from backburn.training import Training
from handmade import made_gallery

HISTORY = (
    Phase("restoration", 0.1, {"suspects": 7}),
    Phase("refinement", 0.1, {"suspects": 5, "discrepancy": 0.25}),
)
NOTHING = gallery_files(replace(made_gallery(0), distances={}))
NAMES = ("<script>", "$x^{", "a", "b", "c", "d", "e", "f")


@pytest.fixture
def shown(backdoored, generator):
    """A repair, and the case that it is of."""
    burn = BURN(training=Training(epochs=1, learning_rate=0.001))
    case = backdoored.case
    return burn.repair(case, generator), case.model, case.images.pixels, case.images.labels


def run_of(tmp_path, command: str, metrics: dict, files: dict[str, bytes]):
    return write_run(tmp_path / "run", new_record(command, {}, 0, {}, metrics, "cpu"), files)


def test_a_result_is_drawn_like_in_the_report(shown):
    figures = show(*shown, each=20, class_names=NAMES)
    assert figures.names == ("distances", "crossed_labels", "rounds")
    page = figures._repr_html_()
    assert set(re.findall(r"<(\w+)", page)) == {"img"}
    pictures = [base64.b64decode(each) for each in re.findall(r"base64,([^\"]+)", page)]
    assert pictures == [figures.files[f"{name}.svg"] for name in figures.names]
    assert re.findall(r'alt="(\w+)"', page) == list(figures.names)
    assert b"<script>" not in b"".join(pictures)


def test_the_same_seed_draws_the_same(shown):
    assert show(*shown, each=20).files == show(*shown, each=20).files


def test_an_audit_has_no_rounds(backdoored, generator):
    case = backdoored.case
    audit = BURN().audit(case, generator)
    figures = show(audit, case.model, case.images.pixels.numpy(), case.images.labels.numpy())
    assert figures.names == ("distances", "crossed_labels")


def test_figures_are_saved(tmp_path):
    figures = Figures({"a.svg": b"new", "a.csv": b"1"})
    (tmp_path / "a.svg").write_bytes(b"old")
    figures.save(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == figures.files


def test_a_run_of_figures_is_drawn_from_its_numbers(tmp_path):
    group = ("other", "other", "suspect", "suspect")
    features = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    data = FigureData(
        torch.arange(4),
        group,
        torch.tensor([0, 1, 0, 0]),
        torch.tensor([1, 0, 2, 1]),
        {"distance": torch.tensor([1.0, 2.0, 3.0, 4.0]).log()},
        features,
        features + 1,
    )
    files = figure_files(data, HISTORY, ("=cat", "dog", "emu"))
    drawn = backburn.show(run_of(tmp_path, "figures", {}, files)).files
    assert drawn == {
        name: files[name] for name in files if name not in ("evidence.csv", "auroc.csv")
    }


def test_a_repair_is_drawn_from_its_record_and_its_gallery(tmp_path):
    run = run_of(tmp_path, "repair", {"history": HISTORY}, gallery_files(made_gallery(9)))
    figures = show(str(run))
    assert figures.names == ("distances", "embedding", "rounds")
    assert figures.files["embedding.csv"] == (
        b"group,x,y\nother,0.0,1.0\nother,0.5,2.0\nsuspect,4.0,1.0\n"
    )
    assert b"images of other classes,0.9\n" in figures.files["distances.csv"]


def test_one_suspect_can_be_drawn(tmp_path):
    alone = replace(made_gallery(1), distances={"suspects": (0.5,)}, embedding={})
    assert show(run_of(tmp_path, "audit", {}, gallery_files(alone))).names == ("distances",)


@pytest.mark.parametrize(
    ("metrics", "files", "message"),
    [
        ({}, NOTHING, "nothing to draw: give a run of figures"),
        ({}, {}, "has no gallery.json"),
        ({"history": [{"name": 3}]}, NOTHING, "history that cannot be read"),
        ({"history": [{"name": "refinement", "seconds": 1, "figures": {}}]}, NOTHING, "history"),
        ({"history": 7}, NOTHING, "history that cannot be read"),
    ],
    ids=range(5),
)
def test_runs_that_cannot_be_drawn_are_refused(tmp_path, metrics, files, message):
    with pytest.raises(InputError, match=message):
        show(run_of(tmp_path, "repair", metrics, files))


def test_what_does_not_go_together_is_refused(shown, tmp_path):
    result, model, images, labels = shown
    with pytest.raises(InputError, match="a result does not hold the images"):
        show(result)
    with pytest.raises(InputError, match="about 660 images, but there are 600"):
        show(result, model, images[:600], labels[:600])
    with pytest.raises(InputError, match="no run at"):
        show(tmp_path)
    with pytest.raises(InputError, match="leave out model"):
        show(tmp_path, model)


def test_without_matplotlib_the_extra_is_named(shown, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=r"pip install 'backburn\[figures\]'"):
        show(shown[0], shown[1], np.zeros(3), np.zeros(3))
