"""Saving weights, and opening a stranger's: tensors only, never code."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..errors import InputError
from .classifier import Classifier
from .zoo import ARCHITECTURES, build, parse_architecture


def dump_model(model: Classifier) -> bytes:
    """The model as safetensors bytes, with the architecture's name in the metadata."""
    architecture = model.architecture
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    return save(weights, metadata={"backburn": json.dumps({"architecture": architecture})})


def load_model(path: str | Path, architecture: str | None = None) -> Classifier:
    """A built-in network with the weights of a file, in evaluation mode.

    Class count, channels and width are read off the weights. Nothing in the file is executed.

    Args:
        path: `.safetensors`, or `.pt`/`.pth` with a bare state_dict.
        architecture: see `backburn.models.zoo`; not needed for files that backburn wrote.
    Raises:
        InputError: no such file, not a weights file, weights that do not fit, NaN or inf in them.
    """
    weights, metadata = _read_weights(Path(path))
    name = architecture or metadata
    if name is None:
        raise InputError(f"{path} does not say what network it is for: name it with --arch")
    _check_finite(weights, path)
    model = _empty_network(name, weights, path)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise InputError(f"{path} does not fit {name}: {first[:200]}") from error
    return model.eval()


def _read_weights(path: Path) -> tuple[dict[str, Tensor], str | None]:
    if not path.is_file():
        raise InputError(f"no model file at {path}: give a .safetensors or .pt file")
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, framework="pt") as file:
                metadata = (file.metadata() or {}).get("backburn")
                return {key: file.get_tensor(key) for key in file.keys()}, _architecture(metadata)  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path} is not a safetensors file: {error}") from error
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load fails in many ways on a foreign file
        raise InputError(
            f"{path} does not open as plain weights (tensors only; code in a checkpoint is never "
            "run): save its state_dict as .safetensors"
        ) from error
    if not isinstance(weights, dict) or not all(isinstance(w, Tensor) for w in weights.values()):
        raise InputError(f"{path} holds no bare state_dict: save model.state_dict() on its own")
    return weights, None


def _architecture(metadata: str | None) -> str | None:
    try:
        found = json.loads(metadata or "{}")
    except ValueError:
        return None
    name = found.get("architecture") if isinstance(found, dict) else None
    return name if isinstance(name, str) else None


def _check_finite(weights: dict[str, Tensor], path: str | Path) -> None:
    for name, tensor in weights.items():
        bad = int((~tensor.isfinite()).sum()) if tensor.is_floating_point() else 0
        if bad:
            raise InputError(
                f"{path} is broken: {bad} of {tensor.numel()} values of {name!r} are NaN or "
                "infinite; use a checkpoint from before training diverged"
            )


def _empty_network(name: str, weights: dict[str, Tensor], path: str | Path) -> Classifier:
    """A network of the size that the weights tell; the first convolution and the head say it."""
    base, _ = parse_architecture(name)
    try:
        width, channels = weights[f"{base.stem}.weight"].shape[:2]
        classes = weights["head.weight"].shape[0]
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(f"{path} does not fit {name}: it has no {base.stem} or no head") from error
    arch = next(key for key, value in ARCHITECTURES.items() if value is base)
    return build(f"{arch}-w{width}", classes, channels)
