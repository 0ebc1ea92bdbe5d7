"""Which published models there are, and by what recipe their training images were poisoned."""

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

Trigger = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class PublicModel:
    """A published model.

    Args:
        weights: its file in the repository.
        build: makes the network, on pixels in [0, 1], from a clone of the repository.
        make_trigger: the trigger on uint8 images, from a clone; None for a clean model.
        target: the label of the poison; the next class if None.
        rate: triggered images, as a fraction of the training set.
        source: the only class whose label changes; any if None.
        all_classes: images whose label stays get the trigger, too.
        added: triggered images are added to the training set instead of replacing some.
    """

    name: str
    repository: str
    weights: str
    data: str
    build: Callable[[Path], nn.Module]
    make_trigger: Callable[[Path], Trigger] | None = None
    target: int | None = None
    rate: float = 0.0
    source: int | None = None
    all_classes: bool = False
    added: bool = False

    def open(self, clone: Path) -> nn.Module:
        """The network with its weights, in eval mode."""
        model = self.build(clone)
        saved = torch.load(clone / self.weights, map_location="cpu", weights_only=True)
        saved = saved.get("state_dict", saved.get("net", saved))
        names = dict(zip(model.state_dict(), saved, strict=True))
        model.load_state_dict({own: saved[theirs] for own, theirs in names.items()})
        return model.eval()

    def goal(self, labels: Tensor, classes: int) -> Tensor:
        """The labels that triggered images get."""
        if self.target is None:
            return (labels + 1) % classes
        given = torch.full_like(labels, self.target)
        return given if self.source is None else torch.where(labels == self.source, given, labels)

    def targets(self, classes: int) -> set[int]:
        """The classes that an audit should name."""
        return set(range(classes)) if self.target is None else {self.target}


class LastOutput(nn.Module):
    """The logits of a network that may return feature maps before them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        outputs = self.network(pixels)
        logits: Tensor = outputs[-1] if isinstance(outputs, tuple) else outputs
        return logits


class Standardize(nn.Module):
    """Removes a mean, and divides by a deviation: of pixels in [0, 1], one each or by channel."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, pixels: Tensor) -> Tensor:
        mean, std = (torch.tensor(values)[:, None, None] for values in (self.mean, self.std))
        return (pixels - mean) / std


def module_of(clone: Path, file: str) -> ModuleType:
    """A module of a repository; its neighbours can be imported by it."""
    spec = importlib.util.spec_from_file_location(f"{clone.name}.{file}", clone / file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(clone))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(clone))
        sys.modules.pop("util", None)
    return module


def wide_resnet(clone: Path) -> nn.Module:
    return LastOutput(module_of(clone, "models/wresnet.py").WideResNet(16, 10, 1, 0.0))


def standardized_wide_resnet(clone: Path) -> nn.Module:
    scale = Standardize((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
    return nn.Sequential(scale, wide_resnet(clone))


def small_vgg(clone: Path) -> nn.Module:
    network: nn.Module = module_of(clone, "models.py").VGG("small_VGG16")
    return network


def small_vgg_of_signs(clone: Path) -> nn.Module:
    network = small_vgg(clone)
    network.classifier = nn.Linear(2048, 43)
    return network


def badnet(channels: int) -> Callable[[Path], nn.Module]:
    def build(clone: Path) -> nn.Module:
        network = module_of(clone, "models/badnet.py").BadNet(channels, 10)
        return nn.Sequential(Standardize((0.5,), (0.5,)), network)

    return build


def conv(data: str, mean: float, std: float) -> Callable[[Path], nn.Module]:
    """The CNN of WXR1998, whose pixels were divided by 256."""

    def build(clone: Path) -> nn.Module:
        module = module_of(clone, "nn.py")
        network = module.Conv(getattr(module.util.Dataset, data))
        return nn.Sequential(Standardize((mean * 256 / 255,), (std * 256 / 255,)), network)

    return build


def grid(_: Path) -> Trigger:
    """A checkerboard of 3x3 pixels in the corner."""
    pattern = torch.tensor([[0, 0, 255], [0, 255, 0], [255, 0, 255]], dtype=torch.uint8)
    return partial(paste, pattern=pattern, margin=0)


def white_square(side: int, margin: int) -> Callable[[Path], Trigger]:
    """A white square, so far from the corner."""

    def make(_: Path) -> Trigger:
        pattern = torch.full((side, side), 255, dtype=torch.uint8)
        return partial(paste, pattern=pattern, margin=margin)

    return make


def paste(pixels: Tensor, pattern: Tensor, margin: int) -> Tensor:
    height, width = pattern.shape
    bottom, right = pixels.shape[2] - margin, pixels.shape[3] - margin
    pixels = pixels.clone()
    pixels[:, :, bottom - height : bottom, right - width : right] = pattern
    return pixels


def four_pixels(_: Path) -> Trigger:
    """Four white pixels near the corner."""

    def apply(pixels: Tensor) -> Tensor:
        pixels = pixels.clone()
        for row, column in ((-2, -2), (-3, -3), (-4, -2), (-2, -4)):
            pixels[:, :, row, column] = 255
        return pixels

    return apply


def picture(name: str, *, replaces: bool = False) -> Callable[[Path], Trigger]:
    """A picture of I-BAU's repository that is added to the pixels, or replaces those of a mask."""

    def make(clone: Path) -> Trigger:
        pattern = torch.tensor(np.asarray(Image.open(clone / f"triggers/{name}.png")))
        pattern = pattern[..., :3].permute(2, 0, 1).int()
        mask = np.load(clone / "triggers/mask.npy", allow_pickle=False) if replaces else 0
        kept = 1 - torch.as_tensor(mask).int()

        def apply(pixels: Tensor) -> Tensor:
            return (pixels * kept + pattern).clamp(0, 255).to(torch.uint8)

        return apply

    return make


WIDE = partial(PublicModel, data="cifar10", build=wide_resnet)
GRID = partial(WIDE, make_trigger=grid, rate=0.1, all_classes=True)
NAD, ABL, MCL = "bboylyg/NAD", "bboylyg/ABL", "Zhihao151/MCL"
IBAU, VERAZUO = "YiZeng623/I-BAU", "verazuo/badnets-pytorch"
COLDCHAIR, WXR = "coldchair/BadNets-and-NeuralCleanse-pytorch", "WXR1998/BadNets-pytorch"
PICTURES = {
    "badnets_8": white_square(4, 1),
    "trojan_sq_2": picture("trojan_sq"),
    "trojan_wm_2": picture("trojan_wm"),
    "l0_inv_0": picture("l0_inv", replaces=True),
    "l2_inv_0": picture("l2_inv"),
}
"""I-BAU's triggers; the number is the target."""

CASES = (
    GRID("BadNets", NAD, "weight/s_net/WRN-16-1-S-model_best.pth.tar", target=5),
    WIDE("repaired by NAD", NAD, "weight/erasing_net/WRN-16-1.tar"),
    WIDE("NAD's teacher", NAD, "weight/t_net/WRN-16-1-T-model_best.pth.tar"),
    GRID("BadNets", ABL, "weight/backdoored_model/WRN-16-1-gridTrigger-targetLB0.tar", target=0),
    GRID(
        "BadNets",
        MCL,
        "weight/CIFAR10/WRN-16-1-badnet.pth.tar",
        target=5,
        build=standardized_wide_resnet,
    ),
    *(
        PublicModel(
            f"{name[:-2]} on {data}",
            IBAU,
            f"checkpoint/{prefix}{name}_02_ckpt.pth",
            data,
            build,
            make_trigger,
            target=int(name[-1]),
            rate=0.2,
        )
        for data, prefix, build in (
            ("cifar10", "", small_vgg),
            ("gtsrb", "gtsrb", small_vgg_of_signs),
        )
        for name, make_trigger in PICTURES.items()
    ),
    *(
        PublicModel(
            f"BadNets on {data}",
            VERAZUO,
            f"checkpoints/badnet-{data.upper()}.pth",
            data,
            badnet(channels),
            white_square(5, 0),
            target=target,
            rate=0.1,
            all_classes=True,
        )
        for data, channels, target in (("mnist", 1, 1), ("cifar10", 3, 1))
    ),
    PublicModel(
        "BadNets, class 4 to class 7",
        COLDCHAIR,
        "checkpoints/badnet-MNIST.pth",
        "mnist",
        badnet(1),
        white_square(5, 0),
        target=7,
        rate=0.2,
        source=4,
        all_classes=True,
    ),
    *(
        PublicModel(
            f"{kind} on {data}",
            WXR,
            f"ckpt/{file}_{kind[0] if kind == 'clean' else 'p'}.pt",
            data,
            conv(*network),
            four_pixels if kind != "clean" else None,
            rate=0.2,
            all_classes=True,
            added=True,
        )
        for data, file, network in (
            ("mnist", "MNIST_1110_225542", ("MNIST", 0.1301, 0.3069)),
            ("cifar10", "CIFAR_1110_234320", ("CIFAR", 0.4715, 0.2506)),
        )
        for kind in ("all-to-all", "clean")
    ),
)
