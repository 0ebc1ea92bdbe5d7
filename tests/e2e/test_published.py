"""What the README and the docs print of a study is what the study says."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
QUOTED = [
    (page, name, text.strip())
    for page in PAGES
    for name, text in re.findall(
        r"<!-- (studies/\S+\.md) -->\n(.*?)<!-- end -->", page.read_text(), re.DOTALL
    )
]


def test_studies_are_quoted():
    assert {name for _, name, _ in QUOTED} >= {
        "studies/main/summary.md",
        "studies/boundary/summary.md",
    }


@pytest.mark.parametrize(("page", "name", "text"), QUOTED, ids=lambda value: str(value)[-24:])
def test_a_quoted_table_is_that_of_the_study(page, name, text):
    assert text == (ROOT / name).read_text().strip()


def test_the_boundary_tables_are_made_from_its_rows(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "benchmark"))
    monkeypatch.delitem(sys.modules, "table", raising=False)
    from table import markdown, read

    folder = ROOT / "studies" / "boundary"
    assert markdown(read(folder / "summary.csv")) == (folder / "summary.md").read_text()
