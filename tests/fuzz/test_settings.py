"""Configurations, settings and studies of any content: taken, or refused in one line."""

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomli_w
from bounds import FUZZED, one_line_at_most
from hypothesis import given
from hypothesis import strategies as st

from backburn.benchmark.study_file import Study, load_study
from backburn.burn.burn import BURN
from backburn.config import configure

PLAIN = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(["badnets", "none", "ft", "default", "digits", "fast", "small_cnn"])
)


def names_of(value: object) -> Iterator[str]:
    """Names of the fields of a nested dataclass."""
    for field in dataclasses.fields(value):
        yield field.name
        if dataclasses.is_dataclass(inner := getattr(value, field.name)):
            yield from names_of(inner)


def tables(default: object) -> st.SearchStrategy[dict]:
    """TOML tables with the names of a nested dataclass, and others."""
    names = st.sampled_from(sorted({*names_of(default)})) | st.text("abc_.-", max_size=5)
    values = st.recursive(
        PLAIN,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=8,
    )
    return st.dictionaries(names, values, max_size=4)


def put(folder: str, table: dict) -> Path:
    path = Path(folder) / "given.toml"
    path.write_text(tomli_w.dumps(table), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("default", "read"),
    [(BURN(), lambda path: configure(BURN(), path)), (Study(), load_study)],
    ids=["config", "study"],
)
def test_a_file_of_settings(default, read):
    @FUZZED
    @given(tables(default))
    def check(table: dict) -> None:
        with tempfile.TemporaryDirectory() as folder, one_line_at_most():
            read(put(folder, table))

    check()


DOTTED = ["detector.budget", "refinement.rounds", "decoupling.stamped", "detector", "a.b.c", "."]


@FUZZED
@given(
    st.sampled_from(DOTTED) | st.text(max_size=12),
    st.text(max_size=20) | PLAIN.map(str) | st.sampled_from(["[" * 500, '"""', "{a={b=1}}", "1_0"]),
)
def test_a_setting_of_the_command_line(name, value):
    with one_line_at_most():
        configure(BURN(), None, (f"{name}={value}", name))
