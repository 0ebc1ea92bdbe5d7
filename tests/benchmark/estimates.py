"""The time that a command says it will take, beside what it takes: `make bench-estimates`.

Three victims are made: digits, CIFAR-10 at width 8, Imagenette at 128 pixels. Each is audited and
repaired, and `estimates.csv` and `estimates.md` of --out get a row each. Times are those of the
processor, also in the estimate, so that other work on the machine does not count. `whole` has the
pictures of the report, too, which are drawn after the verdict is told, and are not estimated.
"""

import csv
import subprocess
import sys
import time
from pathlib import Path

import click
import torch

from backburn.burn.burn import BURN
from backburn.data.load_images import load_images
from backburn.data.writing import dump_parquet
from backburn.runs import Stopwatch, git_commit
from backburn.services.audit_repair import audit_case, repair_case
from backburn.services.case_options import CaseOptions
from backburn.services.open_case import open_case
from backburn.services.time_estimate import planned_steps, total_seconds
from backburn.services.write_run import write_with_pictures
from backburn.types import no_progress

CASES = {
    "digits, small_cnn": ("digits",),
    "CIFAR-10, 5,000 images, preact_resnet18-w8": (
        "{data}/cifar10",
        *("--limit", "5000", "--rate", "0.1", "--arch", "preact_resnet18-w8"),
    ),
    "Imagenette, 300 images of 128 pixels, small_cnn": (
        "{out}/imagenette",
        *("--rate", "0.1", "--arch", "small_cnn"),
    ),
}


def smaller(data: Path, out: Path) -> None:
    """Some images of Imagenette at 128 pixels."""
    for split, count in {"train": 300, "test": 100}.items():
        path = out / f"{split}.parquet"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            images = load_images(data, size=128, split=split).sample(count)
            path.write_bytes(dump_parquet(images))


def victim(number: int, words: tuple[str, ...], data: Path, out: Path) -> Path:
    """The folder of a victim, which is made where it is missing."""
    folder = out / f"victim-{number}"
    if not folder.exists():
        smaller(data / "imagenette", out / "imagenette")
        given = [word.format(data=data, out=out) for word in words]
        command = [sys.executable, "-m", "backburn", "attack", "badnets", *given, "--json"]
        subprocess.run([*command, "--out", str(folder)], check=True, stdout=subprocess.DEVNULL)
    return folder


def timed(name: str, command: str, folder: Path, run: Path) -> dict[str, object]:
    """A row of the table."""
    clock, burn = time.process_time, BURN()
    opened = open_case(
        CaseOptions(str(folder)), None, 0, torch.device("cpu"), no_progress, burn.fit
    )
    exam = opened.evaluation_set
    tested = len(exam.clean) + len(exam.triggered) if exam and command == "repair" else 0
    began = clock()
    steps = planned_steps(command, opened.case, tested, burn, clock)
    planned, known = clock(), (opened, {}, burn, 0, Stopwatch(), no_progress)
    outcome = audit_case(*known) if command == "audit" else repair_case(command, *known)
    told = clock()
    write_with_pictures(run, outcome, no_progress)
    seconds = total_seconds(steps, suspects=outcome.result.verdict.state == "backdoored")
    return {
        "case": name,
        "command": command,
        "verdict": outcome.result.verdict.state,
        "estimated": round(seconds, 1),
        "took": round(told - planned, 1),
        "ratio": round(seconds / (told - planned), 2),
        "estimating": round(planned - began, 1),
        "whole": round(clock() - began, 1),
        "images": len(opened.case.images),
        "threads": torch.get_num_threads(),
        "commit": git_commit(),
    }


def table(rows: list[dict[str, object]]) -> str:
    """The rows as Markdown."""
    head = ("case", "command", "verdict", "estimated", "took", "ratio", "estimating", "whole")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    lines += [f"| {' | '.join(str(row[name]) for name in head)} |" for row in rows]
    return "\n".join([*lines, ""])


@click.command()
@click.option("--data", default=Path("data"), type=Path, help="Folder of the data sets.")
@click.option("--work", default=Path("runs/estimates"), type=Path, help="Victims and runs.")
@click.option("--out", default=Path("studies/estimates"), type=Path, help="Folder of the tables.")
def main(data: Path, work: Path, out: Path) -> None:
    """Estimate and take the time of every case, an audit and a repair each."""
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    stamp, rows = time.strftime("%Y%m%d-%H%M%S"), list[dict[str, object]]()
    for number, (name, words) in enumerate(CASES.items()):
        folder = victim(number, words, data, work)
        for command in ("audit", "repair"):
            rows.append(timed(name, command, folder, work / f"{command}-{number}-{stamp}"))
            click.echo(rows[-1])
            with (out / "estimates.csv").open("w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
            (out / "estimates.md").write_text(table(rows))


if __name__ == "__main__":
    main()
