"""A study: a TOML file that names cells, each a victim and its repair."""

from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import msgspec

from ..attacks.base import Recipe
from ..burn.burn import BURN
from ..catalogue import attack_named
from ..config import overlay, read_toml
from ..errors import InputError


@dataclass(frozen=True)
class Study:
    """Which victims are made and repaired.

    Args:
        dataset: a folder below the data folder, or `digits`.
        train: how many of its training images are used, from the first; 0 for all.
        attacks, rates, seeds: every combination is a cell; `none` ignores the rate.
        target_label: of every attack.
        recipe, burn: how victims are trained, how they are repaired.
    """

    dataset: str = "cifar10"
    train: int = 0
    attacks: list[str] = field(default_factory=list)
    rates: list[float] = field(default_factory=lambda: [0.05])
    seeds: list[int] = field(default_factory=lambda: [0])
    target_label: int = 0
    recipe: Recipe = field(default_factory=Recipe)
    burn: BURN = field(default_factory=BURN)

    def __post_init__(self) -> None:
        for name, rate in product(self.attacks, self.rates or [0.05]):
            attack_named(name)(poisoning_rate=rate, target_label=self.target_label)
        if self.train < 0:
            raise InputError(f"train is {self.train}: give a number of images, or 0 for all")

    def cells(self) -> list["Cell"]:
        """Every victim of the study, in the order of the file."""
        grid = product(self.seeds, self.rates, self.attacks)
        cells = (
            Cell(self, name, 0.0 if name == "none" else rate, seed) for seed, rate, name in grid
        )
        return list({cell.name: cell for cell in cells}.values())


@dataclass(frozen=True)
class Cell:
    """One victim and its repair."""

    study: Study
    attack: str
    rate: float
    seed: int

    @property
    def name(self) -> str:
        """Unique within its study; names the cell's record."""
        return f"{self.attack}-{self.rate:.12g}-{self.seed}"

    def victim_settings(self) -> dict[str, Any]:
        """What the victim depends on beside its name, as plain values."""
        parts = ("dataset", "train", "target_label", "recipe")
        return {part: msgspec.to_builtins(getattr(self.study, part)) for part in parts}

    def settings(self) -> dict[str, Any]:
        """What the result depends on beside the cell's name, as plain values."""
        return {**self.victim_settings(), "burn": msgspec.to_builtins(self.study.burn)}


def load_study(file: str | Path) -> Study:
    """A study from TOML.

    Raises:
        InputError: no such file, an unknown name, a wrong value, or no attack in it.
    """
    study = overlay(Study(), read_toml(Path(file)), str(file))
    if not study.attacks or not study.rates or not study.seeds:
        raise InputError(f"{file} names no cell: give attacks, rates and seeds")
    return study
