"""Encoders: networks that say what an image shows and never saw the labels that are in question."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import InputError
from ...types import Images
from . import huggingface
from .huggingface_config import preprocessing
from .network_names import Normalization, recipe_named
from .open_model import open_model
from .pretrained_weights import LIBRARIES, pretrained_network

IMAGENET: Normalization = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""What encoders are normalized by where nothing says it; most were trained so."""


class Encoder(nn.Module):
    """A network on pixels in [0, 1] of any size and of 1 or 3 channels.

    Args:
        net: on normalized images of three channels.
        size: height and width of its images; those that it is given where None.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Module, normalization: Normalization, size: tuple[int, int] | None):
        super().__init__()
        self.net, self.size = net.eval().requires_grad_(False), size
        for name, values in zip(("mean", "std"), normalization, strict=True):
            self.register_buffer(name, torch.tensor(values).view(-1, 1, 1))

    def forward(self, images: Images) -> Tensor:
        """Features `(n, d)`: what the network returns, of tokens the first and the mean of all."""
        images = images.expand(-1, len(self.mean), -1, -1)
        if self.size is not None and images.shape[2:] != self.size:
            images = F.interpolate(images, self.size, mode="bilinear", antialias=True)
        out = self.net((images - self.mean) / self.std)
        said: Tensor = out if isinstance(out, Tensor) else out.last_hidden_state
        if said.dim() == 3:
            return torch.cat([said[:, 0], said.mean(1)], 1)
        return said if said.dim() == 2 else said.flatten(2).mean(2)


def open_encoder(source: str, architecture: str | None = None) -> Encoder:
    """An encoder by name or from a file; nothing of a file is ever executed.

    Args:
        source: `timm:NAME`, `torchvision:NAME` or `hf:OWNER/NAME`, which are downloaded where they
            are not at hand; a Hugging Face folder; or a file of weights.
        architecture: the network of a file, where it does not say it.
    Raises:
        InputError: no such name or file, or one that cannot be opened safely.
    """
    kind, colon, name = source.partition(":")
    if colon and kind in LIBRARIES:
        recipe = recipe_named(source)
        network = pretrained_network(source, **({"num_classes": 0} if kind == "timm" else {}))
        return Encoder(network, recipe.normalization or IMAGENET, recipe.size)
    path = huggingface.fetched(name) if colon and kind == "hf" else Path(source)
    if huggingface.is_folder(path):
        size, told = preprocessing(path)
        return Encoder(huggingface.load_encoder(path), told or IMAGENET, size)
    opened = open_model(source, architecture)
    if opened.channels != 3:
        raise InputError(f"{source} takes {opened.channels} channels: give an encoder of three")
    if opened.settled:
        return Encoder(opened.network, ((0.0,) * 3, (1.0,) * 3), opened.input_size)
    return Encoder(opened.network, opened.normalization or IMAGENET, opened.input_size)


def prepared() -> None:
    """Have what `tried` needs, which takes seconds."""
    _ = huggingface.transformers_library().AutoModel


def tried(folder: Path) -> None:
    """What `open_encoder` of a folder and whoever asks the network then will do."""
    size, told = preprocessing(folder)
    encoder = Encoder(huggingface.built_encoder(folder), told or IMAGENET, size)
    with torch.inference_mode():
        encoder(torch.zeros(2, 3, *(size or (224, 224))))
