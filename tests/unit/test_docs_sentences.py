"""The README and all pages in docs/ have short sentences: none above 35 words, median at most 18.

Tables and code are left out.
"""

import re
from collections.abc import Iterator
from statistics import median

import pytest

from snippets import PAGES, tokens

EXCEPTIONS: tuple[str, ...] = ()
"""Pages that may have longer sentences, each with a comment that says why. There are none."""
LONGEST, MEDIAN = 35, 18
"""Words of a sentence, at the most, and of the median sentence of a page."""
READ = [page for page in PAGES if page not in EXCEPTIONS]
END = re.compile(r"""(?<=[.!?:])["”)*]*\s+(?=["“(*]*(?:[A-Z0-9]|code\b))""")
"""A full stop, or a colon before a capital, and what follows."""


def paragraphs(page: str) -> Iterator[str]:
    """The prose: no code blocks, tables, pictures and directives; of a link its words."""
    tables = 0
    for token in tokens(page):
        tables += (token.type == "table_open") - (token.type == "table_close")
        if token.type == "inline" and not tables and not token.content.startswith(":::"):
            yield prose(token.children or [])


def prose(parts: list) -> str:
    """A paragraph as it is read; what is set as code is one word."""
    words = {"code_inline": "code", "softbreak": " ", "hardbreak": " "}
    return "".join(words.get(e.type, e.content if e.type == "text" else "") for e in parts)


def lengths(texts: Iterator[str] | list[str]) -> dict[str, int]:
    """The words of each sentence."""
    sentences = (each for text in texts for each in END.split(text))
    counts = {each: len([w for w in each.split() if re.search(r"\w", w)]) for each in sentences}
    return {sentence: count for sentence, count in counts.items() if count}


def test_sentences_are_counted():
    counts = lengths(["One two, three. (Four five.) code is: Six!", "Seven 8 — nine: ten"])
    assert list(counts.values()) == [3, 2, 2, 1, 4]
    assert sum(lengths(paragraphs("docs/install.md")).values()) > 200


@pytest.mark.parametrize("page", READ)
def test_no_sentence_of_a_page_is_long(page):
    counts = lengths(paragraphs(page))
    long = {sentence: count for sentence, count in counts.items() if count > LONGEST}
    assert not long
    assert not counts or median(counts.values()) <= MEDIAN


def test_an_exception_is_a_page_that_needs_it():
    assert set(EXCEPTIONS) <= PAGES.keys()
    for page in EXCEPTIONS:
        counts = lengths(paragraphs(page)).values()
        assert max(counts) > LONGEST or median(counts) > MEDIAN


def test_the_readme_and_every_folder_of_the_docs_are_among_the_pages():
    assert "README.md" in READ
    assert {page.rsplit("/", 1)[0] for page in READ} >= {"docs", "docs/howto", "docs/attacks"}
