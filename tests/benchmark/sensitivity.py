"""What halving and doubling each number of the detector changes, on victims that a study has made.

    make sensitivity

A row for each number and factor: victims whose verdict and targets are right, their largest
p-value, their mean TPR and FPR, clean models that stay clean, and their smallest p-value. Rows that
are in the table are kept. The first seeds of the study are used.
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from made_rows import publish_rows, read_rows

from backburn.attacks.victim_folder import is_victim, read_victim
from backburn.benchmark.averaged_tables import table_line
from backburn.config import overlay
from backburn.detection.detector import PoisonDetector
from backburn.metrics import score_detection
from backburn.types import Case, Truth

FIELDS = (
    "smallest",
    "asked",
    "resolution",
    "resolution_probe",
    "least",
    "resolution_transplant",
    "resolution_source",
    "smallest_class",
    "placebos",
    "tail",
    "natural_group",
    "standard_errors",
    "min_foreign",
    "lost_lead",
    "min_necessity",
    "min_similarity",
)
BELOW_ONE = 0.99
TARGET = 0
"""The target class of the study's victims."""


def variants() -> list[tuple[str, PoisonDetector]]:
    """The detector as it is, then with each number halved and doubled."""
    detector = PoisonDetector()
    found = [("none", detector)]
    for name in FIELDS:
        value = getattr(detector, name)
        for factor in (0.5, 2.0):
            changed: float = value * factor
            changed = max(1, round(changed)) if isinstance(value, int) else changed
            if isinstance(value, float) and name != "standard_errors":
                changed = min(changed, BELOW_ONE)
            if name == "smallest_class":
                changed = max(10, changed)
            found.append((name, overlay(detector, {name: changed}, "sensitivity")))
    return found


def row(name: str, detector: PoisonDetector, cases: list[tuple[Case, Truth]]) -> dict[str, Any]:
    """One line of the table."""
    right, tpr, fpr, clean, p_values = 0, [], [], 0, {True: [0.0], False: [1.0]}
    for case, truth in cases:
        result = detector.analyze(
            case, torch.Generator().manual_seed(0), retrain=False, every_suspect=False
        )
        convicted, attacked = result.verdict.convicted, bool(truth.poison.any())
        p_values[attacked].append(result.verdict.p_value)
        if attacked:
            right += convicted == (TARGET,)
            scores = score_detection(result.evidence, None, truth)
            tpr.append(scores.tpr)
            fpr.append(scores.fpr)
        else:
            clean += result.verdict.state == "clean"
    poisoned = len(tpr)
    return {
        "field": name,
        "value": "" if name == "none" else f"{getattr(detector, name):g}",
        "victims": poisoned,
        "found": right,
        "largest_p": f"{max(p_values[True]):.2g}",
        "tpr": f"{sum(tpr) / max(1, poisoned):.4f}",
        "fpr": f"{sum(fpr) / max(1, poisoned):.4f}",
        "clean": len(cases) - poisoned,
        "stay_clean": clean,
        "least_p": f"{min(p_values[False]):.2g}",
    }


def seed_of(folder: Path) -> int:
    """The seed of a victim: `badnets-0.05-360` has 360."""
    return int(folder.name.rpartition("-")[2])


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown, those whose verdicts changed marked by `*`."""
    usual = rows[0]
    lines = [
        table_line(["field", "value", "found", "largest p", "TPR", "FPR", "clean", "least p"]),
        table_line(["---"] * 8),
    ]
    for each in rows:
        same = (each["found"], each["stay_clean"]) == (usual["found"], usual["stay_clean"])
        lines.append(
            table_line(
                [
                    f"{'' if same else '* '}{each['field']}",
                    each["value"],
                    f"{each['found']} of {each['victims']}",
                    each["largest_p"],
                    f"{100 * float(each['tpr']):.1f}",
                    f"{100 * float(each['fpr']):.1f}",
                    f"{each['stay_clean']} of {each['clean']}",
                    each["least_p"],
                ]
            )
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("victims", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5, help="of the study; the first ones")
    options = parser.parse_args()
    folders = [path for path in options.victims.iterdir() if is_victim(path)]
    seeds = sorted({seed_of(path) for path in folders})[: options.seeds]
    device = torch.device("cpu")
    cases = [read_victim(path, device)[:2] for path in sorted(folders) if seed_of(path) in seeds]
    rows = read_rows(options.out / "summary.csv")
    done = {(each["field"], each["value"]) for each in rows}
    for name, detector in variants():
        value = "" if name == "none" else f"{getattr(detector, name):g}"
        if (name, value) in done:
            continue
        rows.append(row(name, detector, cases))
        publish_rows(options.out, rows, table)


if __name__ == "__main__":
    main()
