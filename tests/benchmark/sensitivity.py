"""What halving and doubling each number of the detector changes, on victims that a study has made.

    python tests/benchmark/sensitivity.py runs/study-digits/victims --out studies/sensitivity

A row for each number and factor: victims whose verdict and targets are right, their mean TPR and
FPR, clean models that stay clean, and the smallest p-value of a clean model. Rows that are in the
table are kept.
"""

import argparse
from pathlib import Path

import torch
from made_rows import read_rows, write_rows

from backburn.attacks.victim_folder import is_victim, read_victim
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


def row(name: str, detector: PoisonDetector, cases: list[tuple[Case, Truth]]) -> dict[str, object]:
    """One line of the table."""
    right, tpr, fpr, clean, least = 0, [], [], 0, [1.0]
    for case, truth in cases:
        result = detector.analyze(
            case, torch.Generator().manual_seed(0), retrain=False, every_suspect=False
        )
        convicted = result.verdict.convicted
        if bool(truth.poison.any()):
            right += convicted == (TARGET,)
            scores = score_detection(result.evidence, None, truth)
            tpr.append(scores.tpr)
            fpr.append(scores.fpr)
        else:
            clean += result.verdict.state == "clean"
            least.append(result.verdict.p_value)
    poisoned = len(tpr)
    return {
        "field": name,
        "value": "" if name == "none" else f"{getattr(detector, name):g}",
        "victims": poisoned,
        "found": right,
        "tpr": f"{sum(tpr) / max(1, poisoned):.4f}",
        "fpr": f"{sum(fpr) / max(1, poisoned):.4f}",
        "clean": len(cases) - poisoned,
        "stay_clean": clean,
        "least_p": f"{min(least):.2g}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("victims", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    folders = sorted(path for path in options.victims.iterdir() if is_victim(path))
    device = torch.device("cpu")
    cases = [read_victim(path, device)[:2] for path in folders]
    table = options.out / "summary.csv"
    rows = read_rows(table)
    done = {(each["field"], each["value"]) for each in rows}
    for name, detector in variants():
        value = "" if name == "none" else f"{getattr(detector, name):g}"
        if (name, value) in done:
            continue
        rows.append(row(name, detector, cases))
        write_rows(table, rows)


if __name__ == "__main__":
    main()
