"""The site of the docs: built as `make docs` builds it, and it loads nothing from any network."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from snippets import PAGES, ROOT

LOADED = re.compile(
    r"<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=[\"']?([^\"'\s>]+)"
    r"|<link\b(?=[^>]*rel=[\"']?(?:stylesheet|icon|preload|preconnect))[^>]*\bhref=[\"']?([^\"'\s>]+)"
)
"""What a browser fetches for a page without being asked."""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_of_the_docs_is_in_the_site(site):
    for page in PAGES:
        if page.startswith("docs/"):
            name = page.removeprefix("docs/").replace("README.md", "index.md")
            assert (site / name).with_suffix(".html").is_file(), page


def test_pages_and_styles_load_nothing_from_elsewhere(site):
    pages = sorted(site.rglob("*.html"))
    loaded = {a or b for page in pages for a, b in LOADED.findall(page.read_text())}
    assert any("bundle" in link for link in loaded)  # the theme's own script
    assert not [link for link in loaded if re.match(r"(https?:)?//", link)]
    for style in site.rglob("*.css"):
        fetched = re.findall(r"url\([\"']?(https?:|//)|@import", style.read_text())
        assert not fetched, style


def test_a_link_out_of_the_docs_leads_to_a_copy(site):
    assert (site / "studies" / "burn" / "summary.csv").read_bytes() == (
        ROOT / "studies" / "burn" / "summary.csv"
    ).read_bytes()
    assert 'href="studies/burn/summary.csv"' in (site / "results.html").read_text()


def test_figures_of_the_limits_are_those_of_the_pages_they_link_to():
    limits = PAGES["docs/limits.md"]
    linked = set(re.findall(r"\]\(([\w/.-]+\.md)", limits))
    sources = "".join(PAGES[f"docs/{page}"] for page in linked if f"docs/{page}" in PAGES)
    quoted = set(re.findall(r"(?<![\d.])\d*\.\d+", limits))
    assert len(quoted) > 10
    assert sorted(figure for figure in quoted if figure not in sources) == []
