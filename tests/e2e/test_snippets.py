"""Every command and every Python block of the README and the docs: run, or known to be right."""

import contextlib
import re
import shlex

import click
import pytest

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

from backburn.cli.main import VERBS
from backburn.cli.main import cli as group
from snippets import NOT_RUN, PAGES, ROOT, commands_of, mentioned_in, python_of

BLOCKS = sorted({line for page in PAGES for line in commands_of(page)})
MENTIONED = sorted({x for page in PAGES for x in mentioned_in(page)} - {"backburn VERB --help"})
LINKS = sorted(set(re.findall(r"\]\(((?!http)[^)#]+)", PAGES["README.md"])))
OURS = [line for line in BLOCKS if line.startswith("backburn ")]


def parse(line: str) -> None:
    """Let click look at every verb, option, choice and number of a command."""
    words = shlex.split(line)[1:]
    try:
        if words[0].startswith("-"):
            group.make_context("backburn", words)
        else:
            assert words[0] in VERBS, line
            verb = group.get_command(click.Context(group), words[0])
            verb.make_context(words[0], words[1:])
    except click.exceptions.Exit:  # --help and --version
        pass


@pytest.mark.parametrize("line", OURS)
def test_a_command_has_options_that_there_are(line):
    parse(line)


@pytest.mark.parametrize("line", MENTIONED)
def test_a_command_in_a_sentence_has_options_that_there_are(line):
    # a sentence may name a verb alone
    with contextlib.suppress(click.MissingParameter):
        parse(line)


@pytest.mark.parametrize("line", [each for each in BLOCKS if each.startswith("make ")])
def test_a_target_of_make_exists(line):
    rules = re.findall(r"^([a-z%-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    wanted = [word for word in shlex.split(line)[1:] if "=" not in word]
    assert all(any(re.fullmatch(r.replace("%", ".+"), w) for r in rules) for w in wanted)


def test_the_extras_that_are_named_exist():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = set(re.findall(r"pip install '(?:backburn|\.)\[(\w+)\]'", "".join(PAGES.values())))
    table = set(re.findall(r"^\| `(\w+)` \|", PAGES["docs/install.md"], re.MULTILINE))
    assert "networks" in named <= table
    assert table == settings["project"]["optional-dependencies"].keys()


def test_no_reason_is_left_for_what_is_gone():
    there = [*OURS, *(block for page in PAGES for block in python_of(page))]
    assert all(any(text.startswith(begin) for text in there) for begin in NOT_RUN)


@pytest.mark.parametrize("link", LINKS)
def test_every_link_of_the_readme_leads_somewhere(link):
    assert (ROOT / link).exists()
