"""What an attacker gains who trains the victim against each of the detector's tests.

    python tests/benchmark/adaptive.py [--out studies/adaptive] [--most VICTIMS]

Digits, with the training of studies/digits.toml and 5 % poison. A row for each victim: p-value and
ASR against the weight of one penalty, or of all three. Rows that are in the table are kept.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import click
import matplotlib as mpl
import torch
from made_rows import read_rows, write_rows

from backburn.attacks.adaptive import Adaptive
from backburn.attacks.base import make_evaluation_set
from backburn.data.sources.digits import digits
from backburn.detection.detector import PoisonDetector
from backburn.metrics import evaluate_model, score_detection
from backburn.runs import git_commit
from backburn.services.attack import default_recipe

mpl.use("agg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).parents[2]
SEEDS, PATTERNS = (900, 901, 902), ("patch", "blended")
WEIGHTS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
GOALS = {
    "separation": ("separation",),
    "transfer": ("transfer",),
    "probe": ("probe",),
    "all": ("separation", "transfer", "probe"),
}
NONE = {"separation": 0.0, "transfer": 0.0, "probe": 0.0}
RATE, TARGET = 0.05, 0
KEY = ("pattern", "goal", "weight", "seed")
WORKS = 0.5
"""ASR from which an attack is counted as working."""
LEAST_P = 1e-8
"""Smaller p-values are drawn here."""
COLORS = {"patch": "#0072B2", "blended": "#D55E00"}


def planned() -> Iterator[tuple[str, str, float, int]]:
    """Pattern, goal, weight and seed of every victim; without a penalty once a pattern and seed.

    Those of weight 1 come first, so that a study that is stopped has something of every goal.
    """
    for pattern in PATTERNS:
        for seed in SEEDS:
            yield pattern, "none", 0.0, seed
            points = [(goal, weight) for goal in GOALS for weight in WEIGHTS]
            for goal, weight in sorted(points, key=lambda point: point[1] != 1):
                yield pattern, goal, weight, seed


def measure(pattern: str, goal: str, weight: float, seed: int) -> dict[str, object]:
    """Train a victim, audit it, and return its row."""
    images, test = digits("train"), digits("test")
    weights = NONE | dict.fromkeys(GOALS.get(goal, ()), weight)
    attack = Adaptive(RATE, TARGET, pattern=pattern, **weights)
    generator = torch.Generator().manual_seed(seed)
    victim = attack.train_victim(images, default_recipe(images), generator)
    scores = evaluate_model(victim.model, make_evaluation_set(victim, test))
    result = PoisonDetector().analyze(victim.case(), generator, retrain=False, every_suspect=False)
    detection = score_detection(result.evidence, None, victim.truth)
    verdict = result.verdict
    (target,) = (each for each in verdict.classes if each.label == TARGET)
    return {
        "pattern": pattern,
        "goal": goal,
        "weight": f"{weight:g}",
        "seed": seed,
        "acc": f"{scores.acc:.4f}",
        "asr": f"{scores.asr:.4f}",
        "verdict": verdict.state,
        "targets": " ".join(map(str, verdict.convicted)),
        "p_value": f"{target.p_value:.3g}",
        "p_case": f"{verdict.p_value:.3g}",
        "transfer": f"{target.transfer:.3f}",
        "probe": f"{target.probe:.3f}",
        "tpr": f"{detection.tpr:.4f}",
        "fpr": f"{detection.fpr:.4f}",
        "commit": git_commit() or "",
    }


def of(
    rows: list[dict[str, str]], pattern: str, goal: str
) -> list[tuple[float, list[dict[str, str]]]]:
    """The rows of a curve by weight; its first point is the victim without a penalty."""
    own = [row for row in rows if row["pattern"] == pattern and row["goal"] in (goal, "none")]
    weights = sorted({float(row["weight"]) for row in own})
    return [(weight, [row for row in own if float(row["weight"]) == weight]) for weight in weights]


def table(rows: list[dict[str, str]]) -> str:
    """A line for each point of each curve: medians, and how many victims were found."""
    lines = [
        "| trigger | penalty | weight | victims | ACC | ASR | p | transfer | probe | TPR | FPR "
        "| found | works, not found |",
        "|" + " --- |" * 13,
    ]
    for pattern in PATTERNS:
        for goal in GOALS:
            for weight, point in of(rows, pattern, goal):
                if weight == 0 and goal != next(iter(GOALS)):
                    continue
                found = [is_found(row) for row in point]
                missed = sum(
                    float(row["asr"]) >= WORKS and not hit
                    for row, hit in zip(point, found, strict=True)
                )
                shown = [
                    f"{100 * middle(point, 'acc'):.1f}",
                    f"{100 * middle(point, 'asr'):.1f}",
                    f"{middle(point, 'p_value'):.2g}",
                    f"{middle(point, 'transfer'):.2f}",
                    f"{middle(point, 'probe'):.2f}",
                    f"{100 * middle(point, 'tpr'):.1f}",
                    f"{100 * middle(point, 'fpr'):.1f}",
                ]
                name = goal if weight else "none"
                lines.append(
                    f"| {pattern} | {name} | {weight:g} | {len(point)} | {' | '.join(shown)} | "
                    f"{sum(found)} of {len(point)} | {missed} |"
                )
    return "\n".join(lines) + "\n"


def is_found(row: dict[str, str]) -> bool:
    """Whether the verdict names the target class and no other."""
    return row["targets"] == str(TARGET)


def middle(rows: list[dict[str, str]], name: str) -> float:
    """The median of a column."""
    return median(float(row[name]) for row in rows)


def draw(rows: list[dict[str, str]], out: Path) -> None:
    """P-value and ASR against the weight, a column for each penalty; a point is a victim."""
    figure, grid = plt.subplots(2, len(GOALS), figsize=(14, 6.4), sharex=True, sharey="row")
    for column, goal in enumerate(GOALS):
        upper, lower = grid[0][column], grid[1][column]
        for pattern in PATTERNS:
            if not (curve := of(rows, pattern, goal)):
                continue
            for axes, name, floor in ((upper, "p_value", LEAST_P), (lower, "asr", 0.0)):
                for weight, point in curve:
                    values = [max(floor, float(row[name])) for row in point]
                    axes.plot([weight] * len(values), values, "o", color=COLORS[pattern], alpha=0.4)
                line = [max(floor, middle(point, name)) for _, point in curve]
                axes.plot([w for w, _ in curve], line, color=COLORS[pattern], label=pattern)
            line = [middle(point, "acc") for _, point in curve]
            lower.plot([w for w, _ in curve], line, ":", color=COLORS[pattern])
        upper.axhline(PoisonDetector().false_alarm, color="gray", linewidth=0.8)
        upper.set(yscale="log", ylim=(LEAST_P / 2, 2), title=f"penalty: {goal}")
        lower.set_xscale("symlog", linthresh=0.01, linscale=0.4)
        lower.set(xlabel="weight", ylim=(-0.03, 1.03), xticks=[0, *WEIGHTS])
        lower.set_xticklabels(["0", *(f"{weight:g}" for weight in WEIGHTS)])
        lower.minorticks_off()
        for axes in (upper, lower):
            axes.grid(alpha=0.25)
    grid[0][0].set_ylabel("p-value of the target class")
    grid[1][0].set_ylabel("ASR (line), ACC (dotted)")
    grid[0][0].legend(frameon=False, loc="lower right", title="trigger")
    commits = ", ".join(sorted({row["commit"] for row in rows}))
    seeds = ", ".join(sorted({row["seed"] for row in rows}))
    figure.text(
        0.01,
        0.01,
        f"Digits, small_cnn, 5 % poison, seeds {seeds}, commit {commits}. A point is a victim, a "
        f"line the median. p-values below {LEAST_P:g} are drawn there; the gray line is the level "
        "of the verdict.",
        fontsize=8,
    )
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    for suffix in ("png", "svg"):
        figure.savefig(out / f"curves.{suffix}", dpi=110)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "studies" / "adaptive")
    parser.add_argument("--most", type=int, help="train at most so many victims this time")
    options = parser.parse_args()
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    path = out / "summary.csv"
    rows = read_rows(path)
    done = {tuple(row[name] for name in KEY) for row in rows}
    missing = [
        (pattern, goal, weight, seed)
        for pattern, goal, weight, seed in planned()
        if (pattern, goal, f"{weight:g}", str(seed)) not in done
    ]
    for pattern, goal, weight, seed in missing[: options.most]:
        row = {name: str(value) for name, value in measure(pattern, goal, weight, seed).items()}
        rows.append(row)
        click.echo(" ".join(row.values()))
        write_rows(path, rows)
    (out / "summary.md").write_text(table(rows))
    draw(rows, out)


if __name__ == "__main__":
    main()
