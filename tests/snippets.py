"""What the README and the pages in docs/ tell people to type."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")])
}
PROGRAMS = ("backburn", "make", "pip", "python", "cp", "eval", "export")
NOT_RUN = {
    "backburn bench studies/benchmark.toml": "hours; tests/e2e/test_bench.py has a small one",
    "backburn repair backdoorbench:": "needs a record: tests/behaviour/test_any_source.py",
    "backburn demo": "tests/e2e/test_demo.py runs it",
    "backburn doctor": "ends with 1 where a torchvision is broken; tests/unit has it",
    "backburn serve": "waits for a browser; tests/unit/test_serve_app.py asks it",
    "backburn repair audit --review audit/review.csv": "serve writes it; review.csv is run",
    "backburn export fixed defense --as backdoorbench": "the same",
    "backburn audit backdoor-toolbox:": "the same",
    "backburn repair elsewhere": "tests/behaviour/test_commands.py repairs a victim's folder",
    "backburn audit model.pt photos/ --arch nets:build --mean": "the small network has its own",
    "backburn audit victim/ --ray": "on a cluster: tests/cluster/test_cluster_commands.py",
    "backburn repair victim/ --ray": "the same",
    "backburn bench studies/digits.toml --ray": "the same",
    "from backburn.toolkits import label_samples": "FiftyOne is no dependency; see tests/unit",
}
"""How a command or a Python block begins that is not run, and why."""

NOT_OURS = ("make ", "pip ", "eval ", "python -m pip ")
"""Other programs' commands, which are not run: make runs the tests, pip installs."""


def run_here(line: str) -> bool:
    """Whether the tests run a command or a Python block."""
    return not line.startswith((*NOT_OURS, *NOT_RUN))


def tokens(page: str) -> Iterator[Token]:
    """All of a page, what stands within lines, too."""
    for token in MarkdownIt("commonmark").enable("table").parse(PAGES[page]):
        yield token
        yield from token.children or ()


def python_of(page: str) -> list[str]:
    """The page's Python blocks, in order."""
    return [each.content for each in tokens(page) if each.type == "fence" and each.info == "python"]


def commands_of(page: str) -> list[str]:
    """The commands in the page's blocks, in order, without their comments."""
    blocks = [each.content for each in tokens(page) if each.type == "code_block"]
    blocks = [re.sub(r" \[-.*?\]", "", block) for block in blocks]  # what may be left out
    lines = (line for block in blocks for line in block.splitlines())
    return [shlex.join(words) for line in lines if (words := _words(line)) and words[0] in PROGRAMS]


def mentioned_in(page: str) -> list[str]:
    """Commands of backburn within the page's sentences: without options in brackets, and the first
    of what is to be chosen from.
    """
    inline = [each.content for each in tokens(page) if each.type == "code_inline"]
    shown = [re.sub(r"\|\w+", "", text.replace("[", "").replace("]", "")) for text in inline]
    return [text.split(" | ")[0] for text in shown if text.startswith("backburn ")]


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:  # a formula with an apostrophe
        return []
