"""The main tables in LaTeX."""

import pytest

from backburn.benchmark.comparison.latex import defenses_latex, detectors_latex, escape_latex
from compared import defense_row, detector_row


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ft_sam", r"ft\_sam"),
        ("5 % clean & more", r"5 \% clean \& more"),
        ("a\\b{c}", r"a\textbackslash{}b\{c\}"),
        ("$x^2$ #1 ~", r"\$x\textasciicircum{}2\$ \#1 \textasciitilde{}"),
        ("[a]\nb", "{[}a] b"),
        ("<|>", r"\textless{}\textbar{}\textgreater{}"),
    ],
)
def test_names_are_printed_as_they_are(text, expected):
    assert escape_latex(text) == expected


def test_defences_are_a_table_with_the_ceiling_below_a_rule():
    rows = [
        defense_row("ft_sam", der=0.9, given="5 % clean"),
        defense_row("ft_sam", "wanet", der=0.8),
        defense_row("retrain", der=1.0),
    ]
    lines = defenses_latex(rows).splitlines()
    assert lines[1:4] == [
        r"\begin{tabular}{llrrrrrrr}",
        r"\toprule",
        r"method & given & victims & ACC & ASR & RA & DER & mean rank & cost \\",
    ]
    assert lines[5].startswith(r"ft\_sam & 5 \% clean & 2 of 2 & \textbf{90.0} {\scriptsize [90.0,")
    assert r"\textbf{85.0} {\scriptsize [80.0, 90.0]} & -- & \textbf{0.25} \\" in lines[5]
    assert lines[7].startswith("retrain & ")
    assert "textbf" not in lines[7]
    assert [lines[4], lines[6], *lines[8:]] == [
        r"\midrule", r"\midrule", r"\bottomrule", r"\end{tabular}",
    ]  # fmt: skip


def test_detectors_are_a_table():
    lines = detectors_latex([detector_row("ac"), detector_row("ac", "sig")]).splitlines()
    assert lines[3] == r"method & given & victims & AUROC & TPR & FPR & cost \\"
    assert lines[5].startswith("ac & training set & 2 of 2 & ")
    weak = detector_row("ac", "sig", asr_before=0.4)
    assert "1 of 1" in detectors_latex([detector_row("ac"), weak])


def test_without_methods_the_table_is_a_head():
    assert defenses_latex([]).count(r"\\") == 1
