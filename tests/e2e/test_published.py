"""What the README and the docs print of a study is what the study says."""

import csv
import re
import sys
from pathlib import Path

import pytest

from backburn.report.figure_files import rows_to_csv
from backburn.report.repair_figure import repair_rows

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
QUOTED = [
    (page, name, text.strip())
    for page in PAGES
    for name, text in re.findall(
        r"<!-- (studies/\S+\.md) -->\n(.*?)<!-- end -->", page.read_text(), re.DOTALL
    )
]


def test_studies_are_quoted():
    assert {name for _, name, _ in QUOTED} >= {
        "studies/burn/summary.md",
        "studies/boundary/summary.md",
    }


@pytest.mark.parametrize(("page", "name", "text"), QUOTED, ids=lambda value: str(value)[-24:])
def test_a_quoted_table_is_that_of_the_study(page, name, text):
    assert text == (ROOT / name).read_text().strip()


KINDS = {"defenses": "summary", "detectors": "detectors"}
CARDS = sorted((ROOT / "docs" / "attacks").glob("*.md"))


@pytest.mark.parametrize("page", CARDS, ids=lambda page: page.stem)
def test_a_card_quotes_the_rows_of_its_attack_and_shows_its_trigger(page, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "benchmark"))
    from cards import refreshed

    text = page.read_text()
    assert "<!-- studies/attacks/summary.md" in text
    assert refreshed(text) == text
    pictures = re.findall(r"\]\((\S+\.png)\)", text)
    assert all((page.parent / name).is_file() for name in pictures)
    links = re.findall(r"\]\(((?!http)[^)#]+)\)", text)
    assert all((page.parent / link).exists() for link in links)


METHODS = [page for kind in KINDS for page in sorted((ROOT / "docs" / kind).glob("[a-z]*.md"))]


@pytest.mark.parametrize("page", METHODS, ids=lambda page: page.stem)
def test_a_card_quotes_what_was_measured_of_its_method(page, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "benchmark"))
    from cards import refreshed

    text = page.read_text()
    assert f"<!-- studies/benchmark/{KINDS[page.parent.name]}.csv {page.stem} -->" in text
    assert refreshed(text) == text


def test_every_method_has_a_card():
    from backburn.registry import ATTACKS, DEFENSES, DETECTORS, METHODS, ORACLES

    assert {page.stem for page in CARDS} == set(ATTACKS) - {"none"} | {"README"}
    cards = {
        kind: {page.stem for page in (ROOT / "docs" / kind).glob("[a-z]*.md")} for kind in KINDS
    }
    assert cards == {
        "defenses": set(DEFENSES) - set(METHODS) | set(ORACLES),
        "detectors": set(DETECTORS) - {"boundary"},
    }


def test_the_boundary_tables_are_made_from_its_rows(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "benchmark"))
    monkeypatch.delitem(sys.modules, "table", raising=False)
    from table import markdown, read

    folder = ROOT / "studies" / "boundary"
    assert markdown(read(folder / "summary.csv")) == (folder / "summary.md").read_text()


def test_the_adaptive_table_is_made_from_its_rows(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "benchmark"))
    from adaptive import table

    folder = ROOT / "studies" / "adaptive"
    rows = list(csv.DictReader((folder / "summary.csv").read_text().splitlines()))
    assert table(rows) == (folder / "summary.md").read_text()


def test_clean_models_are_counted_from_their_cells(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "benchmark"))
    from false_alarms import of_cells, of_patterns, table

    studies = ROOT / "studies"
    models = [*of_cells(studies), *of_patterns(studies)]
    assert table(models) == (studies / "false-alarms.md").read_text()


def test_natural_cases_are_counted_from_their_rows(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "benchmark"))
    from made_rows import read_rows
    from natural_cases import table

    folder = ROOT / "studies" / "natural"
    assert table(read_rows(folder / "summary.csv")) == (folder / "summary.md").read_text()


def test_victims_are_counted_from_the_rows_of_their_studies(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "benchmark"))
    monkeypatch.delitem(sys.modules, "table", raising=False)
    from found import table, victims

    studies = ROOT / "studies"
    assert table(list(victims(studies))) == (studies / "found.md").read_text()


def test_what_was_asked_of_the_main_table_is_told_from_its_rows(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "benchmark"))
    from bars import table
    from table import read_numbers

    folder = ROOT / "studies" / "burn"
    assert table(read_numbers(folder / "summary.csv")) == (folder / "bars.md").read_text()


def test_the_picture_of_the_main_table_is_drawn_from_its_rows(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "benchmark"))
    from table import read_numbers

    folder = ROOT / "studies" / "burn"
    rows = read_numbers(folder / "summary.csv")
    assert rows_to_csv(repair_rows(rows)) == (folder / "repairs.csv").read_bytes()
