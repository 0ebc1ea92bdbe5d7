"""A study: a TOML file that says which victims are made and which methods run on them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..attacks.base import Recipe
from ..burn.burn import BURN
from ..burn.paper import PaperBURN
from ..config import overlay, read_toml
from ..errors import InputError
from ..interfaces import Defense, Detector, Oracle
from ..registry import ATTACKS, compared_named
from .reactivation import Reactivation

OWN_TABLES = {"default": "burn", "paper": "paper"}
"""Methods whose settings are a table of their own in a study."""
MAX_SEED = 2**31 - 1
"""The largest seed, as of the commands."""


@dataclass(frozen=True)
class LongerTraining:
    """Attacks whose victims are trained for more epochs than the recipe says.

    Args:
        attacks: names of these attacks.
        epochs: how long their victims are trained.
    """

    attacks: list[str] = field(default_factory=list)
    epochs: int = 0


@dataclass(frozen=True)
class Study:
    """The settings of a study. Every combination of attack, rate, seed and method is a cell.

    Args:
        dataset: a folder below the data folder, or `digits`.
        train: how many training images are used; 0 for all.
        skip: how many training images are left out before these, for development.
        attacks: names of attacks. The victims of `none` are the clean models that the others are
            compared with.
        rates: poisoning rates; `none` ignores them. If empty, every attack has its own.
        seeds: seeds of the victims.
        methods: names of defenses, detectors and oracles.
        at_most: the highest rate of some attacks. A clean-label attack can't poison more images
            than its class has.
        target_label: the target class of every attack.
        defend: whether methods run; otherwise the study only makes victims.
        recipe: how victims are trained.
        burn: the method `default`.
        paper: the method `paper`.
        hyperparameters: a table for each of the other methods.
        holdout: share of the training set that `default` and `paper` get as clean images beside
            it. They need none.
        fresh_holdout: draw holdouts from the images that `skip` leaves out, which no victim was
            trained on. Otherwise they are untouched training images of the victim.
        longer: attacks that need more epochs than the recipe has. If `none` is among the attacks,
            a clean model is trained as long.
        reactivation: fine-tunes every model that a defense repaired on a few triggered images. Off
            without a number of images.
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
    longer: LongerTraining = field(default_factory=LongerTraining)
    reactivation: Reactivation = field(default_factory=Reactivation)

    def __post_init__(self) -> None:
        self._check_numbers()
        for method, table in OWN_TABLES.items():
            if method in self.hyperparameters:
                raise InputError(f"hyperparameters.{method}: its settings are the table [{table}]")
        for method in (*self.methods, *self.hyperparameters):
            self.build_method(method)
        for name in (*self.attacks, *self.longer.attacks, *self.at_most):
            for rate in self.rates:
                ATTACKS.named(name)(poisoning_rate=rate, target_label=self.target_label)
            ATTACKS.named(name)(target_label=self.target_label)
        if self.fresh_holdout and not self.skip:
            raise InputError("fresh_holdout: skip leaves no images out that it could be drawn from")
        if self.longer.attacks and self.longer.epochs < 1:
            raise InputError(f"longer.epochs is {self.longer.epochs}: give at least 1")

    def _check_numbers(self) -> None:
        """Raise InputError if a number is out of its range."""
        if min(self.train, self.skip) < 0:
            raise InputError(
                f"train={self.train}, skip={self.skip}: give 0 or more (a train of 0 is all)"
            )
        if not 0 <= self.holdout < 1:
            raise InputError(f"holdout is {self.holdout}: give a fraction in [0, 1)")
        for seed in self.seeds:
            if not 0 <= seed <= MAX_SEED:
                raise InputError(f"seeds has {seed}: give 0 to {MAX_SEED}")
        for name, rate in self.at_most.items():
            if not 0 < rate <= 1:
                raise InputError(f"at_most.{name} is {rate}: give a fraction above 0, at most 1")

    def build_method(self, method: str) -> Defense | Detector | Oracle:
        """The defense, detector or oracle of that name, with the study's hyperparameters.

        >>> Study(hyperparameters={"clp": {"u": 2.0}}).build_method("clp")
        CLP(u=2.0)
        """
        if method in OWN_TABLES:
            return self.burn if method == "default" else self.paper
        where = f"hyperparameters.{method}"
        return overlay(compared_named(method)(), self.hyperparameters.get(method, {}), where)


def load_study(file: str | Path) -> Study:
    """Read a study from a TOML file.

    Raises:
        InputError: the file is missing or names no cell, or a name or value is wrong.
    """
    study = overlay(Study(), read_toml(Path(file)), str(file))
    if not study.attacks or not study.seeds:
        raise InputError(f"{file} names no cell: give attacks and seeds")
    return study
