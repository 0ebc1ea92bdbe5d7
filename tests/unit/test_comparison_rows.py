"""Rows of a comparison, from cells; and the files that are made of them."""

import csv
import io
import math

import pytest

from backburn.benchmark.comparison.cell_rows import (
    DEFENSE_COLUMNS,
    DETECTOR_COLUMNS,
    defense_rows,
    defenses_csv,
    detector_rows,
    detectors_csv,
)
from backburn.benchmark.tables import comparison_tables
from compared import HOLDOUT, StandInCell, record_of

BEFORE = {"acc": 0.95, "asr": 1.0, "ra": 0.0}
AFTER = {"acc": 0.94321, "asr": 0.01239, "ra": math.nan}
OUTCOME = {"before": BEFORE, "after": AFTER, "clean": {"acc": 0.96, "asr": 0.01, "ra": 0.9}}
DEFENDED = (
    StandInCell("ft", inputs=HOLDOUT),
    record_of({"outcome": {**OUTCOME, "der": 0.98764}}, repair=3.14),
)
EXAMINED = (
    StandInCell("strip", kind="detector", seed=3),
    record_of(
        {
            "detected": {"auroc": 0.9, "tpr": 0.8, "fpr": 0.1, "count": 7},
            "before": {"acc": 0.9, "asr": 0.4, "ra": 0.5},
        },
        examine=0.42,
    ),
)
NOTHING = dict.fromkeys(("acc", "asr", "ra"))
CLEAN = (
    StandInCell("ft", "none", 0.0),
    record_of(
        {
            "outcome": {
                "before": {**NOTHING, "acc": 0.9},
                "after": {**NOTHING, "acc": 0.8},
                "der": 1,
            }
        },
        repair=3,
    ),
)


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_defence_has_its_scores_what_they_were_and_those_of_a_clean_model():
    (row,) = defense_rows([DEFENDED, EXAMINED])
    (written,) = read(defenses_csv([row]))
    assert written == {
        "method": "ft", "given": "5 % clean", "attack": "badnets", "dataset": "digits",
        "rate": "0.1", "seed": "0", "acc": "0.9432", "asr": "0.0124", "ra": "", "der": "0.9876",
        "seconds": "3.1", "seconds_victim": "20.0",
        "acc_before": "0.95", "asr_before": "1.0", "ra_before": "0.0",
        "acc_clean": "0.96", "asr_clean": "0.01", "ra_clean": "0.9", "commit": "abc",
    }  # fmt: skip


def test_a_clean_model_has_an_accuracy_only():
    (row,) = defense_rows([CLEAN])
    assert (row["acc_before"], row["acc"]) == (0.9, 0.8)
    empty = ("asr", "ra", "der", "asr_before", "acc_clean", "asr_clean")
    assert [row[name] for name in empty] == [""] * len(empty)


def test_a_detector_has_its_rates():
    (row,) = detector_rows([DEFENDED, EXAMINED])
    (written,) = read(detectors_csv([row]))
    assert written == {
        "method": "strip", "attack": "badnets", "rate": "0.1", "seed": "3", "tpr": "0.8",
        "fpr": "0.1", "auroc": "0.9", "seconds": "0.4", "given": "training set",
        "dataset": "digits", "seconds_victim": "20.0", "asr_before": "0.4", "commit": "abc",
    }  # fmt: skip


def test_columns_stand_in_their_order():
    assert defenses_csv([]).strip() == ",".join(DEFENSE_COLUMNS)
    assert detectors_csv([]).strip() == ",".join(DETECTOR_COLUMNS)


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        ([], set()),
        ([DEFENDED], {"summary"}),
        ([EXAMINED], {"detectors"}),
        ([DEFENDED, EXAMINED, CLEAN], {"summary", "detectors"}),
    ],
)
def test_files_are_of_the_kinds_that_there_are(cells, names):
    files = comparison_tables(cells)
    kinds = {f"{name}.{suffix}" for name in names for suffix in ("csv", "md", "tex")}
    assert set(files) == kinds | ({"standings.md"} if cells else set())
    assert all(text.endswith("\n") for text in files.values())


def test_a_detector_is_not_counted_on_a_victim_that_the_attack_failed_on():
    text = comparison_tables([EXAMINED])["detectors.md"]
    assert "| strip | training set | 0 of 0 |" in text
    assert "Not counted" in text


@pytest.mark.parametrize(
    ("cells", "name"), [([DEFENDED, EXAMINED], "summary.md"), ([EXAMINED], "detectors.md")]
)
def test_the_main_table_stands_by_itself(cells, name):
    files = comparison_tables(cells)
    assert files["standings.md"].strip() in files[name]
    assert "\n\n" not in files["standings.md"].strip()
