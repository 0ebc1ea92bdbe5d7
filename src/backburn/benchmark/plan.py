"""What a study plans: cells, each a victim and what a method makes of it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal, cast

import msgspec

from ..attacks.base import Attack, Recipe
from ..interfaces import Given
from ..registry import DETECTORS, METHODS, attack_named
from .study import Study


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


def planned(study: Study) -> list[Cell]:
    """Every cell of the study, in the order of the file."""
    grid = product(study.seeds, study.rates or [0.0], study.methods, study.attacks)
    cells = [
        replace(cell, method=method)
        for seed, rate, method, name in grid
        for cell in _of_victims(study, name, rate, seed)
    ]
    return list({cell.name: cell for cell in cells}.values())


def _of_victims(study: Study, name: str, rate: float, seed: int) -> Iterator[Cell]:
    """Of one victim, or of the two clean models that victims of a study are compared with."""
    rate = min(rate or attack_named(name)().poisoning_rate, study.at_most.get(name, 1.0))
    rate = 0.0 if name == "none" else rate
    compared = study.attacks if name == "none" else [name]
    longer = not set(compared).isdisjoint(study.longer.attacks)
    if not longer or name == "none":
        yield Cell(study, name, rate, seed, study.recipe.training.epochs)
    if longer:
        yield Cell(study, name, rate, seed, study.longer.epochs)


def _plain(value: Any) -> Any:
    """What a record is read back as: tuples are lists there."""
    return msgspec.json.decode(msgspec.json.encode(value))
