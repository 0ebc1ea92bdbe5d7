"""Tables of victims as they are: how accurate, how open to the trigger, how well hidden it is."""

from collections.abc import Sequence
from typing import Any

from ..data.csv_cells import csv_text
from ..runs import Record
from .plan import Cell
from .summary import digits, per_cent

COLUMNS = (
    "attack", "dataset", "rate", "seed", "epochs", "acc", "clean_acc", "asr", "psnr", "ssim",
    "seconds", "commit",
)  # fmt: skip


def attack_csv(cells: Sequence[tuple[Cell, Record]]) -> str:
    """One row a victim; fractions, PSNR in decibels; empty where a figure does not apply.

    `clean_acc` is the accuracy of the clean model of the same seed and number of epochs.
    """
    return csv_text(COLUMNS, _rows(cells))


def attack_markdown(cells: Sequence[tuple[Cell, Record]]) -> str:
    """The same for people: rates, ACC and ASR in per cent, a row a victim."""
    lines = [
        "| attack | poison | epochs | seed | ACC | clean ACC | ASR | PSNR | SSIM |",
        "|---" * 9 + "|",
    ]
    for row in _rows(cells):
        shares = " | ".join(per_cent(row[name]) for name in ("acc", "clean_acc", "asr"))
        seen = [str(row[name]) if row[name] != "" else "-" for name in ("psnr", "ssim")]
        rate = f"{100 * row['rate']:.3g} %" if row["rate"] else "-"
        lines.append(
            f"| {row['attack']} | {rate} | {row['epochs']} | {row['seed']} | {shares} | "
            f"{' | '.join(seen)} |"
        )
    return "\n".join(lines) + "\n"


def _rows(cells: Sequence[tuple[Cell, Record]]) -> list[dict[str, Any]]:
    clean = {
        (cell.seed, cell.epochs): record.metrics["attacked"]["scores"]["acc"]
        for cell, record in cells
        if cell.attack == "none"
    }
    return [_row(cell, record, clean.get((cell.seed, cell.epochs))) for cell, record in cells]


def _row(cell: Cell, record: Record, clean_acc: float | None) -> dict[str, Any]:
    scores, stealth = (record.metrics["attacked"][part] for part in ("scores", "stealth"))
    return {
        "attack": cell.attack,
        "dataset": cell.study.dataset,
        "rate": cell.rate,
        "seed": cell.seed,
        "epochs": cell.epochs,
        "acc": digits(scores["acc"]),
        "clean_acc": digits(clean_acc),
        "asr": digits(scores["asr"]),
        "psnr": digits(stealth["psnr"], 1),
        "ssim": digits(stealth["ssim"], 3),
        "seconds": round(record.seconds["victim"]),
        "commit": record.commit,
    }
