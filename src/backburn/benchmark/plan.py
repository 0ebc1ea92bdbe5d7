"""The cells of a study: each is a victim and a method that runs on it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal, cast

import msgspec

from ..attacks.base import Attack, Recipe
from ..interfaces import Inputs
from ..registry import ATTACKS, DEFENSES, DETECTORS, METHODS
from .study_file import Study


@dataclass(frozen=True)
class Cell:
    """One victim and the method that runs on it."""

    study: Study
    attack: str
    rate: float
    seed: int
    epochs: int
    method: str = "default"

    @property
    def victim_name(self) -> str:
        """The name of the victim's folder; methods share their victims."""
        suffix = f"-{self.epochs}" if self.epochs != self.study.recipe.training.epochs else ""
        return f"{self.attack}-{self.rate:.12g}-{self.seed}{suffix}"

    @property
    def name(self) -> str:
        """The name of the cell's record, unique within its study."""
        return self.victim_name + ("" if self.method == "default" else f"-{self.method}")

    @property
    def kind(self) -> Literal["defense", "detector"]:
        """Whether the method is a detector. An oracle repairs a model, as a defense does."""
        return "detector" if self.method in DETECTORS else "defense"

    @property
    def is_reactivated(self) -> bool:
        """Whether the repaired model is fine-tuned on triggered images.

        Clean models have none, and an oracle has seen all of them.
        """
        wanted = bool(self.study.reactivation.images)
        return wanted and self.method in DEFENSES and self.attack != "none"

    @property
    def inputs(self) -> Inputs:
        """What the method gets besides the model."""
        inputs = self.study.build_method(self.method).inputs
        return replace(inputs, holdout=self.study.holdout) if self.method in METHODS else inputs

    @property
    def clean_cell(self) -> "Cell | None":
        """The cell of the clean model of the same seed and epochs; None if the study has none."""
        if "none" not in self.study.attacks:
            return None
        return Cell(self.study, "none", 0.0, self.seed, self.epochs)

    @property
    def recipe(self) -> Recipe:
        """The study's recipe with this cell's epochs."""
        training = replace(self.study.recipe.training, epochs=self.epochs)
        return replace(self.study.recipe, training=training)

    def build_attack(self) -> Attack:
        """The attack with this cell's rate and target."""
        rate = {"poisoning_rate": self.rate} if self.rate else {}
        return ATTACKS.named(self.attack)(target_label=self.study.target_label, **rate)

    def attack_settings(self) -> dict[str, Any]:
        """The attack's hyperparameters, as plain values."""
        return cast(dict[str, Any], _as_json(self.build_attack()))

    def victim_settings(self) -> dict[str, Any]:
        """What the victim depends on besides its name, as plain values."""
        parts = ["dataset", "train", "target_label", *(["skip"] if self.study.skip else [])]
        values = {part: _as_json(getattr(self.study, part)) for part in parts}
        return {**values, "recipe": _as_json(self.recipe)}

    def settings(self) -> dict[str, Any]:
        """What the result depends on besides the cell's name, as plain values."""
        if not self.study.defend:
            return self.victim_settings()
        settings = _as_json(self.study.build_method(self.method))
        return {
            **self.victim_settings(),
            "method": self.method,
            "burn": settings,
            **self._holdout_settings(),
            **self._reactivation_settings(),
        }

    def _holdout_settings(self) -> dict[str, Any]:
        """Settings of the holdout that don't follow from the method. Older records lack them."""
        if not self.inputs.holdout:
            return {}
        share = {"holdout": self.inputs.holdout} if self.method in METHODS else {}
        fresh = {"fresh_holdout": True} if self.study.fresh_holdout else {}
        return share | fresh

    def _reactivation_settings(self) -> dict[str, Any]:
        """Settings of the retuning attack, if repaired models are tested by it."""
        return {"reactivation": _as_json(self.study.reactivation)} if self.is_reactivated else {}

    def victim_arguments(self) -> dict[str, Any]:
        """The arguments in the victim's record, which decide whether it can be reused."""
        return {"attack": self.attack_settings(), "settings": self.victim_settings()}

    def arguments(self) -> dict[str, Any]:
        """The arguments in the cell's record, which decide whether it can be reused."""
        return {"cell": self.name, "attack": self.attack_settings(), "settings": self.settings()}


def planned_cells(study: Study) -> list[Cell]:
    """Every cell of the study, in the order of the file.

    >>> [cell.name for cell in planned_cells(Study(attacks=["badnets", "none"], seeds=[3]))]
    ['badnets-0.05-3', 'none-0-3']
    """
    grid = product(study.seeds, study.rates or [0.0], study.methods, study.attacks)
    cells = [
        replace(cell, method=method)
        for seed, rate, method, name in grid
        for cell in _victim_cells(study, name, rate, seed)
    ]
    return list({cell.name: cell for cell in cells}.values())


def _victim_cells(study: Study, name: str, rate: float, seed: int) -> Iterator[Cell]:
    """The cell of one victim. `none` has two if attacks of the study differ in their epochs."""
    rate = min(rate or ATTACKS.named(name)().poisoning_rate, study.at_most.get(name, 1.0))
    rate = 0.0 if name == "none" else rate
    attacks = study.attacks if name == "none" else [name]
    longer = not set(attacks).isdisjoint(study.longer.attacks)
    if not longer or name == "none":
        yield Cell(study, name, rate, seed, study.recipe.training.epochs)
    if longer:
        yield Cell(study, name, rate, seed, study.longer.epochs)


def _as_json(value: Any) -> Any:
    """A value as a record reads it back: tuples become lists."""
    return msgspec.json.decode(msgspec.json.encode(value))
