"""What a person sees of a study while it runs."""

import io

import pytest
from rich.console import Console

from backburn.benchmark.plan import planned_cells
from backburn.benchmark.study_file import Study
from backburn.cli import study_progress
from backburn.results import Scores
from backburn.runs import new_record, to_json, with_checksum

STUDY = Study(
    dataset="digits",
    attacks=["none", "badnets"],
    rates=[0.05],
    methods=["default", "boundary"],
)
NAN = float("nan")


def write(cell, out, metrics):
    (out / "cells").mkdir(exist_ok=True)
    seconds = {"victim": 50.0, "read": 1.0, "repair": 2.6}
    record = new_record("bench", cell.arguments(), cell.seed, seconds, metrics, "cpu")
    (out / "cells" / f"{cell.name}.json").write_bytes(to_json(with_checksum(record)))


@pytest.fixture
def cells(tmp_path):
    """One repaired, one examined, one failed, one that waits."""
    none, badnets, none_found, badnets_found = planned_cells(STUDY)
    outcome = {"before": Scores(0.98, 1.0, 0.0), "after": Scores(0.97, 0.0, 0.9), "der": 0.995}
    write(badnets, tmp_path, {"outcome": outcome})
    write(badnets_found, tmp_path, {"detected": {"auroc": 0.999, "tpr": 1.0, "fpr": 0.0}})
    return {"none": none, "badnets": badnets, "found": badnets_found, "none found": none_found}


def test_a_log_gets_a_line_a_cell(tmp_path, cells, capsys):
    shown = study_progress.LiveStudy(STUDY, tmp_path, quiet=False)
    shown.cell_ended(cells["badnets"], None)
    shown.cell_ended(cells["found"], None)
    shown.cell_ended(cells["none"], "RuntimeError: [red]no such luck")
    assert capsys.readouterr().err.splitlines() == [
        "badnets-0.05-0: DER 99.5, 3 s",
        "badnets-0.05-0-boundary: AUROC 99.9, 3 s",
        "none-0-0: RuntimeError: [red]no such luck",
    ]


def test_quiet_says_nothing(tmp_path, cells, capsys):
    with study_progress.LiveStudy(STUDY, tmp_path, quiet=True) as shown:
        shown.cell_ended(cells["badnets"], None)
        shown.progress("cells", 1, 4)
    assert capsys.readouterr() == ("", "")


def test_the_table_knows_what_is_finished_what_failed_and_what_waits(tmp_path, cells):
    shown = study_progress.LiveStudy(STUDY, tmp_path, quiet=True)
    shown.cell_ended(cells["none"], "no such luck")
    out = io.StringIO()
    Console(file=out, width=80).print(shown._table())
    head, first, second = (line.split() for line in out.getvalue().splitlines())
    assert head == ["method", "none", "badnets"]
    assert first == ["default", "failed", "99.5"]
    assert second == ["boundary", "·", "99.9"]


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({"attacked": {"scores": {"asr": 0.9}}}, ("ASR", 0.9)),
        ({"detected": {"auroc": None, "fpr": 0.01}}, ("FPR", 0.01)),
        ({"outcome": {"before": {"asr": None}, "after": {"acc": 0.8}}}, ("ACC", 0.8)),
    ],
)
def test_a_clean_model_has_another_figure(metrics, said):
    record = new_record("bench", {}, 0, {}, metrics, "cpu")
    assert study_progress.headline(record) == said
