"""The page as text: its policy, its size, its sentences; tests/browser has what is seen of it."""

import base64
import hashlib
import json
import re

import pytest

from backburn.errors import InputError
from backburn.report.html_page import render_standalone_page
from backburn.report.phrases import explain_verdict, plain_sentence, verdict_sentence
from backburn.report.svg_charts import distance_chart, round_chart
from handmade import made_gallery, written


@pytest.fixture
def page(tmp_path) -> str:
    return render_standalone_page(written(tmp_path / "run")).decode()


def test_the_policy_names_what_is_there_and_nothing_else(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1].replace("&#39;", "'")
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{rule} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:; ")


def test_nothing_is_loaded_from_anywhere(page):
    assert "http" not in re.sub(r'http-equiv="', "", page)
    assert not re.search(r"\son\w+=|\sstyle=|<iframe|<object|@import|url\(", page)


def test_a_page_without_suspects_has_no_script(tmp_path):
    page = render_standalone_page(written(tmp_path / "run", count=0)).decode()
    assert "<script" not in page
    assert "No image is suspect." in page
    assert (
        "No poison found in these images: a clean model gives such evidence with probability 0.4"
        in page
    )


def test_a_thousand_suspects_with_long_names_fit(tmp_path):
    names = tuple(f"{'folder/' * 30}{k}.png" for k in range(2500))
    gallery = made_gallery(2500, names=names, side=48)
    page = render_standalone_page(written(tmp_path / "run", gallery), limit=2_000_000)
    assert len(page) <= 2_000_000
    assert "The 1,000 of highest score, of 2,500." in page.decode()


def test_the_same_run_gives_the_same_page(tmp_path, page):
    assert render_standalone_page(tmp_path / "run").decode() == page


def test_a_name_does_not_turn_the_sentence_around_it(tmp_path):
    page = render_standalone_page(
        written(tmp_path / "run", classes=("\u202eodd", "cat", "dog"))
    ).decode()
    assert "target class \u2068\u202eodd\u2069: 90 of 1,000" in page


def test_decisions_are_of_one_run_only(tmp_path, page):
    other = render_standalone_page(written(tmp_path / "other", count=12)).decode()
    keys = {re.search(r'"key": "(\w{64})"', each)[1] for each in (page, other)}
    assert len(keys) == 2


@pytest.mark.parametrize("change", [{"state": "fine"}, {"images": "many"}, {"classes": None}])
def test_a_record_that_says_too_little_is_refused(tmp_path, change):
    run = written(tmp_path / "run")
    record = json.loads((run / "record.json").read_text())
    record["metrics"]["verdict"].update(change)
    (run / "record.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="does not say what a report needs"):
        render_standalone_page(run)


VERDICT = {
    "state": "backdoored", "target_names": ["a", "b"], "p_value": 1e-4, "suspects": 1500,
    "images": 20000, "reason": "",
}  # fmt: skip


@pytest.mark.parametrize(("change", "said"), [
    ({}, "target classes a, b: 1,500 of 20,000 images are suspect, and a clean model gives such "
         "evidence with probability 0.0001; the alarm is raised below 0.01."),
    ({"state": "suspicious"}, "too little to accuse single images of: a clean model gives"),
    ({"state": "abstained", "reason": "too few images"}, "cannot be told whether"),
    ({"state": "suspicious", "reason": "it is so"}, "likely in a, b, and a clean model gives such "
     "evidence with probability 0.0001; the alarm is raised below 0.01. Nothing is flagged: it is "
     "so."),
    ({"p_value": None}, "nothing is known of its false alarms"),
])  # fmt: skip
def test_the_verdict_is_one_sentence_with_its_false_alarms(change, said):
    assert said in verdict_sentence({**VERDICT, **change}, 0.01)


@pytest.mark.parametrize(
    ("names", "said"), [(["cat"], "class cat behaves"), (["cat", "dog"], "classes cat, dog behave")]
)
def test_one_class_behaves_oddly_and_several_behave_oddly(names, said):
    verdict = {**VERDICT, "state": "suspicious", "target_names": names}
    assert f"{said} oddly" in plain_sentence(verdict)


def test_a_backdoor_is_not_said_to_be_somebodys_work():
    for text in (verdict_sentence(VERDICT, 0.01), explain_verdict(VERDICT)):
        assert "Nothing says that somebody put it there: a watermark" in text
    clean = {**VERDICT, "state": "clean", "target_names": []}
    assert "put it there" not in verdict_sentence(clean, 0.01) + explain_verdict(clean)


def test_a_chart_of_distances_has_a_path_and_a_column_a_group():
    chart = distance_chart({"suspects": [1.0, 2.0, 4.0], "others": [2.0] * 9, "none": []})
    assert [each.css_class for each in chart.series] == ["filled", "dashed"]
    assert chart.columns == ["distance", "suspects", "others"]
    assert sum(float(row[2].rstrip(" %")) for row in chart.rows) == pytest.approx(100, abs=1)
    assert distance_chart({"suspects": [0.0]}) is None
    assert distance_chart({"suspects": [0.3]}) is not None


def test_a_chart_of_rounds_has_a_dot_a_round():
    rows = [
        {"round": 0, "suspects": 7, "discrepancy": ""},
        {"round": 1, "suspects": 0, "discrepancy": 0.25},
    ]
    chart = round_chart(rows)
    assert len(chart.series[0].dots) == 2
    assert chart.rows == [["0", "7", "-"], ["1", "0", "25.0 %"]]
    assert round_chart([]) is None
