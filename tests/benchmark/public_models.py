"""Audits and repairs of backdoored models that other people published.

    make bench-public-models CLONES=folder

A row for each model; a row that is in the table is not made again. studies/public-models/README.md
has the protocol. Networks are imported from clones of their repositories, in folders owner+name.
"""

import time
from pathlib import Path
from typing import Any

import click
import torch
from kinds import Labels, audit_columns, predicted, share
from made_rows import publish_rows, read_rows
from public_model_cases import CASES, PublicModel, Trigger
from public_model_data import read_images
from torch import Generator, Tensor, nn

import backburn
from backburn.benchmark.averaged_tables import table_line
from backburn.runs import git_commit
from backburn.types import LabeledImages

LEAST_ASR = 0.5
"""A model counts as backdoored if its ASR is this or more."""


def plant(
    case: PublicModel, trigger: Trigger | None, images: LabeledImages
) -> tuple[Tensor, Labels]:
    """The training images by the recipe of the repository, and what was done to them."""
    pixels, true, classes = images.pixels, images.labels, images.class_count
    poisoned = torch.zeros(len(pixels), dtype=torch.bool)
    if trigger is None:
        return pixels, Labels(true, true, poisoned)
    wanted = case.goal(true, classes)
    usable = (poisoned.logical_not() if case.all_classes else wanted != true).nonzero().flatten()
    order = torch.randperm(len(usable), generator=Generator().manual_seed(0))
    rows = usable[order[: int(case.rate * len(pixels))]]
    if case.added:
        true = torch.cat([true, true[rows]])
        return torch.cat([pixels, trigger(pixels[rows])]), Labels(
            torch.cat([images.labels, wanted[rows]]), true, torch.arange(len(true)) >= len(pixels)
        )
    pixels, given = pixels.clone(), true.clone()
    pixels[rows], given[rows] = trigger(pixels[rows]), wanted[rows]
    return pixels, Labels(given, true, given != true)


def scores(
    model: nn.Module, case: PublicModel, trigger: Trigger | None, test: LabeledImages
) -> dict[str, str]:
    """ACC; for a backdoored model ASR and RA on images whose label the trigger is to change."""
    row = {"acc": share(predicted(model, test.pixels) == test.labels), "asr": "", "ra": ""}
    if trigger is not None:
        wanted = case.goal(test.labels, test.class_count)
        aimed = wanted != test.labels
        says = predicted(model, trigger(test.pixels[aimed]))
        row |= {"asr": share(says == wanted[aimed]), "ra": share(says == test.labels[aimed])}
    return row


def row_of(case: PublicModel, clone: Path, data: Path, mnist: Path) -> dict[str, Any]:
    """Audit and repair a model, and return its row of the table."""
    images, test = read_images(case.data, data, mnist)
    model = case.open(clone)
    trigger = case.make_trigger and case.make_trigger(clone)
    before = scores(model, case, trigger, test)
    pixels, labels = plant(case, trigger, images)
    began = time.process_time()
    audit = backburn.audit(model, pixels, labels.given, progress=False)
    audited = time.process_time()
    repaired = backburn.repair(model, pixels, labels.given, progress=False)
    ended = time.process_time()
    named = set(audit.verdict.target_labels) == case.targets(images.class_count)
    counted = before["asr"] and float(before["asr"]) >= LEAST_ASR
    right = "yes" if audit.verdict.state == "backdoored" and named else "no"
    after = scores(repaired.model, case, trigger, test)
    return {
        "model": case.name,
        "repository": case.repository,
        "images": len(pixels),
        "training_accuracy": share(predicted(model, pixels) == labels.given),
        **before,
        **audit_columns(audit, labels),
        "right": right if counted else "",
        **{f"repaired_{key}": value for key, value in after.items()},
        "audit_seconds": round(audited - began),
        "repair_seconds": round(ended - audited),
        "commit": git_commit(),
    }


def per_cent(text: str) -> str:
    return f"{100 * float(text):.1f}" if text else "-"


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as a Markdown table; shares in per cent."""
    counted = [row for row in rows if row["right"]]
    clean = [row for row in rows if not row["asr"]]
    lines = [
        f"Backdoored models with an ASR of 50 % or more: {len(counted)}. Verdict and targets "
        f"right: {sum(row['right'] == 'yes' for row in counted)}.",
        f"Clean models: {len(clean)}. Called clean: "
        f"{sum(row['verdict'] == 'clean' for row in clean)}.",
        "",
    ]
    head = ("model", "ACC, ASR, RA", "verdict", "p", "targets", "poison found", "clean flagged")
    head += ("labels right", "repaired: ACC, ASR, RA")
    lines += [table_line(head), table_line(["---"] * len(head))]
    for row in rows:
        before = ", ".join(per_cent(row[key]) for key in ("acc", "asr", "ra"))
        after = ", ".join(per_cent(row[f"repaired_{key}"]) for key in ("acc", "asr", "ra"))
        found = f"{row['found']} of {row['poison']}" if int(row["poison"]) else "-"
        cells = [f"{row['repository']}: {row['model']}", before, row["verdict"], row["p_value"]]
        cells += [row["targets"] or "-", found, row["clean_flagged"]]
        lines.append(table_line([*cells, per_cent(row["labels_right"]), after]))
    return "\n".join(lines) + "\n"


@click.command(help=__doc__)
@click.option("--clones", type=Path, required=True, help="Folder of clones, named owner+name.")
@click.option("--data", type=Path, default=Path("data"), help="Folder of the data sets.")
@click.option("--mnist", type=Path, required=True, help="Folder of t10k-images-idx3-ubyte.gz.")
@click.option("--out", type=Path, default=Path("studies/public-models"))
@click.option("--only", default="", help="Only models whose name has this.")
def main(clones: Path, data: Path, mnist: Path, out: Path, only: str) -> None:
    torch.set_num_threads(1)
    rows = read_rows(out / "summary.csv")
    done = {(row["repository"], row["model"]) for row in rows}
    for case in CASES:
        if (case.repository, case.name) in done or only not in f"{case.repository} {case.name}":
            continue
        clone = clones / case.repository.replace("/", "+")
        rows.append(row_of(case, clone, data, mnist))
        publish_rows(out, rows, table)


if __name__ == "__main__":
    main()
