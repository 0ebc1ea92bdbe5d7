"""Networks of timm, torchvision and transformers, through the whole chain that a defence needs."""

import copy
import importlib
import json

import pytest
import torch
from torch import nn

import torchvision_schemas
from backburn.boundary.search_boundary import search_boundary
from backburn.errors import InputError
from backburn.models.channel_statistics import activations
from backburn.models.inference import frozen
from backburn.models.open import find_network
from backburn.models.open.find_network import NetworkSizes, network_spec
from backburn.models.open.open_model import open_model
from backburn.models.save_model import dump_like
from backburn.training import Training, TrainingTask, fit
from backburn.training.adapt_settings import reset_last_layers

assert torchvision_schemas  # torchvision, and what needs it, cannot be imported without
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def small_vit(num_classes: int = 7) -> nn.Module:
    """A user's own factory."""
    timm = importlib.import_module("timm")
    sizes = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}
    return timm.models.VisionTransformer(num_classes=num_classes, **sizes)


def no_norms(num_classes: int = 7) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, 2), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        nn.Dropout(0.2), nn.Linear(24, num_classes),
    )  # fmt: skip


NAMES = {
    "timm:convnext_atto": (48, "head.fc"),
    "torchvision:resnet18": (48, "fc"),
    "torchvision:mobilenet_v3_small": (48, "classifier.3"),
    "timm:resnet18": (48, "fc"),
    f"{__name__}:small_vit": (32, "head"),
    f"{__name__}:no_norms": (32, "5"),
}


@pytest.fixture(params=NAMES)
def opened(request, tmp_path):
    torch.manual_seed(0)
    net = network_spec(request.param).make(NetworkSizes(classes=4)).eval()
    torch.save({"state_dict": net.state_dict()}, tmp_path / "m.pth")
    return request.param, open_model(tmp_path / "m.pth", request.param)


def test_a_network_by_name_goes_through_the_chain(opened, tmp_path, generator):
    name, found = opened
    side, head = NAMES[name]
    assert (found.classes, found.channels, found.signature.head) == (4, 3, head)
    pixels = torch.randint(256, (4, 3, side, side), generator=generator).to(torch.uint8)
    images, model = pixels / 255, found.normalized(found.normalization or IMAGENET)
    with frozen(model):
        logits = model(images)
        assert torch.allclose(model.head(model.features(images)), logits, atol=1e-4)
        assert activations(model, pixels)[0].isfinite().all()
        result = search_boundary(model, pixels, budget="fast", features=True)
    assert result.found.all()
    assert result.feature.shape == model.features(images).shape
    copied = copy.deepcopy(model)
    fit(
        copied,
        TrainingTask(pixels, torch.arange(4), Training(epochs=1, learning_rate=0.01)),
        generator,
    )
    reset_last_layers(copied, 0.5, generator)
    assert not torch.allclose(copied(images), logits, atol=1e-4)
    assert torch.allclose(model(images), logits, atol=1e-4)
    (tmp_path / "n.pth").write_bytes(dump_like(found.origin, model)["model.pth"])
    again = open_model(tmp_path / "n.pth", name).normalized(found.normalization or IMAGENET)
    assert torch.equal(again(images), model(images))


def test_libraries_tell_size_and_normalization(tmp_path):
    for name in ("timm:resnet18", "torchvision:resnet18"):
        recipe = network_spec(name)
        assert recipe.size == (224, 224)
        assert recipe.normalization == IMAGENET


def perceptron(width: int, *between: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 12), *between, nn.Linear(12, 5)).eval()


HEADS = {
    "torchvision:resnet18": ("fc", lambda: perceptron(512, nn.ReLU(), nn.Dropout())),
    "timm:resnet18": ("fc", lambda: perceptron(512, nn.BatchNorm1d(12), nn.ReLU())),
    "torchvision:mobilenet_v2": ("classifier", lambda: perceptron(1280, nn.ReLU())),
    "timm:convnext_atto": (
        "head.fc",
        lambda: nn.Sequential(
            nn.BatchNorm1d(320), nn.Dropout(), *perceptron(320, nn.ReLU(), nn.BatchNorm1d(12))
        ),
    ),
    f"{__name__}:small_vit": ("head", lambda: perceptron(32, nn.ReLU())),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_head_of_several_layers_is_opened_and_said_and_goes_back(tmp_path, name):
    torch.manual_seed(0)
    net, (place, made) = network_spec(name).make(NetworkSizes()), HEADS[name]
    outer, _, last = place.rpartition(".")
    setattr(net.get_submodule(outer), last, made())
    net.eval()
    torch.save(
        {"model": {f"module.{k}": v for k, v in net.state_dict().items()}}, tmp_path / "m.pt"
    )
    opened = open_model(tmp_path / "m.pt", name)
    images = torch.rand(2, 3, 32, 32)
    assert opened.classes == 5
    assert torch.allclose(opened.network(images), net(images), atol=1e-5)
    assert any("ReLU is assumed" in line for line in opened.report)
    (written,) = dump_like(opened.origin, opened.network).values()
    (tmp_path / "n.pt").write_bytes(written)
    held = torch.load(tmp_path / "n.pt", weights_only=True)["model"]
    net.load_state_dict({k.removeprefix("module."): v for k, v in held.items()})


@pytest.mark.parametrize(
    ("name", "setting"),
    [("timm:vit_tiny_patch16_224", "img_size"), ("torchvision:vit_b_32", "image_size")],
)
def test_a_network_for_another_size_of_images_is_told_by_its_positions(tmp_path, name, setting):
    library, _, network = name.partition(":")
    torch.manual_seed(0)
    if library == "timm":
        make = importlib.import_module("timm").create_model
    else:
        make = importlib.import_module("torchvision.models").get_model
    net = make(network, num_classes=4, **{setting: 64}).eval()
    torch.save(net.state_dict(), tmp_path / "m.pt")
    found, images = open_model(tmp_path / "m.pt", name), torch.rand(2, 3, 64, 64)
    assert (found.classes, found.signature.size) == (4, (64, 64))
    assert torch.allclose(found.network(images), net(images), atol=1e-4)


def test_images_of_one_channel_are_read_off_the_weights(tmp_path):
    net = network_spec("timm:resnet18").make(NetworkSizes(classes=3, channels=1))
    torch.save(net.state_dict(), tmp_path / "m.pt")
    opened = open_model(tmp_path / "m.pt", "timm:resnet18")
    assert (opened.channels, opened.classes, opened.normalization) == (1, 3, None)


def test_maps_of_a_convnext_are_read_by_their_channels(generator):
    net = network_spec("timm:convnext_atto").make(NetworkSizes(classes=4)).eval()
    pixels = torch.randint(256, (2, 3, 64, 64), generator=generator).to(torch.uint8)
    watched = [m for m in net.modules() if isinstance(m, nn.LayerNorm)]
    width = sum(2 * m.normalized_shape[0] for m in watched)
    width -= watched[-1].normalized_shape[0]  # the last norm is behind the pool, if it is 2-d
    assert activations(net, pixels)[0].shape[1] in (width, width + watched[-1].normalized_shape[0])


def hub_folder(folder, kind: str) -> nn.Module:
    transformers = importlib.import_module("transformers")
    torch.manual_seed(0)
    if kind == "resnet":
        sizes = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
        config = transformers.ResNetConfig(layer_type="basic", num_labels=4, **sizes)
        net = transformers.ResNetForImageClassification(config)
    else:
        sizes = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
        size = {"hidden_size": 16, "image_size": 32, "patch_size": 8}
        config = transformers.ViTConfig(num_labels=4, **sizes, **size)
        net = transformers.ViTForImageClassification(config)
    transformers.utils.logging.disable_progress_bar()
    net.eval().save_pretrained(folder)
    told = {"image_mean": [0.4] * 3, "image_std": [0.2] * 3, "size": {"height": 32, "width": 32}}
    (folder / "preprocessor_config.json").write_text(json.dumps(told))
    return net


@pytest.mark.parametrize("kind", ["resnet", "vit"])
def test_a_hugging_face_folder_opens_and_goes_back_into_one(tmp_path, generator, kind, monkeypatch):
    net = hub_folder(tmp_path / "given", kind)
    opened = open_model(tmp_path / "given")
    assert (opened.classes, opened.input_size) == (4, (32, 32))
    assert opened.normalization == ((0.4,) * 3, (0.2,) * 3)
    model, images = opened.normalized(opened.normalization), torch.rand(3, 3, 32, 32)
    with frozen(model), frozen(net):
        expected = net((images - 0.4) / 0.2).logits
        assert torch.allclose(model(images), expected, atol=1e-5)
        assert torch.allclose(model.head(model.features(images)), expected, atol=1e-5)
    pixels = (images * 255).to(torch.uint8)
    fit(
        model,
        TrainingTask(pixels, torch.arange(3), Training(epochs=1, learning_rate=0.01)),
        generator,
    )
    for name, content in dump_like(opened.origin, model).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    for file in ("config.json", "preprocessor_config.json"):
        given, made = (tmp_path / folder / file for folder in ("given", "model"))
        assert given.read_bytes() == made.read_bytes()
    monkeypatch.setattr("backburn.models.open.huggingface.dry_run", lambda *_: None)  # it was once
    again = open_model(f"hf:{tmp_path / 'model'}")
    assert torch.allclose(again.normalized(again.normalization)(images), model(images), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("timm:resnet81", "did you mean 'resnet18'"),
        ("timm:hf-hub:someone/evil", "unknown architecture"),
        ("torchvision:resnet81", "did you mean"),
        ("nowhere:Net", "PYTHONPATH"),
        ("math:pi", "no function"),
        ("hf:someone/model", "give it as MODEL"),
        ("resnet", "did you mean"),
        ("small_cnn-w0", "no channels"),
    ],
)
def test_a_network_that_is_not_there_is_answered_with_what_to_do(name, told):
    with pytest.raises(InputError, match=told):
        network_spec(name)


@pytest.mark.parametrize("error", [ImportError("No module named 'timm'"), RuntimeError("nms")])
def test_a_library_that_does_not_load_says_what_to_install(monkeypatch, error):
    def fail(name: str) -> None:
        raise error

    monkeypatch.setattr(find_network.importlib, "import_module", fail)
    with pytest.raises(InputError, match="pip install timm torchvision"):
        network_spec("timm:resnet18")
