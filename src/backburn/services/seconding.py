"""A base and a witness beside a case: what the defender has, and the attacker had no hand in."""

from dataclasses import replace

import torch

from ..errors import InputError, first_line
from ..models.base import on_base
from ..models.encoders import open_encoder
from ..models.inference import as_images, device_of
from ..models.pretrained import pretrained_weights
from ..types import Case
from .given import Given
from .opened import Opened


def with_pretrained(opened: Opened, given: Given, seed: int) -> Opened:
    """The case with the base and the witness that are named, and lines about them.

    Raises:
        InputError: a base that is not one, a witness that does not take these images.
    """
    case, lines = opened.case, list[str]()
    device = device_of(case.model)
    if given.base is not None:
        base = on_base(case.model, pretrained_weights(given.base), given.base, seed)
        lines.append(base.report(given.base))
        case = replace(case, base=base.network.to(device))
    if given.witness is not None:
        witness = open_encoder(given.witness, given.witness_arch).to(device)
        case = replace(case, witness=witness)
        lines.append(f"witness: {given.witness}, {_dimensions(case, given.witness)} features")
    elif given.witness_arch is not None:
        raise InputError("--witness-arch names the network of a witness: give --witness, too")
    return replace(opened, case=case).noting(tuple(lines))


def _dimensions(case: Case, name: str) -> int:
    """How many numbers a witness returns of an image of the case."""
    few = as_images(case.images.pixels[:2], device_of(case.model))
    try:
        with torch.inference_mode():
            said = case.witness(few)  # type: ignore[misc]
    except Exception as error:  # a stranger's network may fail in any way
        raise InputError(f"{name} does not take these images: {first_line(error)}") from error
    return int(said.shape[1])
