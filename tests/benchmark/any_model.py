"""The whole chain on other people's networks at 224 pixels: `make bench-any-model`.

Ten Imagenette classes of 150 images each are poisoned (Trojan's watermark, 10 %: what small
networks learn from so few images) and written as a tree, a CSV and parquet.
Two timm ViTs, a torchvision ResNet-18 and MobileNet and a Hugging Face ResNet are pretrained on
2,400 clean images at 96 pixels (the hybrid ViT on 8,400; some of the poisoned ones are among them,
as Imagenette is part of what people's weights are pretrained on), trained on the poisoned ones, and
written as their users have them. Then the commands are run: an audit of each form of the images
(the suspects must be the same), and a repair, which is judged. What lies in --out is not done
again; `networks.csv` and `networks.md` there are the result.
"""

import csv
import importlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))
COMMAND = importlib.import_module("torchvision_schemas").COMMAND

from strangers import CLASSES, STRANGERS, Stranger, some

from backburn.attacks.base import make_evaluation_set
from backburn.attacks.surrogates import Surrogates
from backburn.attacks.trojan import Trojan
from backburn.data.load_images import load_images
from backburn.data.writing import dump_folder, dump_parquet
from backburn.metrics import evaluate_model
from backburn.models.inference import accuracy
from backburn.results import Scores
from backburn.runs import git_commit
from backburn.types import EvaluationSet, LabeledImages, State, Victim

EACH = 150
"""Images of each class that are poisoned, the first ones."""
SCORES = ("acc", "asr", "ra")


def written(images: LabeledImages, out: Path) -> dict[str, Path]:
    """The images as a tree, a CSV beside it, and a parquet file, all in the same order."""
    for name, content in dump_folder(images, "tree").items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(content)
    files = sorted((out / "tree").rglob("*.png"))
    with (out / "images.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label"])
        table.writerows([path.relative_to(out), path.parent.name] for path in files)
    (out / "images.parquet").write_bytes(dump_parquet(images))
    return {name: out / name for name in ("tree", "images.csv", "images.parquet")}


@dataclass(frozen=True)
class Study:
    """What every network is tried on."""

    train: LabeledImages
    victim: Victim
    exam: EvaluationSet
    forms: dict[str, Path]


def prepared(data: Path, out: Path) -> Study:
    """The images, poisoned and written in every form."""
    attack = Trojan(poisoning_rate=0.1, kind="watermark")
    train, test = (load_images(data / "imagenette", split=split) for split in ("train", "test"))
    planted = attack.poison(some(train, 0, EACH), torch.Generator().manual_seed(0), Surrogates())
    order = planted.images.labels.argsort(stable=True)
    victim = Victim(
        nn.Identity(),
        planted.images.take(order),
        planted.truth.take(order),
        planted.trigger,
        attack.goal(CLASSES),
    )
    exam, forms = make_evaluation_set(victim, some(test, 0, 100)), written(victim.images, out)
    return Study(train, victim, exam, forms)


def run(*arguments: object, out: Path) -> Path:
    """The folder that a command writes, unless it has; its exit code is no matter."""
    command = [sys.executable, "-c", COMMAND, *map(str, arguments), "--out", str(out), "--json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    if not out.exists():
        said = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if not said.stdout:
            raise SystemExit(f"{' '.join(command)}\n{said.stderr}")
    return out


def audited(folder: Path) -> tuple[str, list[list[str]]]:
    """The verdict, and the lines of suspects.csv without the images' names."""
    state = json.loads((folder / "verdict.json").read_text())["state"]
    with (folder / "suspects.csv").open() as file:
        return state, [line[1:] for line in csv.reader(file)]


def rightly(folder: Path, tree: Path, poison: torch.Tensor) -> int:
    """How many of the suspects that an audit of the tree names are poison."""
    files = {str(path.relative_to(tree)): k for k, path in enumerate(sorted(tree.rglob("*.png")))}
    with (folder / "suspects.csv").open() as file:
        return sum(bool(poison[files[line["image"]]]) for line in csv.DictReader(file))


def examine(name: str, stranger: Stranger, study: Study, out: Path) -> dict[str, object]:
    """A row of the table."""
    victim, forms = study.victim, study.forms
    path = stranger.trained(study.train, victim.images, out)
    model = stranger.load(path)
    known = accuracy(model, victim.images)
    # the Hugging Face folder does not say its normalization: the commands have to find it out
    arch = ["--arch", stranger.arch] if stranger.arch else []
    folders = {
        form: run("audit", path, images, *arch, out=out / f"audit-{stranger.file}-{form}")
        for form, images in forms.items()
    }
    mended = run("repair", path, forms["tree"], *arch, out=out / f"repair-{stranger.file}")
    after = next(mended.glob("model*"), path)  # without suspects there is nothing to repair
    found = [audited(folder) for folder in folders.values()]
    poison = victim.truth.state == State.POISON
    return {
        "network": name,
        "train_accuracy": round(known, 4),
        "verdict": found[0][0],
        "same_suspects": all(one == found[0] for one in found),
        "suspects": len(found[0][1]) - 1,
        "right": rightly(folders["tree"], forms["tree"], poison),
        "poison": int(poison.sum()),
        **measured("before", evaluate_model(model, study.exam)),
        **measured("after", evaluate_model(stranger.load(after), study.exam)),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "commit": git_commit(),
    }


def measured(when: str, scores: Scores) -> dict[str, float]:
    """The scores as columns."""
    return {f"{key}_{when}": round(getattr(scores, key), 4) for key in SCORES}


def table(rows: list[dict[str, object]]) -> str:
    """The rows as Markdown."""
    lines = [
        "| network | train accuracy | verdict | same from tree, CSV, parquet "
        "| suspects, poison found | before: ACC / ASR / RA | after |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        scores = (
            " / ".join(f"{100 * float(str(row[f'{key}_{when}'])):.1f}" for key in SCORES)
            for when in ("before", "after")
        )
        known = f"{100 * float(str(row['train_accuracy'])):.1f}"
        cells = [row["network"], known, row["verdict"], row["same_suspects"]]
        cells += [f"{row['suspects']}, {row['right']} of {row['poison']}", *scores]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def keep(rows: list[dict[str, object]], out: Path) -> None:
    """The rows, as both files."""
    with (out / "networks.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (out / "networks.md").write_text(table(rows))


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default="data")
@click.option("--out", type=click.Path(path_type=Path), default="runs/any-model")
@click.option("--only", multiple=True, help="Names of networks.")
def main(data: Path, out: Path, only: tuple[str, ...]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    study, rows = prepared(data, out), list[dict[str, object]]()
    if (out / "networks.csv").exists():
        with (out / "networks.csv").open() as file:
            rows.extend(csv.DictReader(file))
    done = {row["network"] for row in rows}
    for name, stranger in STRANGERS.items():
        if name not in done and (not only or name in only):
            rows.append(examine(name, stranger, study, out))
            keep(rows, out)
            click.echo(table(rows))


if __name__ == "__main__":
    main()
