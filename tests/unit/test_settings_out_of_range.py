"""Settings out of range are refused: those of every method, and those of the parts of a method."""

import math
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import get_type_hints

import pytest

from backburn.attacks.base import Attack
from backburn.baselines.defenses.inversion import TriggerInversion
from backburn.boundary.budget import Budget
from backburn.burn.decoupling import Decoupling
from backburn.burn.purification import Purification
from backburn.burn.refinement import Refinement
from backburn.burn.restoration import Restoration
from backburn.data.augmentation import Augmentation
from backburn.detection.retraining import Retraining
from backburn.errors import InputError
from backburn.fit.fit_check import FitCheck
from backburn.registry import ATTACKS, DEFENSES, DETECTORS, ORACLES
from backburn.training import Training

METHODS = {**ATTACKS, **DEFENSES, **DETECTORS, **ORACLES}
NAN, INF = math.nan, math.inf
OUTSIDE = (-0.1, 1.1, NAN)

OUT_OF_RANGE = {
    "adap_blend": {
        "cover_rate": (0.0, 1.0, NAN),
        "alpha": (1.5,),
        "pieces": (1,),
        "masked": (0.99,),
        "cells": (0,),
    },
    "adap_patch": {"cover_rate": (0.0, 1.0, NAN)},
    "adaptive": {
        "alpha": (0.0, 1.0),
        "separation": (-1.0, NAN, INF),
        "transfer": (-1.0, NAN),
        "probe": (-1.0, INF),
        "extra": (1,),
    },
    "blended": {"alpha": (0.0, 1.0)},
    "bpp": {"cover_rate": (0.0, 1.0, NAN), "levels": (1, 129)},
    "combat": {
        "strength": (0.0, 256.0, NAN),
        "ratio": (0.0, 1.0, NAN),
        "smallness": (-1.0, INF),
        "clean_weight": (-1.0, INF),
        "width": (6,),
    },
    "ftrojan": {"magnitude": (0.0, NAN), "window": (2,)},
    "grond": {
        "epsilon": (0.0, 256.0, NAN),
        "step": (0.0, NAN),
        "steps": (0,),
        "u": (0.0, -1.0, INF, NAN),
    },
    "iad": {
        "density": (0.0,),
        "diversity": (-1.0, NAN, INF),
        "norm": (-1.0, NAN, INF),
        "learning_rate": (0.0, INF),
        "width": (2,),
    },
    "issba": {
        "bits": (0, 33),
        "strength": (0.0,),
        "width": (6,),
        "free": (0.0,),
        "specific": (-1.0, INF),
    },
    "lc": {"epsilon": (0.0,), "step": (0.0,), "steps": (0,)},
    "lf": {"delta": (0.1,), "cutoff": (0,)},
    "multi_trigger": {
        "cover_rate": (0.0, 1.0, NAN),
        "triggers": (0, 5),
        "source_labels": ((), (1, 1), (-1,), (0,)),
        "target_labels": ((0,), (0, 0, -1), (1, 0, 0)),
    },
    "narcissus": {
        "epsilon": (0.0, 256.0, NAN),
        "magnification": (0.5, NAN),
        "steps": (0,),
        "learning_rate": (0.0, 1.0),
    },
    "sig": {"delta": (0.0, -40.0, 256.0, NAN), "frequency": (NAN,)},
    "tact": {"cover_rate": (0.0, 1.0, NAN), "source_label": (-1, 0)},
    "trojan": {"alpha": (0.0,)},
    "trojannn": {"neurons": (0,), "steps": (0,)},
    "wanet": {"strength": (0.0,), "cover_ratio": (-1.0,), "control_points": (1,)},
    "default": {
        "steps": (0,),
        "base_steps": (0,),
        "base_rounds": (0,),
        "head_learning_rate": (0.0,),
        "behind": (1.0,),
    },
    "paper": {"rounds": (0,), "abnormal": (0.0,), "budget": ("slow",)},
    "abl": {"isolation_rate": (0.0,), "gamma": (-1.0, INF)},
    "anp": {
        "epsilon": (-0.1,),
        "alpha": (1.1,),
        "iterations": (0,),
        "batch_size": (1,),
        "learning_rate": (0.0,),
        "momentum": (1.0,),
        "threshold": (2.0,),
    },
    "anp_oracle": {"step": (0.0,), "highest": (1.1,), "tolerance": (0.0,)},
    "clp": {"u": (0.0,)},
    "dbr": {"poison_rate": (0.0,), "degrees": (181.0,), "shift": (1.0,)},
    "fp": {"tolerance": (1.0, -0.1)},
    "fst": {"alpha": (-1.0, INF)},
    "ft_sam": {"rho": (-1.0,)},
    "ibau": {"rounds": (0,), "portion": (0.0,), "bound": (0.0,), "shrinkage": (-1.0,)},
    "nad": {"betas": ((), (1.0, -1.0)), "power": (0.5,), "teacher_epochs": (0,)},
    "nc": {"abnormal": (0.0,), "stamped": (1.1,)},
    "sau": {"bound": (0.0,), "steps": (0,), "shared": (-1.0,)},
    "tac": {"abnormal": (0.0,), "beta": (-1.0, INF)},
    "vab": {
        "threshold": (0.0,),
        "easing": (1.1,),
        "newest": (0.0,),
        "attention": (2.0,),
        "refresh": (0,),
        "views": (0,),
        "temperature": (0.0, INF),
        "weights": ((0.1, -1.0), (INF, 0.5)),
    },
    "boundary": {
        "budget": ("slow",),
        "batch_size": (0,),
        "probes": (0,),
        "asked": (0,),
        "placebos": (0,),
        "natural_group": (0,),
        "smallest": (1,),
        "smallest_class": (9,),
        "resolution": (0.0,),
        "resolution_probe": (0.0,),
        "resolution_transplant": (1.0,),
        "resolution_source": (0.0,),
        "tail": (0.0, 1.0),
        "least": (1.0,),
        "standard_errors": (-1.0, INF),
        "false_alarm": (0.0, NAN),
        "suspicion": (1.0, NAN),
    },
    "ac": {"components": (0,), "silhouette": (2.0,), "smaller": (0.6,)},
    "agpd": {"clean_per_class": (0,), "step": (1.0,), "threshold": (INF,)},
    "beatrix": {"orders": (0,), "sample": (1,), "percentile": (1.0,), "deviations": (0.0,)},
    "ct": {
        "keep": ((1.0,),),
        "class_share": (0.0,),
        "weights": ((20.0,), (0.5, 40.0, 60.0, 30.0, 20.0)),
        "steps": (0,),
        "first_threshold": (0.5, 3.0),
        "threshold": (INF,),
    },
    "flare": {
        "stability": (-1.0, INF),
        "depth": (0,),
        "neighbors": (1,),
        "smallest": (1,),
        "smallest_share": OUTSIDE,
    },
    "ibd_psc": {"factor": (0.0,), "models": (0,), "error": (1.0,), "threshold": (2.0,)},
    "loss": {"isolated": (1.0,)},
    "margin": {"abnormal": (0.0,)},
    "mspc": {
        "scales": ((),),
        "shift": (1.0,),
        "rounds": (0,),
        "learning_rate": (0.0,),
        "sparsity": (-1.0,),
        "momentum": (1.0,),
    },
    "psbd": {"rates": ((), (1.0,)), "passes": (0,), "shift": (1.1,), "quantile": (0.0, 1.0)},
    "scale_up": {"scales": ((), (-1.0,)), "threshold": (NAN,)},
    "scan": {"threshold": (-1.0,)},
    "spectral": {"expected": (0.7,)},
    "spectre": {"expected": (0.0,), "alpha": (-1.0,), "dimensions": ((),)},
    "strip": {"superpositions": (0,), "false_rejection": (1.0,)},
}
"""Values that are refused, by method and field."""

PARTS = {
    Augmentation: {"shift": (-0.1, 1.0, 4.0, NAN)},
    Budget: {
        "candidates": (0,),
        "rivals": (0.99, NAN),
        "survivors": (0,),
        "patience": (0,),
        "opening": (-1,),
        "closing": (-1,),
        "refining": (-1,),
    },
    Decoupling: {"stamped": OUTSIDE},
    FitCheck: {"images": (0,), "accuracy": OUTSIDE, "class_accuracy": OUTSIDE, "least": OUTSIDE},
    Purification: {"confident": OUTSIDE},
    Refinement: {"rounds": (0,), "trust": (0.5, 1.0)},
    Restoration: {
        "transferred": OUTSIDE,
        "clean_label": OUTSIDE,
        "max_class_share": OUTSIDE,
        "sample_size": (0,),
    },
    Retraining: {"reset": (0.0, 1.1), "steps": (0,)},
    Training: {
        "epochs": (0,),
        "batch_size": (1,),
        "learning_rate": (0.0, -1.0, NAN, INF),
        "momentum": (1.0, -0.1),
        "weight_decay": (-1e-4, NAN, INF),
        "warmup": (1.0, -0.1),
        "label_smoothing": (1.0, -0.1),
    },
    TriggerInversion: {
        "patience": (0,),
        "success": (0.0,),
        "multiplier": (1.0,),
        "learning_rate": (0.0,),
    },
}
"""The same for the parts of methods."""

TABLES = {
    Augmentation: "augmentation.",
    Decoupling: "decoupling.",
    Purification: "purification.",
    Refinement: "refinement: ",
    Restoration: "restoration: ",
    Retraining: "retraining: ",
    TriggerInversion: "inversion: ",
}
"""The start of a part's message: the table of a configuration that the field is in."""

TOGETHER = (
    ("dbr", {"clean_rate": 0.8, "poison_rate": 0.3}),
    ("boundary", {"false_alarm": 0.1, "suspicion": 0.05}),
)
"""Values that are refused only together."""

RATES = (0.0, 1.0, -0.1, 1.5, NAN)

NO_RANGE = {
    (name, "size")
    for name in ("adap_patch", "badnets", "lc", "multi_trigger", "tact", "trojan", "trojannn")
}
"""Fields of which nothing is known before there are images: the size of a patch."""


def kind_of(name: str | type) -> type:
    return METHODS[name] if isinstance(name, str) else name


def single_values() -> Iterator[tuple[str | type, dict[str, object]]]:
    for kind, table in {**OUT_OF_RANGE, **PARTS}.items():
        for name, values in table.items():
            yield from ((kind, {name: value}) for value in values)
    for attack in ATTACKS:
        yield from ((attack, {"poisoning_rate": rate}) for rate in RATES)
        yield attack, {"target_label": -1}


def say(each: object) -> str:
    return each.__name__ if isinstance(each, type) else str(each)


def check_refusal(kind: type, settings: dict[str, object]) -> None:
    """It is refused in one line, which names each field and its value, and says what to give."""
    with pytest.raises(InputError) as caught:
        kind(**settings)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(TABLES.get(kind, ""))
    for name, value in settings.items():
        assert re.search(rf"\b{name}\b", message)
        assert str(value) in message
    assert re.search(r"give|unknown|no piece is left", message)


@pytest.mark.parametrize(("kind", "settings"), [*single_values(), *TOGETHER], ids=say)
def test_a_setting_out_of_range_is_refused_by_name_and_value(kind, settings):
    check_refusal(kind_of(kind), settings)


@pytest.mark.parametrize("kind", [*METHODS, *PARTS], ids=say)
def test_every_number_has_a_range(kind):
    """No field takes a number that is none, and none that counts something is negative."""
    default, hints = kind_of(kind)(), get_type_hints(kind_of(kind))
    for name in (field.name for field in fields(default)):
        if hints[name] in (int, float) and (kind, name) not in NO_RANGE:
            check_refusal(kind_of(kind), {name: -1 if hints[name] is int else NAN})


def test_every_method_and_part_with_a_range_is_in_the_table():
    def parts(value: object) -> Iterator[type]:
        yield type(value)
        for field in fields(value):
            if is_dataclass(part := getattr(value, field.name)):
                yield from parts(part)

    seen = {part for method in METHODS.values() for part in parts(method())}
    ranged = {
        part
        for part in seen
        if any(hint in (int, float) for hint in get_type_hints(part).values())
        and getattr(part, "__post_init__", None) not in (None, Attack.__post_init__)
    }
    assert ranged <= {kind_of(kind) for kind in {**OUT_OF_RANGE, **PARTS}}


def test_the_smallest_budget_is_taken():
    least = dict.fromkeys(("candidates", "rivals", "survivors", "patience"), 1)
    least |= dict.fromkeys(("opening", "closing", "refining"), 0)
    budget = Budget(**least)
    assert {name: getattr(budget, name) for name in least} == least
