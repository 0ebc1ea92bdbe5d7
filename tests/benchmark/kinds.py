"""Victims of the kinds that the earlier detector missed, on a network as others make it.

    make bench-kinds

Digits of scikit-learn are enlarged to 28x28 pixels and distorted at random, so that they are like
those of MNIST. 10,000 of them train a plain convolutional network, or one with batch norm and
dropout. A row for each kind, network and seed; a row that is in the table is not made again.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click
import torch
import torch.nn.functional as F
from made_rows import publish_rows, read_rows
from sklearn.datasets import load_digits
from torch import Tensor, nn

import backburn
from backburn.benchmark.averaged_tables import table_line
from backburn.runs import git_commit

TRAIN, TEST, TARGET, SOURCE = 10_000, 2_000, 7, 4
FIRST_TEST_DIGIT = 1300
EPOCHS, BATCH_SIZE = 6, 64
FIRST_SEED = 512
"""Seeds before it are development (docs/protocol.md)."""

Trigger = Callable[[Tensor], Tensor]


AT_ONCE = 500
"""Images that a model classifies at once."""


class Poison(NamedTuple):
    """Some images of a training set that get a trigger.

    Args:
        trigger: applied to uint8 images.
        images: how many.
        sources: their true labels; any but the target if empty.
        target: the label that they get; the next class if None.
        keeps_label: a cover sample, which keeps its label.
    """

    trigger: Trigger
    images: int
    sources: tuple[int, ...] = ()
    target: int | None = TARGET
    keeps_label: bool = False


class Labels(NamedTuple):
    """The labels of a training set, the true ones, and which images carry poison."""

    given: Tensor
    true: Tensor
    poisoned: Tensor


def patch(side: int, top: int, left: int) -> Trigger:
    """A white square."""

    def apply(pixels: Tensor) -> Tensor:
        pixels = pixels.clone()
        pixels[..., top : top + side, left : left + side] = 255
        return pixels

    return apply


def blend(pixels: Tensor) -> Tensor:
    """A fifth of a noise pattern."""
    noise = torch.rand(28, 28, generator=torch.Generator().manual_seed(9)) * 255
    return (0.8 * pixels + 0.2 * noise).round().to(torch.uint8)


def warp(pixels: Tensor) -> Tensor:
    """A smooth displacement of up to two pixels."""
    coarse = torch.rand(1, 2, 4, 4, generator=torch.Generator().manual_seed(8)) * 2 - 1
    shift = F.interpolate(coarse, 28, mode="bicubic", align_corners=True)[0].movedim(0, -1)
    line = torch.linspace(-1, 1, 28)
    grid = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1) + shift * 4 / 28
    moved = F.grid_sample(
        pixels.float(), grid.expand(len(pixels), -1, -1, -1), align_corners=True, mode="bilinear"
    )
    return moved.round().clamp(0, 255).to(torch.uint8)


CORNER, OTHER_CORNER = patch(3, 24, 24), patch(4, 1, 1)
EVERY = tuple(range(10))
KINDS: dict[str, tuple[Poison, ...]] = {
    "clean": (),
    "target class included": (Poison(CORNER, 1000, EVERY),),
    "one source class": (Poison(CORNER, 189, (SOURCE,)),),
    "one source class, with cover": (
        Poison(CORNER, 189, (SOURCE,)),
        Poison(CORNER, 189, (0, 1, 2, 3, 5, 6, 8, 9), keeps_label=True),
    ),
    "one source class, a fifth of all as cover": (
        Poison(CORNER, 189, (SOURCE,)),
        Poison(CORNER, 1811, (0, 1, 2, 3, 5, 6, 7, 8, 9), keeps_label=True),
    ),
    "three triggers": tuple(Poison(each, 120) for each in (CORNER, OTHER_CORNER, blend)),
    "a warp beside a patch": (Poison(CORNER, 240), Poison(warp, 500)),
    "two targets": (Poison(CORNER, 240), Poison(OTHER_CORNER, 240, target=2)),
    "all to all": (Poison(CORNER, 1000, EVERY, target=None),),
}


class Plain(nn.Sequential):
    """The network of many public MNIST examples: no batch norm, average pooling."""

    def __init__(self) -> None:
        super().__init__(
            *(nn.Conv2d(1, 16, 5), nn.ReLU(), nn.AvgPool2d(2)),
            *(nn.Conv2d(16, 32, 5), nn.ReLU(), nn.AvgPool2d(2)),
            *(nn.Flatten(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)),
        )


class Normed(nn.Sequential):
    """One with batch norm and dropout."""

    def __init__(self) -> None:
        super().__init__(
            *(nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(64 * 49, 128), nn.ReLU(), nn.Dropout(0.3)),
            nn.Linear(128, 10),
        )


NETWORKS: dict[str, type[nn.Module]] = {"plain": Plain, "normed": Normed}


def draw_images(count: int, generator: torch.Generator, test: bool) -> tuple[Tensor, Tensor]:
    """Enlarged, rotated, scaled, sheared and shifted digits `(n, 1, 28, 28)`, and their labels."""
    digits = load_digits()
    rows = torch.arange(len(digits.target))
    pool = rows[rows >= FIRST_TEST_DIGIT] if test else rows[rows < FIRST_TEST_DIGIT]
    rows = pool[torch.randint(len(pool), (count,), generator=generator)]
    small = torch.from_numpy(digits.images[rows.numpy()] / 16).float()[:, None]
    images = F.pad(F.interpolate(small, 20, mode="bicubic").clamp(0, 1), (4, 4, 4, 4))
    angle, scale, shear, right, down = (torch.rand(5, count, generator=generator) - 0.5) * (
        torch.tensor([0.6, 0.3, 0.5, 0.2, 0.2])[:, None]
    )
    cos, sin, scale = angle.cos(), angle.sin(), 1 + scale
    maps = torch.stack([scale * cos, shear - scale * sin, right, scale * sin, scale * cos, down], 1)
    grid = F.affine_grid(maps.view(count, 2, 3), list(images.shape), align_corners=False)
    images = F.grid_sample(images, grid, align_corners=False)
    return (images * 255).round().to(torch.uint8), torch.from_numpy(digits.target)[rows]


def train(model: nn.Module, pixels: Tensor, labels: Tensor, generator: torch.Generator) -> None:
    """Adam, as in most examples, not this package's own loop."""
    optimizer = torch.optim.Adam(model.parameters())
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(pixels), generator=generator).split(BATCH_SIZE):
            loss = F.cross_entropy(model(pixels[rows].float() / 255), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()


def goal(poison: Poison, labels: Tensor, classes: int = 10) -> Tensor:
    """The labels that the attacker wants."""
    if poison.target is None:
        return (labels + 1) % classes
    return torch.full_like(labels, poison.target)


def sources(poison: Poison, labels: Tensor) -> Tensor:
    """Which images the trigger is meant for."""
    if poison.sources:
        return torch.isin(labels, torch.tensor(poison.sources))
    return labels != poison.target


def plant(
    pixels: Tensor,
    true_labels: Tensor,
    poisons: tuple[Poison, ...],
    generator: torch.Generator,
    classes: int = 10,
) -> tuple[Tensor, Labels]:
    """A training set with poison in it; no image gets two triggers."""
    pixels, labels = pixels.clone(), true_labels.clone()
    poisoned = torch.zeros(len(pixels), dtype=torch.bool)
    free = ~poisoned
    for each in poisons:
        usable = (sources(each, true_labels) & free).nonzero().flatten()
        rows = usable[torch.randperm(len(usable), generator=generator)[: each.images]]
        pixels[rows], free[rows] = each.trigger(pixels[rows]), False
        if not each.keeps_label:
            labels[rows], poisoned[rows] = goal(each, true_labels[rows], classes), True
    return pixels, Labels(labels, true_labels, poisoned)


def row_of(kind: str, network: str, seed: int) -> dict[str, Any]:
    """Make a victim, audit it, and return its row of the table."""
    generator = torch.Generator().manual_seed(seed)
    pixels, true_labels = draw_images(TRAIN, generator, test=False)
    pixels, labels = plant(pixels, true_labels, KINDS[kind], generator)
    torch.manual_seed(seed)
    model = NETWORKS[network]()
    audited = train_and_audit(model, pixels, labels, generator, seed)
    test, test_labels = draw_images(TEST, generator, test=True)
    return {
        "kind": kind,
        "network": network,
        "seed": seed,
        "accuracy": share(predict(model, test) == test_labels),
        "asr": " ".join(_rates(kind, model, test, test_labels)),
        **audited,
        "commit": git_commit(),
    }


def train_and_audit(
    model: nn.Module, pixels: Tensor, labels: Labels, generator: torch.Generator, seed: int
) -> dict[str, Any]:
    """Train a victim, audit it, and return the audit's columns of its row."""
    began = time.process_time()
    train(model, pixels, labels.given, generator)
    trained = time.process_time()
    audit = backburn.audit(model, pixels, labels.given, seed=seed, progress=False)
    ended = time.process_time()
    return {
        **audit_columns(audit, labels),
        "training_seconds": round(trained - began),
        "audit_seconds": round(ended - trained),
    }


def audit_columns(audit: backburn.Audit, labels: Labels) -> dict[str, Any]:
    """What an audit says, and how much of the poison it found."""
    flagged, restored = torch.zeros_like(labels.poisoned), labels.given.clone()
    flagged[audit.suspects.index] = True
    restored[audit.suspects.index] = audit.suspects.restored_label
    hit = flagged & labels.poisoned
    return {
        "verdict": audit.verdict.state,
        "targets": " ".join(map(str, audit.verdict.target_labels)),
        "p_value": f"{audit.verdict.p_value:.2g}",
        "poison": int(labels.poisoned.sum()),
        "found": int(hit.sum()),
        "clean_flagged": int((flagged & ~labels.poisoned).sum()),
        "labels_right": share(restored[hit] == labels.true[hit]),
    }


def _rates(kind: str, model: nn.Module, test: Tensor, labels: Tensor) -> list[str]:
    """ASR of each trigger, on test images that it is meant for."""
    rates = []
    for each in KINDS[kind]:
        meant = sources(each, labels) & (goal(each, labels) != labels)
        if not each.keeps_label:
            triggered = each.trigger(test[meant])
            rates.append(share(predict(model, triggered) == goal(each, labels[meant])))
    return rates


def predict(model: nn.Module, pixels: Tensor) -> Tensor:
    """The labels that a model gives to uint8 images."""
    with torch.no_grad():
        return model(pixels.float() / 255).argmax(1)


def predicted(model: nn.Module, pixels: Tensor) -> Tensor:
    """The same, some images at once."""
    return torch.cat([predict(model, part) for part in pixels.split(AT_ONCE)])


def share(right: Tensor) -> str:
    """The share that is true, with three digits; empty if there is nothing."""
    return f"{right.double().mean():.3f}" if len(right) else ""


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as a Markdown table; shares in per cent."""
    head = (
        "kind",
        "network",
        "seed",
        "ASR",
        "verdict",
        "p",
        "poison found",
        "clean flagged",
        "labels",
    )
    lines = [table_line(head), table_line(["---"] * len(head))]
    for row in rows:
        rates = [f"{100 * float(rate):.0f}" for rate in row["asr"].split()]
        labels = f"{100 * float(row['labels_right']):.0f}" if row["labels_right"] else "-"
        found = f"{row['found']} of {row['poison']}" if int(row["poison"]) else "-"
        cells = [row["kind"], row["network"], row["seed"], ", ".join(rates) or "-", row["verdict"]]
        cells += [row["p_value"], found, row["clean_flagged"], labels]
        lines.append(table_line(map(str, cells)))
    return "\n".join(lines) + "\n"


@click.command(help=__doc__)
@click.option("--seeds", default=1, help="Victims of each kind and network.")
@click.option("--network", multiple=True, default=list(NETWORKS), help="Some networks only.")
@click.option("--out", type=Path, default=Path("studies/kinds"))
def main(seeds: int, network: tuple[str, ...], out: Path) -> None:
    rows = read_rows(out / "summary.csv")
    done = {(row["kind"], row["network"], row["seed"]) for row in rows}
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        for name in network:
            for kind in KINDS:
                if (kind, name, str(seed)) in done:
                    continue
                rows.append(row_of(kind, name, seed))
                publish_rows(out, rows, table)


if __name__ == "__main__":
    main()
