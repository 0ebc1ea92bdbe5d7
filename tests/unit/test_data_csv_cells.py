"""CSV in which no cell is a formula, and which reads back as it was."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backburn.data.csv_cells import csv_bytes, csv_text, escape_cell, read_csv, unescape_cell
from backburn.errors import InputError


@pytest.mark.parametrize(
    "cell", ["=cmd|' /C calc'!A0", "+1+2", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "-", "-1_0"]
)
def test_a_cell_that_a_spreadsheet_would_run_is_neutralized(cell):
    assert escape_cell(cell) == f"'{cell}"
    assert unescape_cell(escape_cell(cell)) == cell


@pytest.mark.parametrize("cell", ["-1", "+0.5", "-.5e-3", "-inf", "12", "a=1", "", "'quoted'", -3])
def test_numbers_and_plain_text_are_left_alone(cell):
    assert escape_cell(cell) == cell


@given(st.text())
def test_what_was_written_is_read_back(cell):
    assert unescape_cell(escape_cell(cell)) == cell
    assert not escape_cell(cell).startswith(("=", "@", "\t", "\r", "\n"))


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_tables_survive_quotes_line_ends_and_formulas(cells):
    text = csv_text(("=name",), [{"=name": cell} for cell in cells])
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    # a row of one empty cell is written as "", and read as a row
    assert [unescape_cell(row["'=name"]) for row in rows] == cells


def test_file_names_that_are_no_utf8_keep_their_bytes(tmp_path):
    names = [b"caf\xe9.png".decode("utf-8", "surrogateescape"), 'a "b"\n,c.png', "=x.png", "\r.png"]
    (tmp_path / "table.csv").write_bytes(csv_bytes(("image",), [{"image": n} for n in names]))
    assert b"caf\xe9.png" in (tmp_path / "table.csv").read_bytes()
    assert [row["image"] for row in read_csv(tmp_path / "table.csv", ("image",))] == names


@pytest.mark.parametrize("content", [b"other\n1\n", b"image,label\n1\n", b"image,label\n1,2,3\n"])
def test_a_table_that_is_not_whole_is_refused(tmp_path, content):
    (tmp_path / "table.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"row 1 of|needs the column image"):
        read_csv(tmp_path / "table.csv", ("image", "label"))
