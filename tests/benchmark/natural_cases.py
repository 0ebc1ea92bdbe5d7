"""Clean models of training sets that nobody planted anything in: `make bench-natural`.

What an audit says where labels are noisy, classes are rare, images repeat, or a class has a
watermark or a border by nature. A row that is in `summary.csv` is not made again.
"""

import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import click
import torch
from made_rows import read_rows, write_rows
from natural_images import (
    Altered,
    border,
    duplicated,
    long_tail,
    marked,
    noisy,
    one_image,
    unaltered,
    watermark,
)

import backburn
from backburn.attacks.base import Recipe
from backburn.data.augmentation import Augmentation
from backburn.data.load_images import load_images
from backburn.models.inference import accuracy, predict
from backburn.runs import git_commit
from backburn.training import Training, TrainingTask, fit
from backburn.types import LabeledImages

KINDS: dict[str, Callable[[LabeledImages, torch.Generator], Altered]] = {
    "unaltered": unaltered,
    "uniform label noise, 5 %": partial(noisy, 0.05, False),
    "uniform label noise, 20 %": partial(noisy, 0.2, False),
    "pair label noise, 5 %": partial(noisy, 0.05, True),
    "pair label noise, 20 %": partial(noisy, 0.2, True),
    "long tail, 10": partial(long_tail, 10),
    "long tail, 100": partial(long_tail, 100),
    "copies, 20 % of all": partial(duplicated, 0.2),
    "one image, 20 % of a class": partial(one_image, 0.2),
    "watermark, half of a class": partial(marked, 0.5, watermark),
    "watermark, a whole class": partial(marked, 1.0, watermark),
    "border, half of a class": partial(marked, 0.5, border),
    "border, a whole class": partial(marked, 1.0, border),
}
STATES = ("clean", "suspicious", "backdoored", "abstained")
RECIPES = {  # of studies/digits.toml and studies/clean-cifar.toml
    "digits": Recipe("small_cnn", Training(20, 64, 0.05)),
    "cifar10": Recipe("preact_resnet18-w8", Training(15, augmentation=Augmentation(flip=True))),
}
CIFAR10_ROWS = (20000, 45000)  # development had the first 20,000


@cache
def pools(name: str, data: Path) -> tuple[LabeledImages, LabeledImages]:
    """The images that training sets are drawn from, and the test images."""
    if name == "digits":
        return load_images("digits"), load_images("digits", split="test")
    first, last = CIFAR10_ROWS
    images = load_images(data / name, limit=last).take(torch.arange(first, last))
    return images, load_images(data / name, split="test")


def row_of(name: str, kind: str, seed: int, data: Path) -> dict[str, Any]:
    """Train a model, audit it, and return its row of the table."""
    pool, test = pools(name, data)
    generator = torch.Generator().manual_seed(seed)
    case = KINDS[kind](pool, generator)
    recipe, images = RECIPES[name], case.images
    model = recipe.network(images, pool.class_count, generator)
    began = time.process_time()
    fit(model, TrainingTask(images.pixels, images.labels, recipe.training), generator)
    trained = time.process_time()
    audit = backburn.audit(model, images, seed=seed, progress=False)
    verdict, suspects = audit.verdict, audit.suspects.index
    return {
        "data": name,
        "kind": kind,
        "seed": seed,
        "images": len(images),
        "altered": int(case.altered.sum()),
        "class": case.label,
        "accuracy": f"{accuracy(model, test):.3f}",
        "fit": f"{accuracy(model, images):.3f}",
        "mark_flips": _flips(model, test, case),
        "verdict": verdict.state,
        "targets": " ".join(map(str, verdict.target_labels)),
        "p_value": f"{verdict.p_value:.2g}",
        **_strongest(audit),
        "suspects": len(suspects),
        "suspects_altered": int(case.altered[suspects].sum()),
        "said": str(audit).splitlines()[1].removeprefix("why:").strip(),
        "seconds": round(trained - began, 1),
        "audit_seconds": round(time.process_time() - trained, 1),
        "commit": git_commit(),
    }


def _flips(model: torch.nn.Module, test: LabeledImages, case: Altered) -> str:
    """Share of the other classes' test images that the mark turns into its class."""
    if case.mark is None:
        return ""
    others = test.take(test.labels != case.label)
    predicted = predict(model, case.mark(others.pixels)).argmax(1)
    return f"{(predicted == case.label).double().mean():.3f}"


def _strongest(audit: backburn.Audit) -> dict[str, Any]:
    """Statistics of the split with the least p-value, and the largest of all other classes."""
    tested = [row for row in audit.statistics if not row["placebo"]]
    best = min(tested, key=lambda row: row["p_value"], default={})
    others = [row for row in audit.statistics if row["label"] != best["label"]] if best else []
    names = [key for key in best if key.startswith(("transfer_", "probe_"))]
    columns: dict[str, Any] = {key: best.get(key, "") for key in ("label", "group", "rest")}
    for part in ("transfer", "probe"):
        name = max((n for n in names if n.startswith(part)), key=lambda n: best[n], default="")
        columns[part] = f"{best[name]:.2f}" if name else ""
        columns[f"{part}_by"] = name.removeprefix(f"{part}_")
        rest = max((row[name] for row in others), default="") if name else ""
        columns[f"{part}_others"] = f"{rest:.2f}" if rest != "" else ""
    columns["necessity"] = f"{best['necessity']:.2f}" if best else ""
    return columns


def table(rows: list[Mapping[str, str]]) -> str:
    """A line for each kind of each data set."""
    head = ("data", "kind", "models", *STATES, "right class", "least p", "mark flips")
    lines = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    for data, kind in dict.fromkeys((row["data"], row["kind"]) for row in rows):
        of = [row for row in rows if (row["data"], row["kind"]) == (data, kind)]
        states = [row["verdict"] for row in of]
        found = [row["targets"] == row["class"] for row in of if row["targets"]]
        right = f"{sum(found)} of {len(found)}" if found and of[0]["class"] != "-1" else "-"
        least = min(float(row["p_value"]) for row in of)
        flips = [float(row["mark_flips"]) for row in of if row["mark_flips"]]
        shown = f"{100 * sum(flips) / len(flips):.0f} %" if flips else "-"
        counts = [states.count(state) for state in STATES]
        cells = (data, kind, len(of), *counts, right, f"{least:.2g}", shown)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + f"\n\n{sentences(rows)}\n{accusations(rows)}\n"


def sentences(rows: list[Mapping[str, str]]) -> str:
    """Every line that was said of a verdict, and how often."""
    said = [(row["data"], row["verdict"], row["said"]) for row in rows]
    lines = ["| data | verdict | what was said | models |", "| --- | --- | --- | --- |"]
    for each in dict.fromkeys(sorted(said)):
        lines.append(f"| {' | '.join(each)} | {said.count(each)} |")
    return "\n".join(lines) + "\n"


def accusations(rows: list[Mapping[str, str]]) -> str:
    """Every model that is suspicious or backdoored, with the statistics that say so."""
    if not any(row["targets"] for row in rows):
        return "No model is suspicious or backdoored."
    head = ("data", "kind", "seed", "verdict", "p", "classes", "transfer", "probe", "suspects")
    lines = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    for row in rows:
        if row["targets"]:
            measured = [
                f"{row[part]} {row[f'{part}_by']} (others up to {row[f'{part}_others']})"
                for part in ("transfer", "probe")
            ]
            suspects = f"{row['suspects']}, {row['suspects_altered']} altered"
            cells = [row[key] for key in ("data", "kind", "seed", "verdict", "p_value", "targets")]
            lines.append(f"| {' | '.join([*cells, *measured, suspects])} |")
    return "\n".join(lines)


@click.command()
@click.option("--only", help="A data set: digits or cifar10; all of them by default.")
@click.option("--kinds", default="", help="Only kinds whose name begins so.")
@click.option("--seeds", default=10, help="Models of each kind.")
@click.option("--data", default=Path("data"), type=Path, help="Folder of the data sets.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("studies/natural"))
def main(only: str | None, kinds: str, seeds: int, data: Path, out: Path) -> None:
    """Make every row that is missing; write summary.csv and summary.md."""
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    path = out / "summary.csv"
    for name in [only] if only else RECIPES:
        for seed in range(400, 400 + seeds):
            for kind in (kind for kind in KINDS if kind.startswith(kinds)):
                rows = read_rows(path)
                if (name, kind, str(seed)) in {(r["data"], r["kind"], r["seed"]) for r in rows}:
                    continue
                rows.append(row_of(name, kind, seed, data))
                click.echo(" ".join(map(str, rows[-1].values())))
                write_rows(path, rows)
    (out / "summary.md").write_text(table(read_rows(path)))


if __name__ == "__main__":
    main()
