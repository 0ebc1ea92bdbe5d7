"""Running a study: finished cells are kept, failed ones say why, and tables are made from them."""

import csv
import io
import json
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import pytest

from backburn.benchmark import averaged_tables
from backburn.benchmark.averaged_tables import (
    TABLE_COLUMNS,
    commits_markdown,
    mean_and_deviation,
    summary_markdown,
)
from backburn.benchmark.cell_table import summary_csv, summary_rows
from backburn.benchmark.plan import planned_cells
from backburn.benchmark.run_study import read_cells, run_study
from backburn.benchmark.study_file import Study
from backburn.burn.decoupling import Decoupling
from backburn.errors import BackburnError, InputError
from backburn.metrics import DetectionScores
from backburn.results import Scores
from backburn.runs import new_record, to_json

STUDY = Study(dataset="digits", attacks=["badnets", "sig", "none"], rates=[0.05], seeds=[0])
NAN = float("nan")


def record_of(cell, asr: float = 1.0, aimed_at: tuple[int, ...] = (0,), named=(0,)):
    outcome = {
        "before": Scores(0.98, asr, 1 / 3),
        "after": Scores(0.97, 0.0, NAN),
        "clean": Scores(0.98, 0.01, 0.9),
        "der": 0.995,
        "found": DetectionScores(1.0, 0.99, 0.01, NAN, 7, 0.75),
        "verdict": "backdoored",
        "target_labels": named,
        "aimed_at": aimed_at,
    }
    seconds = {"victim": 5.4, "read": 0.1, "repair": 2.6, "test": 0.1}
    return new_record("bench", cell.arguments(), cell.seed, seconds, {"outcome": outcome}, "cpu")


@pytest.fixture
def ran(monkeypatch, inline_pool) -> list[str]:
    """The cells that were run, in order; `sig` fails."""
    names: list[str] = []

    def run_cell(cell, data, victims, progress):
        names.append(cell.name)
        if cell.attack == "sig":
            raise RuntimeError("no such luck")
        return record_of(cell)

    monkeypatch.setattr("backburn.benchmark.run_study.run_cell", run_cell)
    return names


def test_a_cell_that_fails_is_recorded_and_the_others_go_on(tmp_path, ran):
    failed = run_study(STUDY, tmp_path, tmp_path / "out", 1)
    assert ran == ["badnets-0.05-0", "sig-0.05-0", "none-0-0"]
    assert failed == ["sig-0.05-0: RuntimeError: no such luck"]
    cells = tmp_path / "out" / "cells"
    assert {path.name for path in cells.iterdir()} == {
        "badnets-0.05-0.json", "none-0-0.json", "sig-0.05-0.error.txt",
    }  # fmt: skip
    trace = (cells / "sig-0.05-0.error.txt").read_text()
    assert trace.startswith("Traceback")
    assert "in run_cell" in trace
    assert "no such luck" in trace


def test_finished_cells_are_kept_and_failed_ones_tried_again(tmp_path, ran, monkeypatch):
    run_study(STUDY, tmp_path, tmp_path / "out", 1)
    kept = (tmp_path / "out" / "cells" / "badnets-0.05-0.json").read_bytes()
    ran.clear()
    run_study(STUDY, tmp_path, tmp_path / "out", 1)
    assert ran == ["sig-0.05-0"]
    assert (tmp_path / "out" / "cells" / "badnets-0.05-0.json").read_bytes() == kept
    monkeypatch.setattr(
        "backburn.benchmark.run_study.run_cell", lambda cell, *rest: record_of(cell)
    )
    assert run_study(STUDY, tmp_path, tmp_path / "out", 1) == []
    assert not list((tmp_path / "out" / "cells").glob("*.error.txt"))


def test_records_are_read_in_the_order_of_the_study(tmp_path, ran):
    run_study(STUDY, tmp_path, tmp_path / "out", 1)
    cells = read_cells(STUDY, tmp_path / "out")
    assert [cell.name for cell, _ in cells] == ["badnets-0.05-0", "none-0-0"]
    assert cells[0][1].seconds["victim"] == 5.4


def test_progress_counts_cells_and_those_that_were_there(tmp_path, ran):
    heard: list[tuple[str, int, int]] = []
    run_study(STUDY, tmp_path, tmp_path / "out", 1, lambda *told: heard.append(told))
    assert heard == [("cells", done, 3) for done in range(4)]
    heard.clear()
    run_study(STUDY, tmp_path, tmp_path / "out", 1, lambda *told: heard.append(told))
    assert heard == [("cells", 2, 3), ("cells", 3, 3)]


def test_a_data_set_that_is_not_there_is_refused_and_nothing_is_written(tmp_path, ran):
    with pytest.raises(InputError, match=r"no data set 'cifar10'.*--data"):
        run_study(Study(attacks=["badnets"]), tmp_path, tmp_path / "out", 1)
    assert not (tmp_path / "out").exists()


def test_the_table_has_a_row_a_cell_and_leaves_blank_what_does_not_apply(tmp_path, ran):
    run_study(STUDY, tmp_path, tmp_path / "out", 1)
    cells = read_cells(STUDY, tmp_path / "out")
    rows = list(csv.DictReader(io.StringIO(summary_csv(cells))))
    assert [row["attack"] for row in rows] == ["badnets", "none"]
    expected = {
        "attack": "badnets", "dataset": "digits", "arch": "preact_resnet18", "rate": "0.05",
        "seed": "0", "method": "default", "acc_before": "0.98", "asr_before": "1.0",
        "ra_before": "0.3333",
        "acc_after": "0.97", "asr_after": "0.0", "ra_after": "", "der": "0.995",
        "acc_clean": "0.98", "asr_clean": "0.01", "ra_clean": "0.9", "auroc": "1.0", "tpr": "0.99",
        "fpr": "0.01", "restored": "", "restored_easy": "0.75", "verdict": "backdoored",
        "targets": "0", "right": "True", "seconds_victim": "5",
        "seconds_repair": "3",
    }  # fmt: skip
    assert {key: value for key, value in rows[0].items() if key != "commit"} == expected
    assert "commit" in rows[0]


@pytest.mark.parametrize(("named", "right"), [((0, 1, 2), True), ((0, 2), False), ((0,), False)])
def test_of_many_targets_all_have_to_be_named(named, right):
    (cell,) = planned_cells(Study(dataset="digits", attacks=["all_to_all"]))
    record = record_of(cell, aimed_at=(0, 1, 2), named=named)
    record = replace(record, metrics=json.loads(to_json(record.metrics)))  # as it is read back
    assert [row["right"] for row in summary_rows([(cell, record)])] == [right]


def test_the_table_for_people_is_in_per_cent_and_says_which_verdicts_were_right(tmp_path, ran):
    run_study(STUDY, tmp_path, tmp_path / "out", 1)
    head, rule, first, clean, mean = summary_markdown(
        read_cells(STUDY, tmp_path / "out")
    ).splitlines()
    assert len({line.count("|") for line in (head, rule, first, clean, mean)}) == 1
    figures = (
        "98.0 | 100.0 | 97.0 | 0.0 | 1.0 | - | 90.0 | 99.5 | 99.0 | 1.0 | 75.0 | 0.60 | 1 of 1 |"
    )
    assert first == f"| default | badnets | 5 % | 1 | {figures}"
    assert clean.endswith("| 0 of 1 |")
    assert mean == f"| default | **mean** |  | 1 | {figures}"


def test_seeds_are_averaged_and_their_spread_is_said(tmp_path, ran):
    study = replace(STUDY, attacks=["badnets"], seeds=[0, 1])
    run_study(study, tmp_path, tmp_path / "out", 1)
    assert mean_and_deviation([0.5, 0.7, ""]) == "60.0 ± 14.1"
    row = summary_markdown(read_cells(study, tmp_path / "out")).splitlines()[2]
    assert row.startswith("| default | badnets | 5 % | 2 | 98.0 ± 0.0 |")


def test_a_study_says_which_cells_were_made_at_which_commit(tmp_path, ran):
    run_study(STUDY, tmp_path, tmp_path / "out", 1)
    (first, one), (second, other) = read_cells(STUDY, tmp_path / "out")
    dated = [(first, replace(one, commit="a1+")), (second, replace(other, commit="b2"))]
    rows = ["| a1+ | badnets-0.05-0, badnets-0.05-0 |", "| b2 | none-0-0 |"]
    assert commits_markdown([*dated, dated[0]]).splitlines()[2:] == rows
    unknown = replace(one, commit=None)
    assert commits_markdown([(first, unknown)]).endswith("| none | badnets-0.05-0 |\n")


def test_a_model_that_the_attack_failed_on_is_shown_and_not_counted():
    row = {"method": "default", "rate": 0.01, "attack": "wanet", "right": False, "restored": ""}
    row |= dict.fromkeys(TABLE_COLUMNS.values(), "") | {"seconds_repair": 1, "seconds_victim": 2}
    lines = {asr: averaged_tables._lines([row | {"asr_before": asr}])[2:] for asr in (0.499, 0.5)}
    assert [len(lines[asr]) for asr in (0.499, 0.5)] == [1, 2]
    assert lines[0.499][0].endswith("| (0 of 1) |")
    assert lines[0.5][1].endswith("| 0 of 1 |")


def test_a_study_without_results_is_an_empty_table(tmp_path):
    assert read_cells(STUDY, tmp_path) == []
    assert len(summary_csv([]).splitlines()) == 1


def test_records_hold_json_without_nan(tmp_path, ran):
    run_study(STUDY, tmp_path, tmp_path / "out", 1)
    text = (tmp_path / "out" / "cells" / "none-0-0.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["command"] == "bench"


def test_a_record_of_other_settings_is_no_result(tmp_path, ran):
    run_study(STUDY, tmp_path, tmp_path / "out", 1)
    other = replace(STUDY, burn=replace(STUDY.burn, decoupling=Decoupling(stamped=0.3)))
    with pytest.raises(InputError, match="was made with other settings"):
        run_study(other, tmp_path, tmp_path / "out", 1)


def test_more_seeds_may_join_a_study(tmp_path, ran):
    run_study(STUDY, tmp_path, tmp_path / "out", 1)
    ran.clear()
    run_study(replace(STUDY, attacks=["badnets"], seeds=[0, 1]), tmp_path, tmp_path / "out", 1)
    assert ran == ["badnets-0.05-1"]


def test_a_killed_worker_is_said_in_words(tmp_path, ran, monkeypatch):
    def killed(self):
        raise BrokenProcessPool

    monkeypatch.setattr(Future, "result", killed)
    with pytest.raises(BackburnError, match="killed"):
        run_study(STUDY, tmp_path, tmp_path / "out", 1)
