"""Steps of training the built-in networks, and MobileNet's without its single precision:
`python tests/benchmark/networks.py`.
"""

import time

import click
import torch
from torch import nn

from backburn.models.nets.mobilenet import StridedDepthwiseConv
from backburn.models.nets.zoo import build
from backburn.training import Training, TrainingTask, fit

NETWORKS = "preact_resnet18-w16", "vgg11-w16", "small_cnn", "mobilenet_v2-w8", "mobilenet_v2-w16"
IMAGES, TRIES = 1024, 3


def in_half(model: nn.Module) -> nn.Module:
    """The same network with strided convolutions as autocast would have them."""
    for layer in model.modules():
        if isinstance(layer, StridedDepthwiseConv):
            layer.__class__ = nn.Conv2d  # type: ignore[assignment]
    return model


def rate(model: nn.Module) -> float:
    """Images a second of an epoch, the fastest of a few."""
    drawn = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (IMAGES, 3, 32, 32), dtype=torch.uint8, generator=drawn)
    labels = torch.randint(0, 10, (IMAGES,), generator=drawn)
    seconds = []
    for _ in range(TRIES):
        began = time.perf_counter()
        fit(model, TrainingTask(pixels, labels, Training(epochs=1)), drawn)
        seconds.append(time.perf_counter() - began)
    return IMAGES / min(seconds)


@click.command()
def main() -> None:
    """A row a network, with the ratio to the first."""
    made = {name: build(name, 10, 3) for name in NETWORKS}
    made |= {f"{name}, all in bf16": in_half(build(name, 10, 3)) for name in NETWORKS[-2:]}
    rates = {name: rate(model) for name, model in made.items()}
    click.echo("| network | images a second | by the first |\n|---|---|---|")
    for name, each in rates.items():
        click.echo(f"| {name} | {each:,.0f} | {each / rates[NETWORKS[0]]:.2f} |")


if __name__ == "__main__":
    main()
