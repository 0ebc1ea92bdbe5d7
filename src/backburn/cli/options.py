"""Options that several commands share."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import click

from ..services.case_options import RESIZES, CaseOptions

F = TypeVar("F", bound=Callable[..., Any])


def seed(function: F) -> F:
    """`--seed`."""
    return click.option(
        "--seed", default=0, show_default=True, type=click.IntRange(0, 2**31 - 1), help="Seed."
    )(function)


def seed_of_run(function: F) -> F:
    """`--seed` of a command that can start from a run; None if unset."""
    text = "Seed.  [default: 0, or the run's]"
    return click.option("--seed", type=click.IntRange(0, 2**31 - 1), help=text)(function)


def device(function: F) -> F:
    """`--device`."""
    text = "auto, cpu or cuda."
    return click.option("--device", default="auto", show_default=True, help=text)(function)


def as_json(function: F) -> F:
    """`--json`."""
    text = "Print JSON and nothing else."
    return click.option("--json", "as_json", is_flag=True, help=text)(function)


def out(function: F) -> F:
    """`--out`."""
    text = "Folder to write; must be new or empty.  [default: runs/COMMAND-DATE-TIME]"
    return click.option("--out", type=click.Path(), help=text)(function)


def settings(function: F) -> F:
    """`--config` and `--set`."""
    pair = click.option(
        "--set", "settings", multiple=True, metavar="NAME=VALUE", help="One hyperparameter."
    )(function)
    text = "TOML file of hyperparameters, such as a run's own config.toml."
    return click.option("--config", type=click.Path(), help=text)(pair)


@dataclass(frozen=True, slots=True)
class Cluster:
    """The options of a Ray cluster.

    Args:
        address: of the cluster; None to work on this machine.
        workers: most actors of a search; None for as many as the cluster has room for.
        gpus: share of a GPU per actor of a search or cell of a study. If not 0, a training takes
            a whole one.
    """

    address: str | None = None
    workers: int | None = None
    gpus: float = 0.0


RAY = click.option(
    "--ray", metavar="ADDRESS", help="Do it on a Ray cluster: local, auto, HOST:PORT."
)
RAY_WORKERS = click.option(
    "--ray-workers",
    type=click.IntRange(1),
    help="Most processes for searches and activations.  [default: one per CPU, or share of a GPU]",
)
RAY_GPUS = click.option(
    "--ray-gpus",
    default=0.0,
    type=click.FloatRange(0, 1),
    help="What each process has of a GPU, such as 0.5.  [default: none]",
)


def cluster(function: F) -> F:
    """`--ray`, `--ray-workers` and `--ray-gpus`, passed to the function as `cluster`."""

    @functools.wraps(function)
    def bundled(*args: Any, **kwargs: Any) -> Any:
        address, workers, gpus = (kwargs.pop(name) for name in ("ray", "ray_workers", "ray_gpus"))
        if address is None and (workers or gpus):
            raise click.UsageError("--ray-workers and --ray-gpus are of a cluster: give --ray, too")
        return function(*args, cluster=Cluster(address, workers, gpus), **kwargs)

    for decorate in (RAY_GPUS, RAY_WORKERS, RAY):
        decorate(bundled)
    return bundled  # type: ignore[return-value]


def parse_numbers(text: str) -> tuple[float, ...]:
    """Parse comma-separated numbers, one per channel.

    >>> parse_numbers("0.485,0.456,0.406")
    (0.485, 0.456, 0.406)
    """
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise click.BadParameter(
            f"{text!r}: give one number a channel, such as 0.485,0.456,0.406"
        ) from None


TRUST = click.option(
    "--trust",
    is_flag=True,
    help="Open a MODEL that runs code, too (TorchScript, pickled modules): only if it is yours.",
)
CASE = (
    click.argument("model", metavar="MODEL|VICTIM"),
    click.argument("data", required=False),
    click.option("--arch", help="The model's network, such as timm:resnet18 (docs/formats.md)."),
    click.option(
        "--mean",
        type=parse_numbers,
        metavar="NUMBERS",
        help="What the model subtracts from [0, 1] pixels.",
    ),
    click.option(
        "--std", type=parse_numbers, metavar="NUMBERS", help="What it divides them by then."
    ),
    click.option(
        "--size",
        type=click.IntRange(1),
        help="Pixels a side.  [default: the model's own, or the commonest of the images]",
    ),
    click.option(
        "--resize",
        type=click.Choice(RESIZES),
        help="How images of another shape are made that size.  [default: crop, or what fits]",
    ),
    click.option(
        "--classes",
        type=click.Path(),
        metavar="FILE",
        help="The model's classes in its order, one a line.  [default: its own list, or A to Z]",
    ),
    click.option("--cache", type=click.Path(), help="Folder that keeps decoded images for later."),
    click.option(
        "--max-images",
        type=click.IntRange(1),
        help="Look at so many images only, of every class its share.",
    ),
    TRUST,
    click.option(
        "--base",
        metavar="WEIGHTS",
        help="What the model was fine-tuned from: a file, or a name such as timm:resnet18.",
    ),
    click.option(
        "--witness",
        metavar="ENCODER",
        help="A network that never saw these labels, for a second opinion: as --base.",
    ),
    click.option("--witness-arch", help="The witness's network, where a file does not say it."),
)


def case(function: F) -> F:
    """`MODEL DATA` or `VICTIM` and their options, passed to the function as `CaseOptions`."""

    @functools.wraps(function)
    def bundled(**kwargs: Any) -> Any:
        values = {field.name: kwargs.pop(field.name) for field in fields(CaseOptions)}
        return function(CaseOptions(**values), **kwargs)

    for decorate in reversed(CASE):
        decorate(bundled)
    return bundled  # type: ignore[return-value]
