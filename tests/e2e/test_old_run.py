"""A run that was written before modules and classes were renamed is read as it was."""

import tarfile
from pathlib import Path

import pytest

import backburn
from backburn.burn.burn import BURN
from backburn.config import configure

ARCHIVE = Path(__file__).parents[1] / "data" / "run-before-the-names.tar.xz"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """The demo of commit 2a751b9, without its model."""
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "run"


def test_its_result_is_read(run):
    saved = backburn.load_run(run)
    assert saved.verdict.state == "backdoored"
    assert saved.verdict.target_labels == (0,)
    assert len(saved.suspects) == 71
    assert len(saved.evidence.score) == 1437


def test_its_configuration_is_taken(run):
    assert configure(BURN(), run / "config.toml") == BURN()


def test_its_page_is_made(run, cli):
    assert cli("report", run).code == 0
    assert "backdoored" in (run / "report.html").read_text(encoding="utf-8").lower()
