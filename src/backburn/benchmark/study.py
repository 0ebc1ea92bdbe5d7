"""A study: a TOML file that names victims, and the methods that they are given to."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..attacks.base import Recipe
from ..burn.burn import BURN
from ..burn.paper import PaperBURN
from ..config import overlay, read_toml
from ..errors import InputError
from ..interfaces import Defense, Detector
from ..registry import attack_named, compared_named


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

    def compared(self, method: str) -> Defense | Detector:
        """The defence or detector of that name with this study's hyperparameters."""
        known = {"default": self.burn, "paper": self.paper}
        if method in known:
            return known[method]
        where = f"hyperparameters.{method}"
        return overlay(compared_named(method)(), self.hyperparameters.get(method, {}), where)


def load_study(file: str | Path) -> Study:
    """A study from TOML.

    Raises:
        InputError: no such file, an unknown name, a wrong value, or no attack in it.
    """
    study = overlay(Study(), read_toml(Path(file)), str(file))
    if not study.attacks or not study.seeds:
        raise InputError(f"{file} names no cell: give attacks and seeds")
    return study
