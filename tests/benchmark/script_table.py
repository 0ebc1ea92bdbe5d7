"""The table of `script_models.py`, from its rows."""

from typing import Any

from backburn.benchmark.averaged_tables import table_line

HEAD = (
    "case",
    "network",
    "seed",
    "training",
    "test",
    "ASR (without trigger)",
    "verdict",
    "targets",
    "right",
    "p",
    "poison found",
    "clean flagged",
    "labels",
)
NOTE = """\
Accuracy, ASR and labels are per cent. `ASR` has one figure for each trigger. In parentheses is
how often images without the trigger get the target label. A clean model with a natural mark has the
figures of that mark. `labels` is the share of the poison found whose right label was restored.

A victim counts if its ASR is 50 % or more and exceeds that of images without trigger by 30 points.
With several triggers, one trigger of each target has to reach this. `right` is `yes` for a victim
that counts if its verdict is backdoored and its targets are named exactly. All-to-all has all
classes as targets. `-` stands for clean models and for victims that do not count.
"""


def per_cent(value: str) -> str:
    """A share as a whole percentage; `-` without one."""
    return f"{100 * float(value):.0f}" if value else "-"


def rates(row: dict[str, Any]) -> str:
    """ASR of each trigger, and that of images without it."""
    pairs = zip(row["asr"].split(), row["asr_without_trigger"].split(), strict=True)
    return ", ".join(f"{per_cent(asr)} ({per_cent(without)})" for asr, without in pairs) or "-"


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as a Markdown table, with counts in front and a note behind."""
    lines = [table_line(HEAD), table_line(["---"] * len(HEAD))]
    for row in rows:
        found = f"{row['found']} of {row['poison']}" if row["attacked"] == "yes" else "-"
        cells = [row["case"], row["network"], row["seed"]]
        cells += [per_cent(row["training_accuracy"]), per_cent(row["accuracy"]), rates(row)]
        cells += [row["verdict"], row["targets"] or "-", row["right"] or "-", row["p_value"]]
        cells += [found, row["clean_flagged"], per_cent(row["labels_right"])]
        lines.append(table_line(map(str, cells)))
    return f"{counts(rows)}\n" + "\n".join(lines) + f"\n\n{NOTE}"


def counts(rows: list[dict[str, Any]]) -> str:
    """How many victims are named rightly and how many clean models are accused, for each seed."""
    head = ("seed", "victims that count", "named rightly", "clean models", "accused", "abstained")
    lines = [table_line(head), table_line(["---"] * len(head))]
    for seed in dict.fromkeys(row["seed"] for row in rows):
        of = [row for row in rows if row["seed"] == seed]
        right = [row["right"] for row in of if row["right"]]
        said = [row["verdict"] for row in of if row["attacked"] == "no"]
        accused = said.count("backdoored") + said.count("suspicious")
        cells = (seed, len(right), right.count("yes"), len(said), accused, said.count("abstained"))
        lines.append(table_line(map(str, cells)))
    return "\n".join(lines) + "\n"
