"""The options that several verbs share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def seed(function: F) -> F:
    """`--seed`."""
    return click.option(
        "--seed", default=0, show_default=True, type=click.IntRange(0, 2**31 - 1), help="Seed."
    )(function)


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


def max_images(function: F) -> F:
    """`--max-images`."""
    text = "Look at so many images only, of every class its share."
    return click.option("--max-images", type=click.IntRange(1), help=text)(function)


def settings(function: F) -> F:
    """`--config` and `--set`."""
    pair = click.option(
        "--set", "settings", multiple=True, metavar="NAME=VALUE", help="One hyperparameter."
    )(function)
    text = "TOML file of hyperparameters, such as a run's own config.toml."
    return click.option("--config", type=click.Path(), help=text)(pair)


def case(function: F) -> F:
    """`MODEL DATA` or `VICTIM`, and `--arch`."""
    text = "The model's network, such as preact_resnet18 (backburn's own files say it themselves)."
    option = click.option("--arch", help=text)(function)
    data = click.argument("data", required=False)(option)
    return click.argument("model", metavar="MODEL|VICTIM")(data)
