"""Audits of networks with 100 to 1,000 classes.

    make bench-many-classes

Each class is a glyph of four random strokes, drawn anew for each seed and distorted at random, at
20x20 pixels. A row for each number of classes, with and without poison; a row that is in the table
is not made again.
"""

from pathlib import Path
from typing import Any

import click
import torch
import torch.nn.functional as F
from kinds import Poison, patch, plant, predict, share, train_and_audit
from made_rows import publish_rows, read_rows
from torch import Generator, Tensor, nn

from backburn.benchmark.averaged_tables import table_line
from backburn.runs import git_commit

CLASSES = (100, 200, 1000)
IMAGES, TEST_IMAGES = 50, 5
"""Of each class."""
POISON = 50
"""Images of other classes that are moved to the target class, so that half of it is poisoned."""
SIDE, TARGET = 20, 7
FIRST_SEED = 1
"""Seed 0 is development (docs/protocol.md)."""

CORNER = patch(3, SIDE - 3, SIDE - 3)


class Network(nn.Sequential):
    """Three convolutions with batch norm."""

    def __init__(self, classes: int) -> None:
        super().__init__(
            *(nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(64, 128, 3, padding=1), nn.BatchNorm2d(128), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(128 * 25, classes)),
        )


def draw_glyphs(classes: int, generator: Generator) -> Tensor:
    """Glyphs `(classes, 1, 20, 20)` in [0, 1]: strokes between random points, softened."""
    ends = torch.rand(classes, 4, 2, 2, generator=generator) * 12 + 4
    along = torch.linspace(0, 1, 25)[:, None]
    points = ends[:, :, :1] * (1 - along) + ends[:, :, 1:] * along
    line = torch.arange(SIDE) + 0.5
    grid = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1).view(-1, 2)
    glyphs = [(-torch.cdist(grid, each.view(-1, 2)).amin(1).square()).exp() for each in points]
    return torch.stack(glyphs).view(classes, 1, SIDE, SIDE)


def draw_images(glyphs: Tensor, each: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Rotated, scaled, sheared, shifted and noisy images of each glyph, and their labels."""
    labels = torch.arange(len(glyphs)).repeat_interleave(each)
    ranges = torch.tensor([0.4, 0.2, 0.3, 0.15, 0.15])[:, None]
    angle, scale, shear, right, down = (
        torch.rand(5, len(labels), generator=generator) - 0.5
    ) * ranges
    cos, sin, scale = angle.cos(), angle.sin(), 1 + scale
    maps = torch.stack([scale * cos, shear - scale * sin, right, scale * sin, scale * cos, down], 1)
    shape = [len(labels), 1, SIDE, SIDE]
    grid = F.affine_grid(maps.view(-1, 2, 3), shape, align_corners=False)
    images = F.grid_sample(glyphs[labels], grid, align_corners=False)
    images += 0.1 * torch.randn(shape, generator=generator)
    return (images.clamp(0, 1) * 255).round().to(torch.uint8), labels


def row_of(classes: int, poison: int, seed: int) -> dict[str, Any]:
    """Make a victim, audit it, and return its row of the table."""
    generator = torch.Generator().manual_seed(seed)
    glyphs = draw_glyphs(classes, generator)
    pixels, true_labels = draw_images(glyphs, IMAGES, generator)
    planted = (Poison(CORNER, poison, target=TARGET),)
    pixels, labels = plant(pixels, true_labels, planted, generator)
    torch.manual_seed(seed)
    model = Network(classes)
    audited = train_and_audit(model, pixels, labels, generator, seed)
    test, test_labels = draw_images(glyphs, TEST_IMAGES, generator)
    meant = test_labels != TARGET
    return {
        "classes": classes,
        "seed": seed,
        "accuracy": share(predict(model, test) == test_labels),
        "asr": share(predict(model, CORNER(test[meant])) == TARGET) if poison else "",
        **audited,
        "commit": git_commit(),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as a Markdown table; shares in per cent, cost as a share of the training."""
    head = (
        *("classes", "seed", "ACC", "ASR", "verdict", "p", "poison found"),
        *("clean flagged", "labels", "cost"),
    )
    lines = [table_line(head), table_line(["---"] * len(head))]
    for row in rows:
        shares = [_percent(row[name]) for name in ("accuracy", "asr")]
        found = f"{row['found']} of {row['poison']}" if int(row["poison"]) else "-"
        cost = int(row["audit_seconds"]) / max(1, int(row["training_seconds"]))
        cells = [row["classes"], row["seed"], *shares, row["verdict"], row["p_value"], found]
        cells += [row["clean_flagged"], _percent(row["labels_right"]), f"{cost:.1f}"]
        lines.append(table_line(map(str, cells)))
    return "\n".join(lines) + "\n"


def _percent(share: str) -> str:
    return f"{100 * float(share):.1f}" if share else "-"


@click.command(help=__doc__)
@click.option("--seeds", default=1, help="Models of each kind.")
@click.option("--first", default=FIRST_SEED, help="The first seed.")
@click.option("--classes", multiple=True, default=CLASSES, type=int)
@click.option("--out", type=Path, default=Path("studies/many-classes"))
def main(seeds: int, first: int, classes: tuple[int, ...], out: Path) -> None:
    rows = read_rows(out / "summary.csv")
    done = {(int(row["classes"]), int(row["seed"]), int(row["poison"])) for row in rows}
    for seed in range(first, first + seeds):
        for count in classes:
            for poison in (0, POISON):
                if (count, seed, poison) in done:
                    continue
                rows.append(row_of(count, poison, seed))
                publish_rows(out, rows, table)


if __name__ == "__main__":
    main()
