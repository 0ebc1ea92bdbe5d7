"""Open encoders: pretrained networks that never saw the labels under audit."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import InputError
from ...types import Images
from . import huggingface
from .find_network import Normalization, network_spec
from .huggingface_config import read_preprocessing
from .open_model import open_model
from .pretrained_weights import LIBRARIES, pretrained_network

IMAGENET_NORMALIZATION: Normalization = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""The normalization of most encoders, used if none is known."""


class Encoder(nn.Module):
    """A network that turns pixels in [0, 1] of any size into features.

    Images may have 1 or 3 channels.

    Args:
        net: on normalized images of three channels.
        normalization: mean and standard deviation of each channel, in [0, 1] units.
        size: height and width that images are resized to; None keeps their size.
        contiguous: whether the network takes images in the memory format NCHW only.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        net: nn.Module,
        normalization: Normalization,
        size: tuple[int, int] | None,
        contiguous: bool = False,
    ):
        super().__init__()
        self.contiguous = contiguous
        self.net, self.size = net.eval().requires_grad_(False), size
        for name, values in zip(("mean", "std"), normalization, strict=True):
            self.register_buffer(name, torch.tensor(values).view(-1, 1, 1))

    def forward(self, images: Images) -> Tensor:
        """Compute features `(n, d)`: the output, or of tokens the first and the mean of all."""
        images = images.expand(-1, len(self.mean), -1, -1)
        if self.size is not None and images.shape[2:] != self.size:
            images = F.interpolate(images, self.size, mode="bilinear", antialias=True)
        images = (images - self.mean) / self.std
        if self.contiguous:
            images = images.clone(memory_format=torch.contiguous_format)
        out = self.net(images)
        features: Tensor = out if isinstance(out, Tensor) else out.last_hidden_state
        if features.dim() == 3:
            return torch.cat([features[:, 0], features.mean(1)], 1)
        return features if features.dim() == 2 else features.flatten(2).mean(2)


def open_encoder(source: str, architecture: str | None = None) -> Encoder:
    """Open an encoder by name or from a file; nothing in a file is executed.

    Args:
        source: a file of weights, a Hugging Face folder, or a name: `timm:NAME`,
            `torchvision:NAME` or `hf:OWNER/NAME`, which is downloaded unless it is cached.
        architecture: the network of a file, unless the file names it.
    Raises:
        InputError: no such name or file, or one that cannot be opened safely.
    """
    kind, colon, name = source.partition(":")
    if colon and kind in LIBRARIES:
        spec = network_spec(source)
        network = pretrained_network(source, **({"num_classes": 0} if kind == "timm" else {}))
        return Encoder(network, spec.normalization or IMAGENET_NORMALIZATION, spec.size)
    path = huggingface.fetch_folder(name) if colon and kind == "hf" else Path(source)
    if huggingface.is_model_folder(path):
        size, normalization = read_preprocessing(path)
        network = huggingface.load_encoder(path)
        return Encoder(network, normalization or IMAGENET_NORMALIZATION, size)
    opened = open_model(source, architecture)
    if opened.channels != 3:
        raise InputError(f"{source} takes {opened.channels} channels: give an encoder of three")
    if opened.normalizes_inside:
        return Encoder(opened.network, ((0.0,) * 3, (1.0,) * 3), opened.input_size)
    return Encoder(
        opened.network,
        opened.normalization or IMAGENET_NORMALIZATION,
        opened.input_size,
        opened.signature.contiguous,
    )


def warm_up() -> None:
    """Import what `dry_run` needs, which takes seconds."""
    _ = huggingface.import_transformers().AutoModel


def dry_run(folder: Path) -> None:
    """Build and run an encoder as `open_encoder` and its caller will do."""
    size, normalization = read_preprocessing(folder)
    network = huggingface.build_encoder(folder)
    encoder = Encoder(network, normalization or IMAGENET_NORMALIZATION, size)
    with torch.inference_mode():
        encoder(torch.zeros(2, 3, *(size or (224, 224))))
