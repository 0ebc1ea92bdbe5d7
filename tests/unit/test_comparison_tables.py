"""The tables for people: means, what is best, what is missing, and where others are ahead."""

import math

import pytest

from backburn.benchmark.comparison.better_methods import lead_sentences
from backburn.benchmark.comparison.columns import ASR, COST, DER, Column
from backburn.benchmark.comparison.markdown import comparison_markdown, detectors_markdown
from backburn.benchmark.comparison.standings import defense_standings, leaders
from compared import defense_row, detector_row

ROWS = [
    defense_row("default", "badnets", der=0.98, asr=0.02, ra=0.9, acc=0.88, seconds=1.0),
    defense_row("default", "wanet", der=0.94, asr=0.06, ra=0.83, acc=0.86, seconds=3.0),
    defense_row("default", "none", acc=0.89),
    defense_row("nad", "badnets", der=0.96, asr=0.04, ra=0.7, acc=0.9),
    defense_row("nad", "wanet", der=0.94, asr=0.1, ra=0.851, acc=0.88),
    defense_row("nad", "none", acc=0.7),
    defense_row("ft", "badnets", der=0.6, asr=0.8, ra=0.1, acc=0.9),
    defense_row("retrain", "badnets", der=0.99, asr=0.01, ra=0.9, acc=0.9),
    defense_row("retrain", "wanet", der=1.0, asr=0.0, ra=0.9, acc=0.9),
]


def parts(text: str) -> dict[str, list[str]]:
    """Lines by title."""
    found: dict[str, list[str]] = {}
    for part in text.split("### ")[1:]:
        title, _, body = part.partition("\n")
        found[title] = [line for line in body.splitlines() if line]
    return found


def test_methods_stand_by_their_der_with_intervals_and_the_ceiling_behind():
    table = parts(comparison_markdown(ROWS))["Defenses, over all victims"]
    assert table[:7] == [
        "| method | given | victims | ACC | ASR | RA | DER | mean rank | cost |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        "| default | training set | 2 of 2 | 87.0 [86.0, 88.0] | **4.0** [2.0, 6.0] | "
        "**86.5** [83.0, 90.0] | **96.0** [94.0, 98.0] | **1.00** | **0.10** |",
        "| nad | training set | 2 of 2 | 89.0 [88.0, 90.0] | 7.0 [4.0, 10.0] | "
        "77.5 [70.0, 85.1] | 95.0 [94.0, 96.0] | 2.00 | 0.25 |",
        "| ft | training set | 1 of 2 | **90.0** | 80.0 | 10.0 | 60.0 | 3.00 | 0.25 |",
        "|  |  |  |  |  |  |  |  |  |",
        "| retrain | training set | 2 of 2 | 90.0 [90.0, 90.0] | 0.5 [0.0, 1.0] | "
        "90.0 [90.0, 90.0] | 99.5 [99.0, 100.0] | - | 0.25 |",
    ]


def test_what_is_missing_and_what_is_not_ranked_is_said():
    text = comparison_markdown(ROWS)
    assert "over the 1 of 2 victims that all 3 ranked methods have, of 1 attack." in text
    assert "- Missing: ft on 1 of 2 victims (wanet 10 % seed 0)." in text
    assert "- retrain: a ceiling, not ranked" in text
    assert "oracle" not in text
    oracle = comparison_markdown([*ROWS, defense_row("anp_oracle", "badnets", der=1.0)])
    assert "- anp_oracle: an oracle, not ranked: the test images with triggers choose" in oracle
    assert oracle.index("| anp_oracle |") > oracle.index("| ft |")
    assert "- The 2 victims before any repair: ACC 90.0, ASR 100.0, RA 0.0." in text
    assert "critical difference" not in text
    whole = comparison_markdown([row for row in ROWS if row["method"] != "ft"])
    assert "critical difference at .05" in whole
    assert "Missing" not in whole


def test_figures_stand_by_attack():
    found = parts(comparison_markdown(ROWS))
    assert found["DER by attack"] == [
        "| method | badnets 10 % | wanet 10 % |",
        "| --- | --- | --- |",
        "| default | **98.0** | **94.0** |",
        "| nad | 96.0 | **94.0** |",
        "| ft | 60.0 | - |",
        "| retrain | 99.0 | 100.0 |",
    ]
    assert found["RA by attack"][2] == "| default | **90.0** | 83.0 |"
    assert found["ASR by attack"][4] == "| ft | 80.0 | - |"


def test_clean_models_are_apart_and_in_no_other_mean():
    (title,) = (name for name in parts(comparison_markdown(ROWS)) if "clean models" in name)
    assert parts(comparison_markdown(ROWS))[title] == [
        "| method | clean models | ACC drop |",
        "| --- | --- | --- |",
        "| default | 1 of 1 | **1.0** |",
        "| nad | 1 of 1 | 20.0 |",
        "| ft | 0 of 1 | - |",
        "| retrain | 0 of 1 | - |",
    ]
    without = [row for row in ROWS if row["rate"]]
    assert defense_standings(ROWS) == defense_standings(without)
    assert title not in comparison_markdown(without)


def test_seeds_of_clean_models_have_an_interval():
    rows = [defense_row("default", "none", seed, acc=acc) for seed, acc in enumerate((0.88, 0.92))]
    assert "| default | 2 of 2 | **0.0** [-2.0, 2.0] |" in comparison_markdown(rows)
    assert "| default | training set | 0 of 0 | - | - | - | - | - | - |" in comparison_markdown(
        rows
    )


def test_victims_on_which_the_attack_failed_do_not_count():
    weak = [
        defense_row(name, "sig", asr_before=asr, der=0.1)
        for name, asr in (("default", 0.499), ("nad", 0.499), ("ft", math.nan))
    ]
    assert defense_standings(ROWS + weak) == defense_standings(ROWS)
    assert "the attack failed (ASR below 50 %): sig 10 % seed 0." in comparison_markdown(
        ROWS + weak
    )
    works = defense_row("default", "sig", asr_before=0.5)
    assert defense_standings([*ROWS, works]) != defense_standings(ROWS)


def test_seeds_that_are_missing_are_counted():
    rows = [*ROWS, defense_row("default", "badnets", 1, der=0.96)]
    table = parts(comparison_markdown(rows))["DER by attack"]
    assert table[2] == "| default | **97.0** | **94.0** |"
    assert table[3] == "| nad | 96.0 (1 of 2) | **94.0** |"


def test_all_that_are_shown_alike_are_best():
    rows = [defense_row("a", der=0.9001), defense_row("b", der=0.9), defense_row("c", der=0.89)]
    assert leaders(defense_standings(rows), DER) == {"a", "b"}
    assert leaders(defense_standings(rows), ASR) == {"a", "b", "c"}
    assert leaders([], DER) == frozenset()


def test_cost_needs_a_victim_that_took_time():
    (found,) = defense_standings([defense_row("a", seconds_victim=0.0)])
    assert found.value(COST) is None


def test_there_is_no_negative_zero():
    assert Column("", "").format(-0.0001) == "0.0"


def test_where_others_are_ahead_is_a_sentence_an_attack():
    assert lead_sentences(ROWS) == ["On wanet 10 % nad has the higher RA: 85.1 against 83.0."]
    rows = [defense_row("default", der=0.9, ra=0.8), defense_row("a", der=0.91, ra=0.81)]
    assert lead_sentences(rows) == [
        "On badnets 10 % a has the higher DER: 91.0 against 90.0, "
        "and the higher RA: 81.0 against 80.0."
    ]
    assert lead_sentences([*rows, defense_row("b", der=0.8, ra=0.85)]) == [
        "On badnets 10 % a has the higher DER: 91.0 against 90.0, "
        "and b has the higher RA: 85.0 against 80.0."
    ]


def test_nobody_is_ahead_by_other_seeds_or_by_less_than_is_shown():
    none = ["On no attack does another method than default have the higher DER or RA."]
    ours = [defense_row("default", seed=seed, der=der) for seed, der in ((0, 0.9), (1, 0.5))]
    assert lead_sentences([*ours, defense_row("a", seed=0, der=0.9)]) == none
    assert lead_sentences([*ours, defense_row("a", seed=2, der=1.0)]) == none
    assert lead_sentences([*ours, defense_row("a", seed=0, der=0.9004)]) == none
    assert lead_sentences([*ours, defense_row("retrain", seed=0, der=1.0)]) == none
    assert lead_sentences([defense_row("a")]) == []


def test_detectors_stand_by_their_auroc():
    rows = [
        detector_row("ac", "badnets", auroc=0.6, tpr=0.2, fpr=0.01),
        detector_row("ac", "wanet", auroc=0.8, tpr=0.4, fpr=0.03),
        detector_row("ac", "none", fpr=0.05),
        detector_row("strip", "badnets", auroc=1.0, tpr=0.9, fpr=0.1, seconds=1.0),
    ]
    found = parts(detectors_markdown(rows))
    assert found["Detectors, over all victims"][2:4] == [
        "| strip | training set | 1 of 2 | **100.0** | **90.0** | 10.0 | **0.05** |",
        "| ac | training set | 2 of 2 | 70.0 [60.0, 80.0] | 30.0 [20.0, 40.0] | "
        "**2.0** [1.0, 3.0] | 0.50 |",
    ]
    assert found["TPR / FPR by attack"][2:] == [
        "| strip | **90.0** / 10.0 | - / - |",
        "| ac | 20.0 / **1.0** | **40.0** / **3.0** |",
    ]
    (title,) = (name for name in found if "clean models" in name)
    assert found[title][3] == "| ac | 1 of 1 | **5.0** |"
    assert "Missing: strip on 1 of 2 victims (wanet 10 % seed 0)." in detectors_markdown(rows)


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], [defense_row("a|b\nc", ra=math.nan)]])
def test_tables_are_whole_and_the_same_every_time(rows):
    text = comparison_markdown(rows)
    assert text == comparison_markdown(rows)
    assert "nan" not in text
    for lines in parts(text).values():
        table = [line.replace("\\|", "") for line in lines if line.startswith("|")]
        assert len({line.count("|") for line in table}) <= 1


def test_a_failed_victim_of_a_detector_is_named():
    text = detectors_markdown([detector_row("ac"), detector_row("ac", "sig", asr_before=0.4)])
    assert "failed (ASR below 50 %): sig 10 % seed 0." in text
    assert "| ac | training set | 1 of 1 |" in text
