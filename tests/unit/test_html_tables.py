"""What a notebook shows of records: tables whose cells are text, whatever is in them."""

from html.parser import HTMLParser
from math import nan

import pytest
import torch

from backburn.html_tables import MAX_ROWS, facts_table, rows_table, to_text
from backburn.results import Audit, ClassEvidence, Evidence, Phase, Suspects, Unlearned, Verdict
from backburn.runs import new_record
from backburn.types import BoundaryResult

HOSTILE = "<script>alert('1')</script>\"&🐶"


class Cells(HTMLParser):
    """The text of every cell, and the tags that there are."""

    def __init__(self, page: str):
        super().__init__()
        self.tags, self.cells = set(), []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.cells.append(data)


TABLE = {"table", "caption", "tr", "th", "td"}
VERDICT = Verdict("backdoored", (0, 3), 1e-9, (ClassEvidence(0, 2, 0.1, 1, 0, 1e-9),), HOSTILE)
EVIDENCE = Evidence(torch.tensor([0.9, 0.2, 1.0]), torch.tensor([True, False, True]))
SUSPECTS = Suspects(
    torch.tensor([0, 2]), torch.tensor([0, 0]), torch.tensor([5, 6]), torch.tensor([0.5, 1.0])
)
NOTHING = BoundaryResult(torch.ones(3).bool(), torch.ones(3), torch.zeros(3).long())
AUDIT = Audit(SUSPECTS, EVIDENCE, VERDICT, NOTHING)
UNLEARNED = Unlearned(
    model=torch.nn.Identity(),
    history=(Phase(HOSTILE, 1.5, {"suspects": 2.0}),),
    suspects=SUSPECTS,
    evidence=EVIDENCE,
    verdict=VERDICT,
    boundary=NOTHING,
)
RECORD = new_record(
    "repair",
    {"model": HOSTILE},
    3,
    {"read": 0.5},
    {"verdict": {"state": "clean", "classes": [{"name": HOSTILE}], "reason": ""}, "notes": []},
    "cpu",
)


@pytest.mark.parametrize(
    "shown", [VERDICT, AUDIT, UNLEARNED, RECORD], ids=lambda r: type(r).__name__
)
def test_records_are_tables_and_what_is_in_them_is_text(shown):
    found = Cells(shown._repr_html_())
    assert found.tags <= TABLE
    assert any(HOSTILE in cell for cell in found.cells)
    assert type(shown).__name__ in found.cells
    assert not hasattr(shown, "__dict__")


def test_an_audit_lists_its_suspects_by_score():
    found = Cells(AUDIT._repr_html_()).cells
    assert "2 of 3 images" in found
    head = found.index("score")
    assert found[head + 1 : head + 6] == ["2", "0", "6", "1", "1"]


def test_a_verdict_without_classes_has_one_table():
    assert Verdict("clean", (), nan)._repr_html_().count("<table>") == 1


def test_a_record_has_tables_of_its_own_below():
    page = RECORD._repr_html_()
    assert "verdict: classes" in page
    assert "reason" not in page


def test_long_tables_are_cut_and_say_so():
    page = rows_table("rows", [{"row": row} for row in range(MAX_ROWS + 5)])
    assert "rows, 5 more" in page
    assert page.count("<tr>") == MAX_ROWS + 1
    assert facts_table("none", []).count("<tr>") == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.1235"),
        (nan, "-"),
        (None, "-"),
        ((), "-"),
        ((1, 2), "1, 2"),
        ({"a": 1.0, "b": None}, "a 1"),
        (0, "0"),
        ("<b>", "&lt;b&gt;"),
    ],
)
def test_values_are_short(value, text):
    assert to_text(value) == text
