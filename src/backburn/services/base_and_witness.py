"""Adding pretrained networks to a case: the base of its model, and a witness.

The attacker had no influence on either of them.
"""

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
from ..models.base_network import load_base
from ..models.inference import as_images, device_of, frozen
from ..models.open.find_network import network_spec
from ..models.open.huggingface_config import CONFIG_FILE
from ..models.open.open_encoder import open_encoder
from ..models.open.pretrained_weights import LIBRARIES, pretrained_weights
from ..types import Case
from .opened_case import OpenedCase

HUB_NAME = re.compile(r"[A-Za-z0-9_-]+/[A-Za-z0-9._-]+")
Weights: TypeAlias = str | Path | Mapping[str, Tensor] | nn.Module
Network: TypeAlias = str | Path | nn.Module


def with_pretrained(
    opened: OpenedCase,
    base: Weights | None,
    witness: Network | None,
    architecture: str | None,
    seed: int,
) -> OpenedCase:
    """The case with a base and a witness where these are given, and notes about them.

    Args:
        base: a file, a name (see `models.open.pretrained_weights`), a state_dict, or a network.
        witness: a file, a name, or a network from pixels in [0, 1] to features `(n, d)`.
        architecture: of the witness's file, where the file does not name it.
        seed: of the layers that the base lacks.
    Raises:
        InputError: the base does not fit the model, or the witness does not take these images.
    """
    case, notes = opened.case, list[str]()
    device = device_of(case.model)
    if base is not None:
        weights, source = _weights(base)
        pretrained = load_base(case.model, weights, source, seed)
        notes.append(pretrained.report(source))
        case = replace(case, base=pretrained.network.to(device))
    if witness is not None:
        is_name = isinstance(witness, (str, Path))
        encoder: Any = open_encoder(str(witness), architecture) if is_name else witness
        source = str(witness) if is_name else type(witness).__name__
        case = replace(case, witness=encoder.to(device))
        notes.append(f"witness: {source}, {_feature_count(case, source)} features")
    elif architecture is not None:
        raise InputError("--witness-arch names the network of a witness: give --witness, too")
    if base is None and witness is None and (likely := likely_base(opened)):
        notes.append(
            f"if it was fine-tuned from pretrained weights that you trust, --base {likely} "
            "gives a second opinion of every image"
        )
    return replace(opened, case=case).with_notes(tuple(notes))


def check_takes_pretrained(method: Unlearning, base: object, witness: object) -> None:
    """Refuse a base or a witness that the method would ignore.

    Raises:
        InputError: a base or a witness together with the method as published.
    """
    if not isinstance(method, BURN) and not (base is None and witness is None):
        raise InputError(
            "the method as published takes no base and no witness: leave them out, or leave out "
            "the method"
        )


def likely_base(opened: OpenedCase) -> str | None:
    """Name of the weights that a model was probably fine-tuned from; None if nothing tells.

    The name comes from its architecture or from its Hugging Face configuration.
    """
    arch = opened.arch or ""
    if arch.partition(":")[0] in LIBRARIES:
        return arch if network_spec(arch).normalization else None  # set where weights exist
    config = opened.origin.extra_files.get(CONFIG_FILE) if opened.origin else None
    try:
        name = json.loads(config or "{}").get("_name_or_path")
    except (ValueError, AttributeError):
        return None
    return f"hf:{name}" if isinstance(name, str) and HUB_NAME.fullmatch(name) else None


def _weights(base: Weights) -> tuple[dict[str, Tensor], str]:
    """Weights by name, and their source for messages."""
    if isinstance(base, (str, Path)):
        return pretrained_weights(str(base)), str(base)
    weights = base.state_dict() if isinstance(base, nn.Module) else base
    return dict(weights), type(base).__name__


def _feature_count(case: Case, source: str) -> int:
    """Number of features that the witness returns for an image of the case."""
    few = as_images(case.images.pixels[:2], device_of(case.model))
    try:
        with frozen(case.witness), torch.inference_mode():  # type: ignore[arg-type]
            features = case.witness(few)  # type: ignore[misc]
        if features.dim() != 2 or len(features) != len(few):
            raise ValueError(f"it returns shape {tuple(features.shape)} for {len(few)} images")
    except Exception as error:  # a foreign network may fail in any way
        raise InputError(f"{source} does not take these images: {first_line(error)}") from error
    return int(features.shape[1])
