"""What an audit takes beside one epoch of training the same model: `make bench-audit`."""

import copy
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import click
import torch
from victims import STUDIES, opened

from backburn.benchmark.study_file import load_study
from backburn.burn.burn import BURN
from backburn.config import configure
from backburn.runs import git_commit
from backburn.training import TrainingTask, fit
from backburn.types import Case, LabeledImages

MODES = {
    "certified": ("detector.budget=fast",),
    "default": ("detector.budget=default",),
}


def repeated(case: Case, count: int) -> Case:
    """A case with so many images: rows in turn, each copy shifted by one level of brightness.

    Copies are not equal, but alike, so that the work is that of a larger set.
    """
    rows = torch.arange(count) % len(case.images)
    pixels = case.images.pixels[rows]
    shift = (torch.arange(count) // len(case.images)).to(torch.uint8)[:, None, None, None]
    pixels = torch.where(pixels > 250, pixels, pixels + shift)
    return Case(case.model, LabeledImages(pixels, case.images.labels[rows]))


def audit(case: Case, mode: str) -> dict[str, object]:
    """Seconds, verdict, suspects and how many distances are certified."""
    began = time.perf_counter()
    found = configure(BURN(), None, MODES[mode]).audit(case, torch.Generator().manual_seed(0))
    seconds = time.perf_counter() - began
    certified = found.boundary.certified
    assert certified is not None
    return {
        "seconds": round(seconds, 1),
        "verdict": found.verdict.state,
        "target_labels": found.verdict.target_labels,
        "suspects": found.suspects.index.tolist(),
        "certified": float(certified.float().mean()),
        "found": float(found.boundary.found.float().mean()),
        "peak_mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def epoch_seconds(study: Path, case: Case) -> float:
    """One epoch of training a copy of the model as its victim was trained."""
    training = replace(load_study(study).recipe.training, epochs=1)
    model, generator = copy.deepcopy(case.model), torch.Generator().manual_seed(0)
    began = time.perf_counter()
    fit(model, TrainingTask(case.images.pixels, case.images.labels, training), generator)
    return time.perf_counter() - began


@click.command()
@click.option("--victims", required=True, type=Path, help="Where the victims are, or will be.")
@click.option("--data", default=Path("data"), type=Path, help="Folder of the data sets.")
@click.option("--victim", default="preact_resnet18", show_default=True)
@click.option("--images", default=5000, show_default=True, help="Images audited.")
@click.option("--threads", default=2, show_default=True)
@click.option("--modes", default=",".join(MODES), show_default=True, help="What to run.")
@click.option("--only", default="", help="One mode, in this process, as JSON.")
def main(
    victims: Path,
    data: Path,
    victim: str,
    images: int,
    threads: int,
    modes: str,
    only: str,
) -> None:
    """Time an epoch, an audit of each mode, and an epoch again."""
    torch.set_num_threads(threads)
    case, _ = opened(victim, data, victims)
    case = repeated(case, images)
    if only:
        click.echo(json.dumps(audit(case, only)))
        return
    study = STUDIES / f"{victim}.toml"
    epochs = [epoch_seconds(study, case)]
    rows = {mode: _apart(victims, victim, images, threads, mode) for mode in modes.split(",")}
    epochs.append(epoch_seconds(study, case))
    epoch, suspects = sum(epochs) / 2, next(iter(rows.values()))["suspects"]
    click.echo(f"{victim}, {images} images, commit {git_commit()}: an epoch takes {epoch:.1f} s")
    for mode, row in rows.items():
        same = "the same" if row["suspects"] == suspects else "others"
        click.echo(
            f"{mode}: {row['seconds'] / epoch:.2f} epochs, {row['verdict']} "
            f"{row['target_labels']}, {len(row['suspects'])} suspects ({same}), "
            f"{row['certified']:.1%} certified, peak {row['peak_mebibytes']} MiB"
        )


def _apart(victims: Path, victim: str, images: int, threads: int, mode: str) -> dict:
    """An audit in a process of its own, so that its peak of memory is its own."""
    command = [sys.executable, __file__, "--victims", str(victims), "--victim", victim]
    command += ["--images", str(images), "--threads", str(threads), "--only", mode]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
