"""A base and a witness beside a case: what the defender has, and the attacker had no hand in."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ..burn.burn import BURN
from ..burn.interface import Unlearning
from ..errors import InputError, first_line
from ..models.fine_tuned_base import on_base
from ..models.inference import as_images, device_of, frozen
from ..models.open.encoders import open_encoder
from ..models.open.huggingface_config import CONFIG
from ..models.open.network_names import recipe_named
from ..models.open.pretrained_weights import LIBRARIES, pretrained_weights
from ..types import Case
from .opened_case import Opened

HUB_NAME = re.compile(r"[A-Za-z0-9_-]+/[A-Za-z0-9._-]+")
Weights: TypeAlias = str | Path | Mapping[str, Tensor] | nn.Module
Network: TypeAlias = str | Path | nn.Module


def with_pretrained(
    opened: Opened,
    base: Weights | None,
    witness: Network | None,
    architecture: str | None,
    seed: int,
) -> Opened:
    """The case with a base and a witness, where they are given, and lines about them.

    Args:
        base: a file, a name (see `models.pretrained`), a state_dict, or a network.
        witness: a file, a name, or a network on pixels in [0, 1] that returns features `(n, d)`.
        architecture: the network of the witness's file, where that does not say it.
        seed: of what the base does not have.
    Raises:
        InputError: a base that is not one, a witness that does not take these images.
    """
    case, lines = opened.case, list[str]()
    device = device_of(case.model)
    if base is not None:
        weights, where = _weights(base)
        found = on_base(case.model, weights, where, seed)
        lines.append(found.report(where))
        case = replace(case, base=found.network.to(device))
    if witness is not None:
        named = isinstance(witness, (str, Path))
        encoder: Any = open_encoder(str(witness), architecture) if named else witness
        where = str(witness) if named else type(witness).__name__
        case = replace(case, witness=encoder.to(device))
        lines.append(f"witness: {where}, {_dimensions(case, where)} features")
    elif architecture is not None:
        raise InputError("--witness-arch names the network of a witness: give --witness, too")
    if base is None and witness is None and (likely := likely_base(opened)):
        lines.append(
            f"if it was fine-tuned from pretrained weights that you trust, --base {likely} "
            "gives a second opinion of every image"
        )
    return replace(opened, case=case).noting(tuple(lines))


def check_used(method: Unlearning, base: object, witness: object) -> None:
    """Refuse what a method would not look at.

    Raises:
        InputError: a base or a witness beside the method as published.
    """
    if not isinstance(method, BURN) and not (base is None and witness is None):
        raise InputError(
            "the method as published takes no base and no witness: leave them out, or leave out "
            "the method"
        )


def likely_base(opened: Opened) -> str | None:
    """What a model was fine-tuned from, as far as its network or its configuration tells."""
    arch = opened.arch or ""
    if arch.partition(":")[0] in LIBRARIES:
        return arch if recipe_named(arch).normalization else None  # of which there are weights
    held = opened.origin.beside.get(CONFIG) if opened.origin else None
    try:
        named = json.loads(held or "{}").get("_name_or_path")
    except (ValueError, AttributeError):
        return None
    return f"hf:{named}" if isinstance(named, str) and HUB_NAME.fullmatch(named) else None


def _weights(base: Weights) -> tuple[dict[str, Tensor], str]:
    """Weights, and what messages call them."""
    if isinstance(base, (str, Path)):
        return pretrained_weights(str(base)), str(base)
    held = base.state_dict() if isinstance(base, nn.Module) else base
    return dict(held), type(base).__name__


def _dimensions(case: Case, where: str) -> int:
    """How many numbers a witness returns of an image of the case."""
    few = as_images(case.images.pixels[:2], device_of(case.model))
    try:
        with frozen(case.witness), torch.inference_mode():  # type: ignore[arg-type]
            said = case.witness(few)  # type: ignore[misc]
        if said.dim() != 2 or len(said) != len(few):
            raise ValueError(f"it returns shape {tuple(said.shape)} for {len(few)} images")
    except Exception as error:  # a stranger's network may fail in any way
        raise InputError(f"{where} does not take these images: {first_line(error)}") from error
    return int(said.shape[1])
