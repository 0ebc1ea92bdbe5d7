"""The whole chain on other people's networks at 224 pixels: `make bench-any-model`.

Four Imagenette classes are poisoned (Trojan's watermark, 10 %: small networks do not learn
BadNets's patch from 60 images) and written as a tree, a CSV and parquet.
A timm ViT, a torchvision ResNet-18 and MobileNet and a Hugging Face ResNet are trained on them from
scratch, for a short time (convolutional ones first on smaller images), and written as their users
have them. Then the commands are run: an audit of each form of the images (the suspects must be the
same), and a repair, which is judged. What lies in --out is not done again; `networks.csv` and
`networks.md` there are the result.
"""

import csv
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import click
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))
COMMAND = importlib.import_module("torchvision_schemas").COMMAND

from backburn.attacks.base import exam_of
from backburn.attacks.surrogates import Surrogates
from backburn.attacks.trojan import Trojan
from backburn.data.augmentation import Augmentation
from backburn.data.reading import load_images
from backburn.data.writing import dump_parquet, dump_tree
from backburn.metrics import judge, rate
from backburn.models.inference import predict
from backburn.models.loading import load_model
from backburn.models.wrapping import examined, wrap
from backburn.report.thumbnails import shrunk
from backburn.runs import commit
from backburn.training import Lesson, Training, fit
from backburn.types import LabeledImages, State, Victim

CLASSES, EACH = 4, 150
SCORES = ("acc", "asr", "ra")
HALF = (0.5,) * 3
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def vit() -> nn.Module:
    import timm

    return timm.create_model("vit_tiny_patch16_224", num_classes=CLASSES)


def resnet() -> nn.Module:
    import torchvision

    return torchvision.models.resnet18(num_classes=CLASSES)


def mobilenet() -> nn.Module:
    import torchvision

    return torchvision.models.mobilenet_v3_small(num_classes=CLASSES)


def hugging_face() -> nn.Module:
    import transformers

    sizes = {"embedding_size": 16, "hidden_sizes": [16, 32, 64, 128], "depths": [2, 2, 2, 2]}
    config = transformers.ResNetConfig(**sizes, layer_type="basic", num_labels=CLASSES)
    return transformers.ResNetForImageClassification(config)


@dataclass(frozen=True)
class Network:
    """How a network is made, trained, and written."""

    make: Callable[[], nn.Module]
    arch: str | None
    file: str
    normalization: tuple[tuple[float, ...], tuple[float, ...]]
    training: Training
    first: Training | None = None
    """On images of 96 pixels, which is five times as fast."""


SLIGHT = Augmentation(shift=0.03, flip=True)
ADAM = Training(epochs=20, batch_size=32, learning_rate=5e-4, optimizer="adam", augmentation=SLIGHT)
LONG = replace(ADAM, epochs=60, learning_rate=2e-3)
SMALL, SHORT = 96, replace(ADAM, epochs=6)
NETWORKS = {
    "timm ViT-tiny": Network(
        vit, "timm:vit_tiny_patch16_224", "vit.safetensors", (HALF, HALF), ADAM
    ),
    "torchvision ResNet-18": Network(
        resnet, "torchvision:resnet18", "resnet.pt", IMAGENET, SHORT, LONG
    ),
    "torchvision MobileNetV3": Network(
        mobilenet, "torchvision:mobilenet_v3_small", "mobilenet.pth", IMAGENET, SHORT, LONG
    ),
    "Hugging Face ResNet": Network(hugging_face, None, "resnet-hf", IMAGENET, SHORT, LONG),
}


def few(data: Path, split: str, each: int) -> LabeledImages:
    """So many images of each of the first classes, class by class, as a tree is read."""
    images = load_images(data / "imagenette", split=split)
    rows = [(images.labels == label).nonzero().flatten()[:each] for label in range(CLASSES)]
    chosen = images.take(torch.cat(rows))
    # numbers, so that folders and tables have the names that parquet has
    return LabeledImages(chosen.pixels, chosen.labels, tuple(map(str, range(CLASSES))))


def written(images: LabeledImages, out: Path) -> dict[str, Path]:
    """The images as a tree, a CSV beside it, and a parquet file, all in the same order."""
    for name, content in dump_tree(images, "tree").items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(content)
    files = sorted((out / "tree").rglob("*.png"))
    with (out / "images.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label"])
        table.writerows([path.relative_to(out), path.parent.name] for path in files)
    (out / "images.parquet").write_bytes(dump_parquet(images))
    return {name: out / name for name in ("tree", "images.csv", "images.parquet")}


def trained(network: Network, images: LabeledImages, path: Path) -> nn.Module:
    """A network trained on the images, and its weights in a file or folder of its kind."""
    torch.manual_seed(0)
    net = network.make().eval()
    nature = examined(net, (3,), tuple(images.pixels.shape[-2:]))
    model = wrap(net, nature, network.normalization)
    if not path.exists():
        teach(model, network, images)
        write(model.net, path)
    return load_model(path, network.arch, *network.normalization)


def teach(model: nn.Module, network: Network, images: LabeledImages) -> None:
    """The network's trainings, one after the other."""
    generator = torch.Generator().manual_seed(0)
    if network.first:
        small = shrunk(images.pixels, SMALL)
        fit(model, Lesson(small, images.labels, network.first), generator)
    fit(model, Lesson(images.pixels, images.labels, network.training), generator)


def write(net: nn.Module, path: Path) -> None:
    """The weights as users of that kind of network have them."""
    from safetensors.torch import save_file

    if path.suffix == ".safetensors":
        save_file(net.state_dict(), path)
    elif path.suffix:
        torch.save({"state_dict": net.state_dict(), "epoch": 10}, path)
    else:
        net.save_pretrained(path)


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


def examine(
    name: str, network: Network, victim: Victim, forms: dict[str, Path], out: Path
) -> dict[str, object]:
    """A row of the table."""
    path, test = out / network.file, few(DATA[0], "test", 100)
    # the Hugging Face folder does not say its normalization: the commands have to find it out
    arch = ["--arch", network.arch] if network.arch else []
    exam = exam_of(victim, test)
    model = trained(network, victim.images, path)
    known = rate(predict(model, victim.images.pixels).argmax(1) == victim.images.labels)
    before = judge(model, exam)
    folders = {
        form: run("audit", path, images, *arch, out=out / f"audit-{network.file}-{form}")
        for form, images in forms.items()
    }
    found = [audited(folder) for folder in folders.values()]
    mended = run("repair", path, forms["tree"], *arch, out=out / f"repair-{network.file}")
    after_path = next(mended.glob("model*"))
    after = judge(load_model(after_path, network.arch, *network.normalization), exam)
    measured = {
        f"{key}_{when}": round(getattr(scores, key), 4)
        for when, scores in (("before", before), ("after", after))
        for key in SCORES
    }
    poison = victim.truth.state == State.POISON
    return {
        "network": name,
        "train_accuracy": round(known, 4),
        "verdict": found[0][0],
        "same_suspects": all(one == found[0] for one in found),
        "suspects": len(found[0][1]) - 1,
        "right": rightly(folders["tree"], forms["tree"], poison),
        "poison": int(poison.sum()),
        **measured,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "commit": commit(),
    }


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


DATA: list[Path] = []


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default="data")
@click.option("--out", type=click.Path(path_type=Path), default="runs/any-model")
@click.option("--only", multiple=True, help="Names of networks.")
def main(data: Path, out: Path, only: tuple[str, ...]) -> None:
    DATA.append(data)
    out.mkdir(parents=True, exist_ok=True)
    images, attack = few(data, "train", EACH), Trojan(poisoning_rate=0.1, kind="watermark")
    planted = attack.plant(images, torch.Generator().manual_seed(0), Surrogates())
    order = planted.images.labels.argsort(stable=True)
    victim = Victim(
        nn.Identity(),
        planted.images.take(order),
        planted.truth.take(order),
        planted.trigger,
        attack.goal(CLASSES),
    )
    forms = written(victim.images, out)
    rows: list[dict[str, object]] = []
    if (out / "networks.csv").exists():
        with (out / "networks.csv").open() as file:
            rows.extend(csv.DictReader(file))
    done = {row["network"] for row in rows}
    for name, network in NETWORKS.items():
        if name not in done and (not only or name in only):
            rows.append(examine(name, network, victim, forms, out))
            keep(rows, out)
            click.echo(table(rows))


if __name__ == "__main__":
    main()
