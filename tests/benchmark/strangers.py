"""Other people's networks at 224 pixels, as `any_model.py` trains and writes them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from backburn.data.augmentation import Augmentation
from backburn.models.open.open_model import load_model
from backburn.models.wrapping import probe_network, wrap
from backburn.report.thumbnails import shrink
from backburn.training import Training, TrainingTask, fit
from backburn.types import LabeledImages, Labels, Pixels

CLASSES, SIZE, SMALL = 10, 224, 96
HALF = (0.5,) * 3
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def vit() -> nn.Module:
    import timm

    # the size of its images is free for the pretraining; the weights are those of any other
    return timm.create_model("vit_tiny_patch16_224", num_classes=CLASSES, dynamic_img_size=True)


def hybrid() -> nn.Module:
    import timm

    return timm.create_model("vit_tiny_r_s16_p8_224", num_classes=CLASSES, dynamic_img_size=True)


def resnet() -> nn.Module:
    import torchvision

    return torchvision.models.resnet18(num_classes=CLASSES)


def mobilenet() -> nn.Module:
    import torchvision

    return torchvision.models.mobilenet_v3_small(num_classes=CLASSES)


def hugging_face() -> nn.Module:
    import transformers

    sizes = {"embedding_size": 32, "hidden_sizes": [32, 64, 128, 256], "depths": [2, 2, 2, 2]}
    config = transformers.ResNetConfig(**sizes, layer_type="basic", num_labels=CLASSES)
    return transformers.ResNetForImageClassification(config)


@dataclass(frozen=True)
class Stranger:
    """How a network is made, trained, and written.

    Args:
        before: on clean images of 96 pixels, as people begin with pretrained weights.
        training: on the poisoned ones, of 224 pixels.
        clean: those of each class that it is pretrained on.
    """

    make: Callable[[], nn.Module]
    arch: str | None
    file: str
    normalization: tuple[tuple[float, ...], tuple[float, ...]]
    before: Training
    training: Training
    clean: tuple[int, int] = (60, 300)

    def load(self, path: Path) -> nn.Module:
        """As the commands load it."""
        return load_model(path, self.arch, *self.normalization)

    def trained(self, images: LabeledImages, poisoned: LabeledImages, out: Path) -> Path:
        """Its weights in a file or folder of its kind in `out`, but for what lies there.

        It is pretrained on some of the `images`, which are clean.
        """
        path, before = out / self.file, out / f"before-{self.file}.pt"
        if path.exists():
            return path
        torch.manual_seed(0)
        net = self.make().eval()
        if before.exists():
            net.load_state_dict(torch.load(before, weights_only=True))
        else:
            clean = some(images, *self.clean)
            self._teach(net, shrink(clean.pixels, SMALL), clean.labels, self.before)
            torch.save(net.state_dict(), before)
        self._teach(net, poisoned.pixels, poisoned.labels, self.training)
        write(net, path)
        return path

    def _teach(self, net: nn.Module, pixels: Pixels, labels: Labels, training: Training) -> None:
        model = wrap(net, probe_network(net, (3,), (SIZE, SIZE)), self.normalization)
        fit(model, TrainingTask(pixels, labels, training), torch.Generator().manual_seed(0))


SLIGHT = Augmentation(shift=0.1, flip=True)
ADAM = Training(epochs=8, batch_size=32, learning_rate=5e-4, optimizer="adam", augmentation=SLIGHT)
LONG = replace(ADAM, epochs=40, batch_size=64, learning_rate=2e-3)
LONGEST = replace(ADAM, epochs=80, batch_size=64, learning_rate=1e-3)
# transformers learn little from 240 images a class, and are trained at smaller rates, for longer
MANY = replace(ADAM, epochs=20, batch_size=64, learning_rate=1e-3)
SMALL_STEPS = replace(ADAM, epochs=40, learning_rate=3e-4)
STRANGERS = {
    "timm ViT-tiny": Stranger(
        vit, "timm:vit_tiny_patch16_224", "vit.safetensors", (HALF, HALF), LONGEST, ADAM
    ),
    "timm ViT-tiny hybrid": Stranger(
        hybrid,
        "timm:vit_tiny_r_s16_p8_224",
        "hybrid.safetensors",
        (HALF, HALF),
        MANY,
        SMALL_STEPS,
        clean=(60, 900),
    ),
    "torchvision ResNet-18": Stranger(
        resnet, "torchvision:resnet18", "resnet.pt", IMAGENET, LONG, ADAM
    ),
    "torchvision MobileNetV3": Stranger(
        mobilenet, "torchvision:mobilenet_v3_small", "mobilenet.pth", IMAGENET, LONG, ADAM
    ),
    "Hugging Face ResNet": Stranger(hugging_face, None, "resnet-hf", IMAGENET, LONG, ADAM),
}


def some(images: LabeledImages, first: int, last: int) -> LabeledImages:
    """So many images of each class, class by class, as a tree is read."""
    of_each = [(images.labels == label).nonzero().flatten()[first:last] for label in range(CLASSES)]
    chosen = images.take(torch.cat(of_each))
    # numbers, so that folders and tables have the names that parquet has
    return LabeledImages(chosen.pixels, chosen.labels, tuple(map(str, range(CLASSES))))


def write(net: nn.Module, path: Path) -> None:
    """The weights as users of that kind of network have them."""
    from safetensors.torch import save_file

    if path.suffix == ".safetensors":
        save_file(net.state_dict(), path)
    elif path.suffix:
        torch.save({"state_dict": net.state_dict(), "epoch": 10}, path)
    else:
        net.save_pretrained(path)
