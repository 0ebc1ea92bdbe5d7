"""`backburn report` on runs of the other verbs."""

import json
import shutil
import sys

import pytest

FILES = ("gallery.json", "gallery.safetensors")


@pytest.fixture
def run(repaired, tmp_path):
    return shutil.copytree(repaired[0], tmp_path / "run")


def test_a_run_gets_its_page_and_a_new_one_replaces_it(cli, run, repaired, tmp_path):
    for _ in range(2):
        done = cli("report", run)
        said = f"report: {run / 'report.html'}\nfigures: {run / 'figures'}\n"
        told, onward = done.out.split("Next: ")
        assert (done.code, told) == (0, said)
        assert onward.startswith("python -m webbrowser -t ")
    page = (run / "report.html").read_bytes()
    assert b"Backdoored" in page
    assert len(page) < 1_000_000
    assert sorted(each.name for each in run.iterdir()) == sorted(
        ["report.html", "figures", *(each.name for each in repaired[0].iterdir())]
    )
    assert sorted(each.name for each in (run / "figures").iterdir()) == sorted(
        f"{name}.{kind}"
        for name in ("distances", "embedding", "rounds")
        for kind in ("csv", "png", "svg")
    )
    done = cli("report", run, "--out", tmp_path / "page.html")
    assert done.code == 0, done.err
    assert (tmp_path / "page.html").read_bytes() == page


def test_without_matplotlib_there_is_a_page_and_a_note(cli, audited, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    run = shutil.copytree(audited, tmp_path / "run")
    done = cli("report", run)
    told, _ = done.out.split("Next: ")
    assert (done.code, told) == (0, f"report: {run / 'report.html'}\n")
    assert "pip install 'backburn[figures]'" in done.err
    assert not (run / "figures").exists()


def test_an_audit_has_a_page_too(cli, audited, tmp_path):
    assert cli("report", audited, "--out", tmp_path / "page.html").code == 0
    page = (tmp_path / "page.html").read_text()
    assert "To repair the model: <code>backburn repair " in page
    assert "Before and after" not in page


def test_a_repair_shows_every_suspect_and_what_it_did(repaired):
    run, summary = repaired
    listed = json.loads((run / "gallery.json").read_text())
    assert len(listed["suspects"]) == summary["suspects"]["count"]
    assert listed["classes"] == [str(k) for k in range(10)]
    scores = [each["score"] for each in listed["suspects"]]
    assert scores == sorted(scores, reverse=True)
    assert {each["found"] for each in listed["suspects"]} == {True}
    places = {group: len(held) for group, held in listed["embedding"].items()}
    count = summary["suspects"]["count"]
    assert places == {"other": 300, "suspect": count, "perturbed": count}
    checks = summary["checks"]
    assert checks["reversion"][0] < 0.1
    assert checks["reversion"][1] > 0.9
    assert checks["accuracy"][1] > checks["accuracy"][0] - 0.02
    assert {"gallery", "checks"} <= summary["seconds"].keys()


@pytest.mark.parametrize("missing", FILES)
def test_a_run_without_a_gallery_is_refused(cli, run, missing):
    (run / missing).unlink()
    done = cli("report", run)
    assert (done.code, done.out) == (2, "")
    assert f"has no {missing}" in done.err
    assert not (run / "report.html").exists()


def test_what_is_no_run_is_refused(refused, here):
    assert "no run at photos" in refused("report", "photos")
    assert "exists already" in refused("report", "photos", "--out", "model.safetensors")
    assert "not a writable folder" in refused("report", "photos", "--out", "nowhere/page.html")
