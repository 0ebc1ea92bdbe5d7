"""The retuning attack as rows, as a table and as a picture."""

import csv
import io

from matplotlib.figure import Figure

from backburn.benchmark.reactivation_table import (
    COLUMNS,
    order_of,
    reactivation_rows,
    reactivation_tables,
)
from backburn.report.reactivation_figure import draw_reactivation, reactivation_files
from compared import HOLDOUT, StandInCell, record_of

BEFORE = {"acc": 0.95, "asr": 1.0, "ra": 0.0}


def retuned(method, *asr, attack="badnets", seed=0, before=1.0, repaired=0.0):
    """A cell with the ASR after fine-tuning on 0, 5 and 50 images."""
    scores = [{"acc": 0.9, "asr": value, "ra": 1 - value} for value in asr]
    curve = [{"images": n, "scores": s} for n, s in zip((0, 5, 50), scores, strict=True)]
    reactivation = {
        "clean": 999,
        "scored": 224,
        "repaired": {"acc": 0.94, "asr": repaired, "ra": 0.9},
        "curve": curve,
    }
    outcome = {"before": {**BEFORE, "asr": before}, "reactivation": reactivation}
    cell = StandInCell(method, attack, seed=seed, inputs=HOLDOUT)
    return cell, record_of({"outcome": outcome}, repair=1.0)


CELLS = [
    retuned("retrain", 0.0, 0.0, 0.2),
    retuned("ft", 0.1, 0.4, 1.0, repaired=0.05),
    retuned("default", 0.0, 0.0, 0.3),
]


def test_there_is_a_row_for_each_number_of_images_beside_the_control():
    rows = list(csv.DictReader(io.StringIO(reactivation_tables(CELLS)["reactivation.csv"])))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 9
    assert rows[5] == {
        "method": "ft", "given": "5 % clean", "attack": "badnets", "dataset": "digits",
        "rate": "0.1", "seed": "0", "images": "50", "clean": "999", "scored": "224", "acc": "0.9",
        "asr": "1.0", "ra": "0.0", "asr_control": "0.2", "acc_repaired": "0.94",
        "asr_repaired": "0.05", "asr_before": "1.0", "commit": "abc",
    }  # fmt: skip


def test_a_study_without_it_has_no_such_files():
    cell, record = retuned("ft", 0.0, 0.0, 0.0)
    record.metrics["outcome"]["reactivation"] = None
    older = StandInCell("ft"), record_of({"outcome": {"before": BEFORE}}, repair=1.0)
    detector = StandInCell("strip", kind="detector"), record_of({"detected": {}}, examine=1.0)
    assert reactivation_tables([(cell, record), older, detector]) == {}
    assert reactivation_files([]) == {}


def test_the_table_has_the_least_excess_first_and_the_control_last():
    lines = reactivation_tables(CELLS)["reactivation.md"].splitlines()
    assert lines[0].startswith("| method | given | victims | repaired | 0 | 5 | 50 | excess |")
    assert lines[2] == "| default | 5 % clean | 1 | 0.0 | 0.0 | 0.0 | 30.0 | 5.0 |"
    assert lines[3] == "| ft | 5 % clean | 1 | 5.0 | 10.0 | 40.0 | 100.0 | 60.0 |"
    assert lines[4] == "| retrain | 5 % clean | 1 | 0.0 | 0.0 | 0.0 | 20.0 | control |"


def test_every_attack_has_its_own_table_and_failed_attacks_count_nowhere():
    more = [
        retuned("ft", 0.0, 0.0, 0.0, attack="wanet"),
        retuned("ft", 1, 1, 1, attack="sig", before=0.4),
    ]
    tables = reactivation_tables([*CELLS, *more])
    attacks = tables["reactivation-attacks.md"]
    assert [line for line in attacks.splitlines() if "#" in line] == [
        "### badnets 10 %", "### wanet 10 %",
    ]  # fmt: skip
    assert "| ft | 5 % clean | 2 | 2.5 ± 3.5 |" in tables["reactivation.md"]


def test_without_the_control_the_order_is_by_success():
    rows = reactivation_rows(CELLS[1:])
    assert {row["asr_control"] for row in rows} == {""}
    assert order_of(rows) == ["default", "ft"]


def test_the_picture_has_a_line_for_each_method_from_the_repair_on():
    rows = reactivation_rows(CELLS)
    axes = Figure().subplots()
    draw_reactivation([axes], rows)
    lines = {line.get_label(): list(line.get_ydata()) for line in axes.get_lines()}
    assert {name: [round(y, 6) for y in line] for name, line in lines.items()} == {
        "default": [0, 0, 0, 30], "ft": [5, 10, 40, 100], "retrain (control)": [0, 0, 0, 20],
    }  # fmt: skip
    ticks = [text.get_text() for text in axes.get_xticklabels()]
    assert ticks == ["repaired", "0", "5", "50"]


def test_attacks_have_panels_until_there_are_too_many():
    two = [*CELLS, retuned("ft", 0.0, 0.0, 0.0, attack="wanet")]
    files = reactivation_files(reactivation_rows(two))
    assert set(files) == {"reactivation.png", "reactivation.svg"}
    assert files == reactivation_files(reactivation_rows(two))
    panels = Figure().subplots(1, 2)
    draw_reactivation(panels, reactivation_rows(two))
    assert [axes.get_title() for axes in panels] == ["badnets 10 %", "wanet 10 %"]
    many = [retuned("ft", 0.0, 0.1, 0.2, attack=name) for name in ("bpp", "iad", "lc", "sig")]
    assert set(reactivation_files(reactivation_rows(many))) == set(files)
    axes = Figure().subplots()
    draw_reactivation([axes], reactivation_rows(many))
    assert axes.get_title() == "mean over 4 attacks"
