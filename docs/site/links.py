"""Links out of docs/, as they stand on the forge, lead into the site.

A page may link to any file of the repository (`../studies/burn/summary.csv`); the file is copied
into the site, and the link follows. Pages of the repository's root become pages of the site.
"""

import os
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
ROOT_PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
LINK = re.compile(r"(\]\()([^)#:\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the root's pages, and every file outside of docs/ that a page links to."""
    for name in ROOT_PAGES:
        if (ROOT / name).is_file():
            files.append(_copied(name, config))
    for page in list(files.documentation_pages()):
        for _, link in LINK.findall(page.content_string):
            uri = _uri(page, link)
            if uri and not files.get_file_from_path(uri) and (ROOT / uri).is_file():
                files.append(_copied(uri, config))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links as they are from this page's place in the site."""
    del config

    def moved(match: re.Match[str]) -> str:
        uri = _uri(page.file, match[2])
        if uri is None or files.get_file_from_path(uri) is None:
            return match[0]
        return match[1] + os.path.relpath(uri, os.path.dirname(page.file.src_uri) or ".")

    return LINK.sub(moved, markdown)


def _copied(uri: str, config: MkDocsConfig) -> File:
    return File.generated(config, uri, abs_src_path=str(ROOT / uri))


def _uri(page: File, link: str) -> str | None:
    """The place in the site of what a page links to; None where it is no file of the repository."""
    if page.abs_src_path is None:
        return None
    target = (Path(page.abs_src_path).parent / link).resolve()
    if not target.is_relative_to(ROOT):
        return None
    return str(target.relative_to(DOCS if target.is_relative_to(DOCS) else ROOT))
