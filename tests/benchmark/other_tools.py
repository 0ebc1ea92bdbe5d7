"""What other tools say of the victims and clean models of `make study-digits`: `make bench-tools`.

    python tests/benchmark/other_tools.py --victims runs/study-digits/victims

Adversarial Robustness Toolbox and cleanlab get the model and its training images with their labels,
as our audit does. ModelScan and ModelAudit get the file of the model. Nobody gets the trigger or a
clean image. A tool raises an alarm if it flags an image or reports an issue.

ART takes the last layer that is registered for the last hidden one, which is the layer of logits in
a usual torch network. Here it gets the layer that its papers mean. cleanlab asks for probabilities
of images that a classifier has not seen. They come from cross-validation of a logistic regression
on the pixels, which costs little; a second row uses the probabilities of the model itself.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from typing import Any

import click
import numpy as np
import torch
from art.defences.detector.poison import ActivationDefence, SpectralSignatureDefense
from art.estimators.classification import PyTorchClassifier
from cleanlab.filter import find_label_issues
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from torch import Tensor, nn

from backburn.attacks.victim_folder import MODEL, is_victim, read_victim
from backburn.models.inference import predict
from backburn.models.nets.base import Classifier
from backburn.models.open.open_model import load_model
from backburn.runs import git_commit, read_checked
from backburn.types import Case, Truth

ROOT = Path(__file__).parents[2]
CELLS = ROOT / "studies" / "digits" / "cells"
COLUMNS = ("tool", "version", "victim", "seed", "flagged", "tpr", "fpr", "alarm", "commit")
QUIET = {**os.environ, "PROMPTFOO_DISABLE_TELEMETRY": "1", "NO_ANALYTICS": "1"}
"""ModelAudit would otherwise report its use to its makers."""
NO_ISSUE = ("info", "debug")
"""Severities of ModelAudit's remarks, such as that it could not look into a part of a file."""
FOLDS = 5
Row = dict[str, object]
Flagging = Callable[[Case, int], np.ndarray]


class WithFeaturesLast(nn.Module):
    """A network whose last registered layer computes the penultimate features, where ART looks."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.head = model.head
        self.embedding = Embedding(model)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.embedding(images))


class Embedding(nn.Module):
    """The penultimate features of a network."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model.features(images)


def art_inputs(case: Case) -> tuple[PyTorchClassifier, np.ndarray, np.ndarray]:
    """The model, its images in [0, 1], and their labels."""
    pixels = (case.images.pixels.float() / 255).numpy()
    classifier = PyTorchClassifier(
        WithFeaturesLast(case.model),
        nn.CrossEntropyLoss(),
        pixels.shape[1:],
        case.images.class_count,
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )
    return classifier, pixels, case.images.labels.numpy()


def activation_clustering(analysis: str) -> Flagging:
    """ART's activation clustering with one of its ways to tell which cluster is poison."""

    def flag(case: Case, seed: int) -> np.ndarray:
        np.random.seed(seed)
        _, clean = ActivationDefence(*art_inputs(case)).detect_poison(cluster_analysis=analysis)
        return np.array(clean) == 0

    return flag


def spectral_signatures(case: Case, seed: int) -> np.ndarray:
    """ART's spectral signatures with its defaults: half of each class is flagged."""
    _, clean = SpectralSignatureDefense(*art_inputs(case)).detect_poison()
    return np.array(clean) == 0


def label_issues_of_model(case: Case, seed: int) -> np.ndarray:
    """cleanlab's label issues, with the probabilities of the model itself."""
    probabilities = predict(case.model, case.images.pixels).softmax(1).numpy()
    return find_label_issues(case.images.labels.numpy(), probabilities)


def label_issues_of_pixels(case: Case, seed: int) -> np.ndarray:
    """cleanlab's label issues, with cross-validated probabilities of a classifier of pixels."""
    pixels = (case.images.pixels.float() / 255).flatten(1).numpy()
    labels = case.images.labels.numpy()
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    linear = LogisticRegression(max_iter=1000)
    probabilities = cross_val_predict(linear, pixels, labels, cv=folds, method="predict_proba")
    return find_label_issues(labels, probabilities)


ART, CLEANLAB = "adversarial-robustness-toolbox", "cleanlab"
FLAGGING: dict[str, tuple[str, Flagging]] = {
    "ART activation clustering, smaller cluster (default)": (ART, activation_clustering("smaller")),
    "ART activation clustering, relative size": (ART, activation_clustering("relative-size")),
    "ART activation clustering, silhouette": (ART, activation_clustering("silhouette-scores")),
    "ART spectral signatures (default)": (ART, spectral_signatures),
    "cleanlab label issues, cross-validated on pixels": (CLEANLAB, label_issues_of_pixels),
    "cleanlab label issues, the model's own probabilities": (CLEANLAB, label_issues_of_model),
}


@dataclass(frozen=True)
class Subject:
    """A victim or a clean model, which the tools look at."""

    folder: Path

    @property
    def attack(self) -> str:
        return self.folder.name.split("-")[0]

    @property
    def seed(self) -> int:
        return int(self.folder.name.split("-")[-1])

    def row(self, tool: str, package: str, **figures: object) -> Row:
        """A row of the table; what is not given is empty."""
        names = {"tool": tool, "version": f"{package} {version(package)}"}
        empty = dict.fromkeys(("flagged", "tpr", "fpr"), "")
        shared = {"victim": self.attack, "seed": self.seed, "commit": git_commit() or ""}
        return {**names, **shared, **empty, **figures}


def share(hits: np.ndarray) -> float | str:
    """Share of True; empty of nothing."""
    return round(float(hits.mean()), 4) if len(hits) else ""


def flagging_rows(subject: Subject) -> Iterator[Row]:
    """What the tools that look at images flag in one victim or clean model."""
    case, truth, _ = read_victim(subject.folder, torch.device("cpu"))
    for tool, (package, flag) in FLAGGING.items():
        yield subject.row(tool, package, **scores(flag(case, subject.seed), truth))


def scores(flagged: np.ndarray, truth: Truth) -> Row:
    """Images flagged, and shares of the poison and of the clean images."""
    poison = truth.poison.numpy()
    return {
        "flagged": int(flagged.sum()),
        "tpr": share(flagged[poison]),
        "fpr": share(flagged[~poison]),
        "alarm": bool(flagged.any()),
    }


def scanner_rows(subjects: Sequence[Subject]) -> Iterator[Row]:
    """What scanners of files report of each model, as safetensors and as a pickled state_dict."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for subject in subjects:
            own = folder / subject.folder.name
            own.mkdir()
            (own / "model.safetensors").write_bytes((subject.folder / MODEL).read_bytes())
            torch.save(load_model(subject.folder / MODEL).state_dict(), own / "model.pt")
        for tool, package, places in (
            ("ModelScan", "modelscan", modelscan_issues(folder)),
            ("ModelAudit", "modelaudit", modelaudit_issues(folder)),
        ):
            for subject in subjects:
                alarm = any(f"{subject.folder.name}/" in place for place in places)
                yield subject.row(tool, package, alarm=alarm)


def run_scanner(out: Path, *command: str) -> dict[str, Any]:
    """The report of a scanner, which ends with 1 if it found something, with 2 if incomplete."""
    program = str(Path(sys.executable).with_name(command[0]))
    line = [program, *command[1:]]
    done = subprocess.run(line, env=QUIET, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1, 2) or not out.exists():
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr}")
    report: dict[str, Any] = json.loads(out.read_text())
    return report


def modelscan_issues(folder: Path) -> list[str]:
    """The files that ModelScan has an issue with."""
    out = folder.with_suffix(".modelscan.json")
    report = run_scanner(out, "modelscan", "-p", str(folder), "-r", "json", "-o", str(out))
    click.echo(f"ModelScan: {report['summary']}")
    return [str(issue["source"]) for issue in report["issues"]]


def modelaudit_issues(folder: Path) -> list[str]:
    """The files that ModelAudit has an issue with; what it could not inspect is told apart."""
    out = folder.with_suffix(".modelaudit.json")
    options = ("--format", "json", "--no-cache", "--output", str(out))
    report = run_scanner(out, "modelaudit", "scan", str(folder), *options)
    notes = [issue for issue in report["issues"] if issue["severity"] in NO_ISSUE]
    issues = [str(issue["location"]) for issue in report["issues"] if issue not in notes]
    click.echo(f"ModelAudit: {report['files_scanned']} files, {len(issues)} issues")
    click.echo(f"remarks that are no issues: {sorted(note['message'] for note in notes)}")
    return issues


def our_rows(subjects: Sequence[Subject]) -> Iterator[Row]:
    """What the published study says of the same victims."""
    for subject in subjects:
        record = read_checked(CELLS / f"{subject.folder.name}.json")
        outcome = record.metrics["outcome"]
        found = outcome["found"]
        figures = {"flagged": found["count"], "commit": record.commit}
        figures |= {name: "" if found[name] is None else found[name] for name in ("tpr", "fpr")}
        alarm = outcome["verdict"] == "backdoored"
        yield subject.row("backburn audit", "backburn", alarm=alarm, **figures)


def table(rows: Sequence[Row]) -> str:
    """A line for each tool: victims and clean models apart."""
    head = "| tool | alarms: victims | flagged | TPR | FPR | alarms: clean models | flagged | FPR |"
    lines = [head, "|" + " --- |" * 8]
    for tool in dict.fromkeys(str(row["tool"]) for row in rows):
        own = [row for row in rows if row["tool"] == tool]
        victims = [row for row in own if row["victim"] != "none"]
        clean = [row for row in own if row["victim"] == "none"]
        cells = [tool, alarms(victims), mean(victims, "flagged", 1), mean(victims, "tpr", 100)]
        cells += [mean(victims, "fpr", 100), alarms(clean), mean(clean, "flagged", 1)]
        lines.append(f"| {' | '.join([*cells, mean(clean, 'fpr', 100)])} |")
    return "\n".join(lines) + f"\n\n{notes(rows)}"


def alarms(rows: Sequence[Row]) -> str:
    """How many of the models raise an alarm."""
    return f"{sum(str(row['alarm']) == 'True' for row in rows)} of {len(rows)}"


def mean(rows: Sequence[Row], name: str, scale: float) -> str:
    """The mean over the models, in per cent for a scale of 100; a dash without figures."""
    values = [float(str(row[name])) for row in rows if row[name] != ""]
    return f"{scale * fmean(values):.1f}" if values else "-"


def notes(rows: Sequence[Row]) -> str:
    """Which victims, versions and commits."""
    seeds = sorted({int(str(row["seed"])) for row in rows})
    versions = dict.fromkeys(str(row["version"]) for row in rows)
    commits = {str(row["version"]).split()[0]: row["commit"] for row in rows if row["commit"]}
    lines = [
        "Victims: BadNets at 5 % and clean models of digits with the settings of "
        f"studies/digits.toml, seeds {seeds[0]} to {seeds[-1]}. Flagged: mean number of 1,437 "
        "images. TPR, FPR: per cent, means.",
        f"Versions: {', '.join(versions)}. Commit: {commits[CLEANLAB]}; of our rows "
        f"{commits['backburn']}.",
        "Alarm: an image is flagged, or an issue is reported; of backburn, the verdict is "
        "backdoored.",
    ]
    return "\n".join(f"- {line}" for line in lines) + "\n"


@click.command()
@click.option("--victims", type=click.Path(path_type=Path), default="runs/study-digits/victims")
@click.option("--out", type=click.Path(path_type=Path), default="studies/tools")
def main(victims: Path, out: Path) -> None:
    """Write summary.csv and summary.md."""
    subjects = [Subject(path) for path in sorted(victims.iterdir()) if is_victim(path)]
    rows = [*our_rows(subjects)]
    for subject in subjects:
        start = time.monotonic()
        rows += flagging_rows(subject)
        click.echo(f"{subject.folder.name}: {time.monotonic() - start:.1f} s")
    rows += scanner_rows(subjects)
    out.mkdir(parents=True, exist_ok=True)
    with (out / "summary.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (out / "summary.md").write_text(table(rows))
    click.echo(table(rows))


if __name__ == "__main__":
    main()
