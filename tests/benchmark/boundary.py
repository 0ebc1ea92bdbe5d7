"""Every public minimum-norm engine and ours, side by side in one run: `make bench-boundary`.

All get the same folded, frozen, channels-last model. Figures are of verified distances inside the
box; the ratio is to the least distance that any engine of the run found for that image.
"""

import csv
import json
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
import torch
from cost import Cost, measured
from peers import distance, engines
from plot import draw_frontier
from sklearn.metrics import roc_auc_score
from table import markdown
from torch import Tensor, nn
from victims import STUDIES, opened

from backburn.boundary.budget import BUDGETS
from backburn.boundary.search_boundary import search_boundary
from backburn.models.fold_batch_norm import fold_batch_norm
from backburn.models.inference import as_images, predict
from backburn.runs import git_commit, package_versions

COLUMNS = (
    "engine", "norm", "budget", "victim", "found", "ratio_mean", "ratio_median", "ratio_p95",
    "passes", "units", "auroc", "median_distance", "forward", "backward", "milliseconds",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Subject:
    """A folded victim, the images it is asked about, and which of them are poison."""

    name: str
    model: nn.Module
    pixels: Tensor
    poison: Tensor


def subject(name: str, data: Path, victims: Path, count: int) -> Subject:
    """A victim, and a random sample of images it agrees on."""
    case, truth = opened(name, data, victims)
    agreed = (predict(case.model, case.images.pixels).argmax(1) == case.images.labels).nonzero()
    order = torch.randperm(len(agreed), generator=torch.Generator().manual_seed(0))[:count]
    chosen = agreed.flatten()[order]
    pixels = case.images.pixels[chosen]
    model = case.model.eval().requires_grad_(False)
    return Subject(
        name, fold_batch_norm(model, as_images(pixels[:8])), pixels, truth.poison[chosen]
    )


def run_all(subject: Subject, norm: str) -> dict[tuple[str, str], tuple[Tensor, Cost]]:
    """Distances and cost of every engine."""
    model, images = subject.model, as_images(subject.pixels)
    start = predict(model, subject.pixels).argmax(1)
    found: dict[tuple[str, str], tuple[Tensor, Cost]] = {}
    for budget in BUDGETS:
        # the peers are told the predictions, too
        search = partial(search_boundary, model, subject.pixels, norm=norm, predictions=start)
        result, cost = measured(model, images, partial(search, budget=budget))
        found["backburn", budget] = result.distance, cost
        click.echo(f"{subject.name} {norm} backburn {budget}: {cost.units:.1f} units")
    plain = images.contiguous()  # some peers project a copy, to no effect, where it is not
    for name, engine in engines(norm).items():
        perturbed, cost = measured(model, images, partial(engine, model, plain, start))
        found[name, ""] = distance(model, plain, perturbed, start, norm), cost
        click.echo(f"{subject.name} {norm} {name}: {cost.units:.1f} units")
    return found


def rows_of(
    subject: Subject, norm: str, found: dict[tuple[str, str], tuple[Tensor, Cost]]
) -> list[dict[str, str | float]]:
    """The table's rows; an uncertified estimate does not count as the best known."""
    certified = [d for (name, budget), (d, _) in found.items() if budget != "screen"]
    best = torch.stack(certified).amin(0)
    rows: list[dict[str, str | float]] = []
    for (name, budget), (distances, cost) in found.items():
        ratio = (distances / best)[distances.isfinite()]
        figures = {
            "found": distances.isfinite().float().mean(),
            "ratio_mean": ratio.mean(),
            "ratio_median": ratio.median(),
            "ratio_p95": ratio.quantile(0.95),
            "passes": cost.forward + cost.backward,
            "units": cost.units,
            "auroc": roc_auc_score(subject.poison, distances.clamp_max(1e3)),
            "median_distance": distances.median(),
            "forward": cost.forward,
            "backward": cost.backward,
            "milliseconds": cost.milliseconds,
        }
        labels = {"engine": name, "norm": norm, "budget": budget, "victim": subject.name}
        rows.append({**labels, **{key: round(float(v), 5) for key, v in figures.items()}})
    return rows


@click.command()
@click.option("--out", required=True, type=Path, help="Folder of the table and the plots.")
@click.option("--data", default=Path("data"), type=Path, help="Folder of the data sets.")
@click.option("--victims", required=True, type=Path, help="Where the victims are, or will be.")
@click.option("--images", default=256, show_default=True, help="Images of each victim.")
@click.option("--threads", default=1, show_default=True, help="Of every engine.")
def main(out: Path, data: Path, victims: Path, images: int, threads: int) -> None:
    """Measure every engine on every victim of studies/boundary."""
    warnings.filterwarnings("ignore")  # the peers'
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, str | float]] = []
    for study in sorted(STUDIES.glob("*.toml")):
        one = subject(study.stem, data, victims, images)
        for norm in ("2", "inf"):
            rows += rows_of(one, norm, run_all(one, norm))
            write(out, rows, {"images": images, "threads": threads})


def write(out: Path, rows: list[dict[str, str | float]], settings: dict[str, int]) -> None:
    """The table, the plots, and what made them."""
    with (out / "summary.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    (out / "summary.md").write_text(markdown(rows))
    made = {**settings, "commit": git_commit(), "versions": package_versions(), "seed": 0}
    (out / "record.json").write_text(json.dumps(made, indent=2) + "\n")
    draw_frontier(rows, out)


if __name__ == "__main__":
    main()
