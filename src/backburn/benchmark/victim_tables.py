"""Tables of victims before any repair: accuracy, attack success and stealth."""

from collections.abc import Sequence
from typing import Any

from ..data.csv_cells import csv_text
from ..runs import Record
from .cell_table import percent, rounded
from .plan import Cell

COLUMNS = (
    "attack", "dataset", "rate", "seed", "epochs", "acc", "clean_acc", "asr", "psnr", "ssim",
    "seconds", "commit",
)  # fmt: skip


def attack_csv(cells: Sequence[tuple[Cell, Record]]) -> str:
    """One row for each victim, as CSV; empty where a figure does not apply.

    Rates are fractions, PSNR is in decibels. `clean_acc` is the accuracy of the clean model of the
    same seed and number of epochs.
    """
    return csv_text(COLUMNS, _rows(cells))


def attack_markdown(cells: Sequence[tuple[Cell, Record]]) -> str:
    """One row for each victim, as Markdown; rates, ACC and ASR in per cent."""
    lines = [
        "| attack | poison | epochs | seed | ACC | clean ACC | ASR | PSNR | SSIM |",
        "|---" * 9 + "|",
    ]
    for row in _rows(cells):
        rates = " | ".join(percent(row[name]) for name in ("acc", "clean_acc", "asr"))
        stealth = [str(row[name]) if row[name] != "" else "-" for name in ("psnr", "ssim")]
        poison = f"{100 * row['rate']:.3g} %" if row["rate"] else "-"
        lines.append(
            f"| {row['attack']} | {poison} | {row['epochs']} | {row['seed']} | {rates} | "
            f"{' | '.join(stealth)} |"
        )
    return "\n".join(lines) + "\n"


def _rows(cells: Sequence[tuple[Cell, Record]]) -> list[dict[str, Any]]:
    clean_accuracies = {
        (cell.seed, cell.epochs): record.metrics["attacked"]["scores"]["acc"]
        for cell, record in cells
        if cell.attack == "none"
    }
    return [
        _row(cell, record, clean_accuracies.get((cell.seed, cell.epochs))) for cell, record in cells
    ]


def _row(cell: Cell, record: Record, clean_acc: float | None) -> dict[str, Any]:
    scores, stealth = (record.metrics["attacked"][part] for part in ("scores", "stealth"))
    return {
        "attack": cell.attack,
        "dataset": cell.study.dataset,
        "rate": cell.rate,
        "seed": cell.seed,
        "epochs": cell.epochs,
        "acc": rounded(scores["acc"]),
        "clean_acc": rounded(clean_acc),
        "asr": rounded(scores["asr"]),
        "psnr": rounded(stealth["psnr"], 1),
        "ssim": rounded(stealth["ssim"], 3),
        "seconds": round(record.seconds["victim"]),
        "commit": record.commit,
    }
