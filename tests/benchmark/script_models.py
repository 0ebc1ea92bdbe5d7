"""Models of ordinary PyTorch scripts, attacked and clean, and what an audit says of each.

    make bench-scripts

Data, triggers, networks and training loop are written as strangers write them: nothing of
backburn's but its reader and its audit. A row for each case and seed; a row that is in the table is
not made again. studies/scripts/README.md has the protocol.
"""

import time
from pathlib import Path
from typing import Any, NamedTuple

import click
import torch
from kinds import Labels, Poison, audit_columns, goal, plant, predicted, share
from made_rows import publish_rows, read_rows
from script_case import Case
from script_cases import CASES
from script_images import class_sizes, drawn, grouped, mislabeled, read, with_copies
from script_networks import NETWORKS
from script_table import table
from script_training import MEAN, STD, Normalize, train
from torch import Generator, Tensor, nn

import backburn
from backburn.runs import git_commit
from backburn.types import LabeledImages

REPLACED = {("digits, CNN", 101): 103, ("digits, three triggers", 101): 103}
"""Seeds of cases that changed the detector, and those that replace them (docs/protocol.md)."""
LEAST_ASR, LEAST_GAIN = 0.5, 0.3
"""A target counts if a trigger of its own has this ASR, and so much more than no trigger."""


class Made(NamedTuple):
    """Training images with their labels, and test images."""

    pixels: Tensor
    labels: Labels
    test: LabeledImages
    classes: int


def make_images(case: Case, data: Path, generator: Generator) -> Made:
    """Draw the images of a case, with poison and oddities."""
    pool, test = (grouped(images, case.classes) for images in read(case.data, data))
    sizes = class_sizes(case.images, pool.class_count, case.imbalance)
    images = drawn(pool, sizes, generator)
    if case.copies:
        images = with_copies(images, generator)
    classes = pool.class_count
    pixels, labels = plant(images.pixels, images.labels, case.planted, generator, classes)
    given = mislabeled(labels.given, ~labels.poisoned, case.noise, classes, generator)
    return Made(pixels, labels._replace(given=given), test, classes)


def is_aimed_at(poison: Poison, labels: Tensor, classes: int) -> Tensor:
    """Test images whose label a trigger is to change: of its sources, or of all other classes."""
    others = goal(poison, labels, classes) != labels
    if not poison.sources or poison.sources == (poison.target,):
        return others
    return others & torch.isin(labels, torch.tensor(poison.sources))


def success_rates(model: nn.Module, case: Case, test: LabeledImages, classes: int) -> list[Tensor]:
    """For each of `case.aims`, which images reach the goal, with and without the trigger.

    Returns:
        Tensors of bool `(2, images)`.
    """
    rates = []
    for each in case.aims:
        aimed = is_aimed_at(each, test.labels, classes)
        pixels, wanted = test.pixels[aimed], goal(each, test.labels[aimed], classes)
        both = [predicted(model, each.trigger(pixels)), predicted(model, pixels)]
        rates.append(torch.stack(both) == wanted)
    return rates


def working_targets(case: Case, rates: list[Tensor], classes: int) -> set[int]:
    """The targets of a victim that counts; empty if it does not count, and for clean models."""
    worked: dict[int | None, bool] = {}
    for each, rate in zip(case.aims, rates, strict=True):
        if not each.keeps_label:
            triggered, plain = rate.double().mean(1).tolist()
            works = triggered >= LEAST_ASR and triggered - plain >= LEAST_GAIN
            worked[each.target] = worked.get(each.target, False) or works
    if not all(worked.values()):
        return set()
    return set(range(classes)) if None in worked else {t for t in worked if t is not None}


def is_right(verdict: backburn.Verdict, targets: set[int]) -> str:
    """`yes` or `no` for a victim that counts; empty without targets."""
    if not targets:
        return ""
    right = verdict.state == "backdoored" and set(verdict.target_labels) == targets
    return "yes" if right else "no"


def row_of(case: Case, seed: int, data: Path) -> dict[str, Any]:
    """Train the model of a case, audit it, and return its row of the table."""
    generator = Generator().manual_seed(seed)
    pixels, labels, test, classes = make_images(case, data, generator)
    torch.manual_seed(seed)
    network = NETWORKS[case.network](pixels.shape[1], classes, pixels.shape[3])
    model = nn.Sequential(Normalize(), network) if case.normalized else network
    began = time.process_time()
    train(model, case, pixels, labels.given, generator)
    trained = time.process_time()
    scale = {"mean": MEAN, "std": STD} if case.normalized else {}
    audit = backburn.audit(network, pixels, labels.given, seed=seed, progress=False, **scale)
    ended = time.process_time()
    rates = success_rates(model, case, test, classes)
    return {
        "case": case.name,
        "data": case.data,
        "network": case.network,
        "seed": seed,
        "images": len(pixels),
        "attacked": "yes" if case.attacked else "no",
        "training_accuracy": share(predicted(model, pixels) == labels.given),
        "accuracy": share(predicted(model, test.pixels) == test.labels),
        "asr": " ".join(share(rate[0]) for rate in rates),
        "asr_without_trigger": " ".join(share(rate[1]) for rate in rates),
        **audit_columns(audit, labels),
        "right": is_right(audit.verdict, working_targets(case, rates, classes)),
        "training_seconds": round(trained - began),
        "audit_seconds": round(ended - trained),
        "commit": git_commit(),
    }


@click.command(help=__doc__)
@click.option("--data", type=Path, default=Path("data"), help="Folder of the data sets.")
@click.option("--out", type=Path, default=Path("studies/scripts"))
@click.option("--seeds", default=1, help="Models of each case.")
@click.option("--first", default=101, help="First seed; those below 100 are development.")
@click.option("--only", default="", help="Only cases whose name begins so.")
def main(data: Path, out: Path, seeds: int, first: int, only: str) -> None:
    torch.set_num_threads(1)
    rows = read_rows(out / "summary.csv")
    done = {(row["case"], row["seed"]) for row in rows}
    for number in range(first, first + seeds):
        for case in CASES:
            seed = REPLACED.get((case.name, number), number)
            if (case.name, str(seed)) in done or not case.name.startswith(only):
                continue
            rows.append(row_of(case, seed, data))
            publish_rows(out, rows, table)


if __name__ == "__main__":
    main()
