"""The picture of the packages is drawn from today's layers and docstrings."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def rooms(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "site"))
    import rooms

    yield rooms
    sys.modules.pop("rooms")


def test_the_picture_is_of_today(rooms):
    assert rooms.PICTURE.read_text(encoding="utf-8") == rooms.picture(), "run: make architecture"


def test_every_module_says_what_is_in_it(rooms):
    without = [path for path in rooms.SOURCE.rglob("*.py") if not rooms.purpose(path)]
    assert without == []


def test_the_files_that_the_page_names_exist(rooms):
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = {
        word.strip("`")
        for line in page.splitlines()
        if line.startswith("|")
        for word in line.split()
        if word.strip("`,").endswith((".py", "/")) and word.startswith("`")
    }
    paths = [each.strip("`,") for each in named]
    missing = [
        path for path in paths if not any((home / path).exists() for home in (rooms.SOURCE, ROOT))
    ]
    assert paths
    assert missing == []
