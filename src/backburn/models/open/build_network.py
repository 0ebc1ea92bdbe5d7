"""Build a network with the weights of a file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ...errors import InputError
from ..outputs import remove_probability_layer
from ..wrapping import probe_network
from .checkpoint import Checkpoint
from .class_lists import read_classes_beside
from .find_network import NetworkSpec, Normalization
from .fit_network import fit_network
from .match_weights import WeightMatch, check_match, strip_prefix
from .opened_model import OpenedModel, Origin, finalize

NORMALIZATION_NAMES = (("mean", "std"), ("mu", "sigma"))
"""Ends of the names of the two buffers of a normalization layer."""
MAX_BYTE = 255.0


def build_network(
    spec: NetworkSpec,
    checkpoint: Checkpoint,
    path: Path,
    normalization: Normalization | None,
    side: int | None = None,
) -> OpenedModel:
    """Build a network with the weights of a checkpoint.

    Args:
        path: of the checkpoint's file.
        normalization: given by the user.
        side: height and width of the images, if known.
    Raises:
        InputError: weights that do not fit the network.
    """
    spec, checkpoint, sizes, match, skeleton = fit_network(spec, checkpoint, path, side)
    check_match(match, skeleton, spec.name, str(path))
    network = spec.make(sizes)
    network.load_state_dict(match.weights, strict=False)
    network.eval()
    channels = (sizes.channels,) if sizes.channels else (3, 1)
    size = (sizes.image, sizes.image) if sizes.image else spec.size
    if size is None and side is not None and not _takes_common_size(network, channels):
        size = (side, side)
    signature = probe_network(network, channels, size)
    report = [_describe_source(checkpoint, path), *match.report(), *filter(None, [spec.note])]
    probe = torch.rand(2, signature.channels, *(size or signature.size))
    if line := remove_probability_layer(network, probe):
        signature = probe_network(network, channels, size)
        report.append(line)
    if not signature.contiguous:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    in_file = find_normalization(checkpoint.weights, match, signature.channels)
    if in_file is not None and normalization is None:
        normalization, names = in_file
        report.append(f"normalization: that of the file ({names})")
    class_names, source = checkpoint.class_names, "its file"
    if len(class_names) != signature.classes:
        class_names, source = read_classes_beside(path)
    return finalize(
        OpenedModel(
            network,
            signature,
            size,
            normalization or if_channels_match(spec.normalization, signature.channels),
            tuple(report),
            _origin(checkpoint, match, path),
            class_names=class_names,
            class_names_source=source if class_names else "",
        )
    )


def if_channels_match(normalization: Normalization | None, channels: int) -> Normalization | None:
    """Return a normalization if it is for this number of channels, else None.

    >>> if_channels_match(((0.5,), (0.25,)), 3) is None
    True
    """
    return (
        normalization if normalization is not None and len(normalization[0]) == channels else None
    )


def find_normalization(
    weights: Mapping[str, Tensor], match: WeightMatch, channels: int
) -> tuple[Normalization, str] | None:
    """Find the mean and standard deviation of a normalization layer in front of the network.

    Values above 1 are taken to be for pixels from 0 to 255.

    Args:
        weights: all weights of the file.
        match: those of the network, which are ignored.
        channels: of the images.
    Returns:
        The normalization and the names of its weights; None if there is none.
    """
    used = set(match.file_names.values())
    unused = {
        name: tensor
        for name, tensor in weights.items()
        if name not in used and tensor.numel() in (1, channels) and tensor.is_floating_point()
    }
    for mean_name, std_name in NORMALIZATION_NAMES:
        for name, mean in unused.items():
            other = name[: -len(mean_name)] + std_name
            if name.endswith(mean_name) and other in unused:
                normalization = _to_unit_range(mean, unused[other], channels)
                if all(value > 0 for value in normalization[1]):
                    return normalization, f"{name}, {other}"
    return None


def _to_unit_range(mean: Tensor, std: Tensor, channels: int) -> Normalization:
    """The same normalization, one value per channel, for pixels in [0, 1]."""
    mean, std = (tensor.flatten().double().expand(channels) for tensor in (mean, std))
    is_bytes = float(mean.abs().max()) > 1 or float(std.max()) > 3
    unit = MAX_BYTE if is_bytes else 1.0
    return tuple((mean / unit).tolist()), tuple((std / unit).tolist())


def _takes_common_size(network: nn.Module, channels: Sequence[int]) -> bool:
    """Whether a network takes images of one of the common sizes."""
    try:
        probe_network(network, channels)
    except InputError:
        return False
    return True


def _origin(checkpoint: Checkpoint, match: WeightMatch, path: Path) -> Origin:
    copies = [(checkpoint.keys, names) for names in match.copies.values()]
    shapes = {name: checkpoint.weights[key].shape for name, key in match.file_names.items()}
    for keys, weights in checkpoint.others:  # averages in a table of their own
        names, _ = strip_prefix(weights, set(shapes))
        names = {name: names[name] for name in shapes if name in names}
        same_names = len(names) == len(shapes)
        if same_names and all(weights[names[k]].shape == shapes[k] for k in shapes):
            copies.append((keys, names))
    return Origin(
        checkpoint.container,
        path.name,
        checkpoint.keys,
        names=match.file_names,
        dtypes={name: weight.dtype for name, weight in match.weights.items()},
        metadata=checkpoint.metadata,
        copies=tuple(copies),
        content=checkpoint.content,
    )


def _describe_source(checkpoint: Checkpoint, path: Path) -> str:
    keys = " > ".join(map(repr, checkpoint.keys))
    skipped = checkpoint.skipped_keys
    not_read = f" (not read: {', '.join(skipped[:5])})" if skipped else ""
    return f"{path.name}: weights {f'under {keys}' if keys else 'by themselves'}{not_read}"
