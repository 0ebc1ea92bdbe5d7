"""A study: a TOML file that names cells, each a victim and what a method makes of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal, cast

import msgspec

from ..attacks.base import Attack, Recipe
from ..burn.burn import BURN
from ..burn.paper import PaperBURN
from ..catalogue import DETECTORS, METHODS, attack_named, compared_named
from ..config import overlay, read_toml
from ..errors import InputError
from ..methods import Defense, Detector, Given


@dataclass(frozen=True)
class Longer:
    """Attacks whose victims are trained for more epochs than the recipe says."""

    attacks: list[str] = field(default_factory=list)
    epochs: int = 0


@dataclass(frozen=True)
class Study:
    """Which victims are made and, where `defend` says so, repaired.

    Args:
        dataset: a folder below the data folder, or `digits`.
        train: how many of its training images are used; 0 for all.
        skip: how many of them are left out before these, for development.
        attacks, rates, seeds, methods: every combination is a cell; `none` ignores the rate, and
            without rates every attack has its own. Where `none` is among the attacks, its victims
            are the clean models that others are compared with. Methods are defences and detectors.
        at_most: attacks that no higher rate suits, each with its highest: clean-label attacks
            cannot poison more than their class holds.
        target_label: of every attack.
        recipe: how victims are trained.
        burn, paper: the methods `default` and `paper`.
        hyperparameters: of the other methods, a table each.
        holdout: the methods `default` and `paper`, which need none, are given this share of the
            training set beside it as images with right labels.
        fresh_holdout: holdouts are drawn from the images that `skip` leaves out, which no victim
            has seen; otherwise from the victim's training images that nothing was done to.
        longer: attacks that the recipe is too short for; they are trained for its epochs instead,
            and so is a clean model to compare them with where `none` is among the attacks.
    """

    dataset: str = "cifar10"
    train: int = 0
    skip: int = 0
    attacks: list[str] = field(default_factory=list)
    rates: list[float] = field(default_factory=lambda: [0.05])
    seeds: list[int] = field(default_factory=lambda: [0])
    methods: list[str] = field(default_factory=lambda: ["default"])
    at_most: dict[str, float] = field(default_factory=dict)
    target_label: int = 0
    defend: bool = True
    recipe: Recipe = field(default_factory=Recipe)
    burn: BURN = field(default_factory=BURN)
    paper: PaperBURN = field(default_factory=PaperBURN)
    hyperparameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    holdout: float = 0.0
    fresh_holdout: bool = False
    longer: Longer = field(default_factory=Longer)

    def __post_init__(self) -> None:
        for method in (*self.methods, *self.hyperparameters):
            self.compared(method)
        for name in (*self.attacks, *self.longer.attacks, *self.at_most):
            for rate in self.rates:
                attack_named(name)(poisoning_rate=rate, target_label=self.target_label)
            attack_named(name)(target_label=self.target_label)
        if min(self.train, self.skip) < 0:
            raise InputError(
                f"train={self.train}, skip={self.skip}: give 0 or more (a train of 0 is all)"
            )
        if not 0 <= self.holdout < 1:
            raise InputError(f"holdout is {self.holdout}: give a fraction in [0, 1)")
        if self.fresh_holdout and not self.skip:
            raise InputError("fresh_holdout: skip leaves no images out that it could be drawn from")
        if self.longer.attacks and self.longer.epochs < 1:
            raise InputError(f"longer.epochs is {self.longer.epochs}: give at least 1")

    def cells(self) -> list["Cell"]:
        """Every victim of the study, in the order of the file."""
        grid = product(self.seeds, self.rates or [0.0], self.methods, self.attacks)
        cells = [
            replace(cell, method=method)
            for seed, rate, method, name in grid
            for cell in self._cells(name, rate, seed)
        ]
        return list({cell.name: cell for cell in cells}.values())

    def compared(self, method: str) -> Defense | Detector:
        """The defence or detector of that name with this study's hyperparameters."""
        known = {"default": self.burn, "paper": self.paper}
        if method in known:
            return known[method]
        where = f"hyperparameters.{method}"
        return overlay(compared_named(method)(), self.hyperparameters.get(method, {}), where)

    def _cells(self, name: str, rate: float, seed: int) -> list["Cell"]:
        rate = min(rate or attack_named(name)().poisoning_rate, self.at_most.get(name, 1.0))
        short, long = self.recipe.training.epochs, self.longer.epochs
        rate = 0.0 if name == "none" else rate
        if name == "none" and self.longer.attacks:
            return [Cell(self, name, rate, seed, epochs) for epochs in (short, long)]
        return [Cell(self, name, rate, seed, long if name in self.longer.attacks else short)]


@dataclass(frozen=True)
class Cell:
    """One victim, and the method that it is given to."""

    study: Study
    attack: str
    rate: float
    seed: int
    epochs: int
    method: str = "default"

    @property
    def victim_name(self) -> str:
        """Names the victim, which the methods of a study share."""
        longer = f"-{self.epochs}" if self.epochs != self.study.recipe.training.epochs else ""
        return f"{self.attack}-{self.rate:.12g}-{self.seed}{longer}"

    @property
    def name(self) -> str:
        """Unique within its study; names the cell's record."""
        return self.victim_name + ("" if self.method == "default" else f"-{self.method}")

    @property
    def kind(self) -> Literal["defense", "detector"]:
        """What the method is."""
        return "detector" if self.method in DETECTORS else "defense"

    @property
    def given(self) -> Given:
        """What the method is handed beside the model."""
        given = self.study.compared(self.method).given
        return replace(given, holdout=self.study.holdout) if self.method in METHODS else given

    @property
    def reference(self) -> "Cell | None":
        """The clean model of the same seed and epochs, where the study has one."""
        if "none" not in self.study.attacks:
            return None
        return Cell(self.study, "none", 0.0, self.seed, self.epochs)

    @property
    def recipe(self) -> Recipe:
        """The study's recipe with this cell's epochs."""
        training = replace(self.study.recipe.training, epochs=self.epochs)
        return replace(self.study.recipe, training=training)

    def mounted(self) -> Attack:
        """The attack with this cell's rate and target."""
        rate = {"poisoning_rate": self.rate} if self.rate else {}
        return attack_named(self.attack)(target_label=self.study.target_label, **rate)

    def aims_at(self, labels: Sequence[int]) -> bool:
        """Whether these are the attack's targets: its target label, or every class of many."""
        wanted = {self.study.target_label}
        return set(labels) == wanted if self.attack != "all_to_all" else len(labels) > 1

    def attack_settings(self) -> dict[str, Any]:
        """The attack's hyperparameters, as plain values."""
        return cast(dict[str, Any], _plain(self.mounted()))

    def victim_settings(self) -> dict[str, Any]:
        """What the victim depends on beside its name, as plain values."""
        parts = ["dataset", "train", "target_label", *(["skip"] if self.study.skip else [])]
        plain = {part: _plain(getattr(self.study, part)) for part in parts}
        return {**plain, "recipe": _plain(self.recipe)}

    def settings(self) -> dict[str, Any]:
        """What the result depends on beside the cell's name, as plain values."""
        if not self.study.defend:
            return self.victim_settings()
        settings = _plain(self.study.compared(self.method))
        return {
            **self.victim_settings(),
            "method": self.method,
            "burn": settings,
            **self._holdout_settings(),
        }

    def _holdout_settings(self) -> dict[str, Any]:
        """Of the holdout, what does not follow from the method; older records say nothing of it."""
        if not self.given.holdout:
            return {}
        share = {"holdout": self.given.holdout} if self.method in METHODS else {}
        fresh = {"fresh_holdout": True} if self.study.fresh_holdout else {}
        return share | fresh

    def victim_arguments(self) -> dict[str, Any]:
        """What the victim's record says it was made from."""
        return {"attack": self.attack_settings(), "settings": self.victim_settings()}

    def arguments(self) -> dict[str, Any]:
        """What the cell's record says it was made from."""
        return {"cell": self.name, "attack": self.attack_settings(), "settings": self.settings()}


def _plain(value: Any) -> Any:
    """What a record is read back as: tuples are lists there."""
    return msgspec.json.decode(msgspec.json.encode(value))


def load_study(file: str | Path) -> Study:
    """A study from TOML.

    Raises:
        InputError: no such file, an unknown name, a wrong value, or no attack in it.
    """
    study = overlay(Study(), read_toml(Path(file)), str(file))
    if not study.attacks or not study.seeds:
        raise InputError(f"{file} names no cell: give attacks and seeds")
    return study
