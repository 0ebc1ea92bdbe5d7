"""Weights in every wrapping that they come in: matched by name, and written back as they were."""

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from backburn.errors import InputError
from backburn.models.nets.cifar_resnet import CifarResNet18, NamedPreActBlock
from backburn.models.open.open_model import open_model
from backburn.models.save_model import dump_like

HALF = ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return CifarResNet18(4, 3, 4).eval()


@pytest.fixture
def images() -> Tensor:
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def module(weights: dict) -> dict:
    return {f"module.{key}": value for key, value in weights.items()}


LAYOUTS = {
    "bare": lambda w: w,
    "state_dict": lambda w: {"state_dict": w, "epoch": 3, "optimizer": {"lr": 0.1}},
    "parallel": lambda w: {"model": module(w), "num_classes": 4},
    "compiled": lambda w: {"net": {f"_orig_mod.{key}": value for key, value in w.items()}},
    "both": lambda w: {f"_orig_mod.module.{key}": value for key, value in w.items()},
    "lightning": lambda w: {
        "state_dict": {**{f"model.{k}": v for k, v in w.items()}, "loss.weight": torch.ones(4)},
        "pytorch-lightning_version": "2.0",
    },
    "wanet": lambda w: {"netC": w, "identity_grid": torch.ones(1, 4), "optimizerC": {"state": {}}},
    "iad": lambda w: {"netG": {"a": torch.zeros(1)}, "netC": w, "epoch": 3},
    "backbone": lambda w: {"state_dict": {f"backbone.{k}": v for k, v in w.items()}},
    "normalized": lambda w: {
        "0.mean": torch.full((3,), 0.5),
        "0.std": torch.full((3,), 0.25),
        **{f"1.{k}": v for k, v in w.items()},
    },
    "any name": lambda w: {"epoch": 1, "my_network": w},
    "nested": lambda w: {"model": {"state_dict": w}, "ema": {"decay": 0.9}},
}


@pytest.mark.parametrize("suffix", ["pt", "pth", "ckpt", "bin"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_open_from_every_layout_and_go_back_into_it(tmp_path, net, images, layout, suffix):
    path = tmp_path / f"given.{suffix}"
    torch.save(LAYOUTS[layout](net.state_dict()), path)
    opened = open_model(path, "cifar_resnet18", *HALF)
    assert (opened.classes, opened.channels) == (4, 3)
    model = opened.normalized(HALF)
    assert torch.allclose(model(images), net((images - 0.5) / 0.25), atol=1e-5)
    ((name, content),) = dump_like(opened.origin, model).items()
    assert name == f"model.{suffix}"
    (tmp_path / name).write_bytes(content)
    again = open_model(tmp_path / name, "cifar_resnet18", *HALF)
    assert torch.equal(again.normalized(HALF)(images), model(images))
    before, after = (torch.load(p, weights_only=True) for p in (path, tmp_path / name))
    for key in opened.origin.keys:
        before, after = before[key], after[key]
    assert list(after) == list(before)  # also what is no part of the network


def test_the_report_says_which_key_was_read_and_what_was_not_used(tmp_path, net):
    torch.save(LAYOUTS["lightning"](net.state_dict()), tmp_path / "m.ckpt")
    report = "\n".join(open_model(tmp_path / "m.ckpt", "cifar_resnet18").report)
    for said in ("'state_dict'", "lightning_version", "prefix 'model.'", "not used: 'loss.weight'"):
        assert said in report


def test_weights_in_the_format_before_zip_archives_open(tmp_path, net, images):
    held = {"state_dict": net.state_dict(), "betas": [(0.9, 0.999)] * 3}
    torch.save(held, tmp_path / "m.pth", _use_new_zipfile_serialization=False)
    opened = open_model(tmp_path / "m.pth", "cifar_resnet18")
    assert torch.allclose(opened.network(images), net(images), atol=1e-5)


def test_types_of_numbers_are_kept(tmp_path, net):
    halved = {k: v.half() if v.is_floating_point() else v for k, v in net.state_dict().items()}
    save_file(halved, tmp_path / "m.safetensors", {"format": "pt"})
    opened = open_model(tmp_path / "m.safetensors", "cifar_resnet18")
    assert opened.network.conv1.weight.dtype == torch.float32
    (tmp_path / "n.safetensors").write_bytes(*dump_like(opened.origin, opened.network).values())
    again = open_model(tmp_path / "n.safetensors", "cifar_resnet18")
    assert again.origin.dtypes["conv1.weight"] == torch.float16
    assert dict(again.origin.metadata) == {"format": "pt"}
    assert torch.equal(again.network.conv1.weight, opened.network.conv1.weight)


def test_weights_are_never_matched_by_position(tmp_path, net):
    renamed = {f"layer_{k}.weight": value for k, value in enumerate(net.state_dict().values())}
    torch.save(renamed, tmp_path / "m.pt")
    with pytest.raises(InputError, match=r"0 weights match; .* missing: 'conv1.weight'"):
        open_model(tmp_path / "m.pt", "cifar_resnet18")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"layer2.0.bn1.running_var": None}, "1 missing: 'layer2.0.bn1.running_var'"),
        ({"linear.bias": None}, "1 missing: 'linear.bias'"),
        ({"linear.bias": torch.ones(7)}, r"'linear.bias' \(7 in the file, 4 wanted\)"),
    ],
)
def test_what_does_not_fit_is_named_and_counted(tmp_path, net, change, told):
    weights = {**net.state_dict(), **change}
    weights = {key: value for key, value in weights.items() if value is not None}
    torch.save(weights, tmp_path / "m.pt")
    with pytest.raises(InputError, match=told):
        open_model(tmp_path / "m.pt", "cifar_resnet18")


def test_counters_of_batches_may_be_missing(tmp_path, net, images):
    weights = {k: v for k, v in net.state_dict().items() if not k.endswith("batches_tracked")}
    torch.save(weights, tmp_path / "m.pt")
    opened = open_model(tmp_path / "m.pt", "cifar_resnet18")
    assert torch.allclose(opened.network(images), net(images), atol=1e-5)
    assert dump_like(opened.origin, opened.network).keys() == {"model.pt"}


def test_preactivation_weights_of_other_toolkits_open_by_name(tmp_path, images):
    net = CifarResNet18(4, 3, 4, NamedPreActBlock).eval()
    names = set(net.state_dict())
    assert {"conv1.weight", "layer1.0.bn1.weight", "layer2.0.shortcut.0.weight"} < names
    assert not names & {"bn.weight", "bn1.weight", "layer1.0.shortcut.0.weight"}
    torch.save({"model_name": "preactresnet18", "model": net.state_dict()}, tmp_path / "m.pt")
    opened = open_model(tmp_path / "m.pt", "cifar_preact_resnet18")
    assert torch.allclose(opened.network(images), net(images), atol=1e-5)


def test_features_are_what_the_head_turns_into_logits(tmp_path, net, images):
    torch.save(net.state_dict(), tmp_path / "m.pt")
    model = open_model(tmp_path / "m.pt", "cifar_resnet18").normalized(HALF)
    assert torch.allclose(model.head(model.features(images)), model(images), atol=1e-5)


def test_a_file_may_not_name_code_to_import(tmp_path, net):
    told = {"backburn": json.dumps({"architecture": "shutil:rmtree"})}
    save_file(net.state_dict(), tmp_path / "m.safetensors", told)
    with pytest.raises(InputError, match="--arch"):
        open_model(tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    ("mean", "std", "told"),
    [
        ((0.5,) * 3, None, "give both"),
        ((0.5,), (0.5,), "the model takes 3"),
        ((0.5,) * 3, (0.5, 0.0, 0.5), "above 0"),
    ],
)
def test_a_normalization_that_cannot_be_is_refused(tmp_path, net, mean, std, told):
    torch.save(net.state_dict(), tmp_path / "m.pt")
    with pytest.raises(InputError, match=told):
        open_model(tmp_path / "m.pt", "cifar_resnet18", mean, std)


def test_the_normalization_in_a_file_is_used(tmp_path, net):
    torch.save(LAYOUTS["normalized"](net.state_dict()), tmp_path / "m.pt")
    opened = open_model(tmp_path / "m.pt", "cifar_resnet18")
    assert opened.normalization == HALF
    assert any("that of the file (0.mean, 0.std)" in line for line in opened.report)


def test_averages_beside_the_weights_become_the_same_model(tmp_path, net):
    raw, mean = net.state_dict(), {k: v + 1 for k, v in net.state_dict().items()}
    both = {f"{p}.{k}": v for p, w in (("model", raw), ("ema_model", mean)) for k, v in w.items()}
    torch.save({"state_dict": both, "model_ema": mean}, tmp_path / "m.ckpt")
    opened = open_model(tmp_path / "m.ckpt", "cifar_resnet18", *HALF)
    assert any("under 'ema_model.'" in line for line in opened.report)
    assert torch.equal(opened.network.state_dict()["conv1.weight"], raw["conv1.weight"])
    (tmp_path / "n.ckpt").write_bytes(*dump_like(opened.origin, opened.network).values())
    held = torch.load(tmp_path / "n.ckpt", weights_only=True)
    for copy in (held["state_dict"]["ema_model.conv1.weight"], held["model_ema"]["conv1.weight"]):
        assert torch.equal(copy, raw["conv1.weight"])


def test_a_head_in_a_sequence_or_of_a_convolution_tells_the_classes(tmp_path):
    class Head(nn.Module):
        def __init__(self, num_classes: int = 9):
            super().__init__()
            self.body, self.fc = nn.Conv2d(3, 4, 1), nn.Conv2d(4, num_classes, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.body(x)).mean((2, 3))

    weights = Head(5).state_dict()
    weights = {k.replace("fc.", "fc.1."): v for k, v in weights.items()}
    torch.save(weights, tmp_path / "m.pt")
    globals()["Head"] = Head
    opened = open_model(tmp_path / "m.pt", f"{__name__}:Head")
    assert opened.classes == 5
    (tmp_path / "n.pt").write_bytes(*dump_like(opened.origin, opened.network).values())
    assert list(torch.load(tmp_path / "n.pt", weights_only=True)) == list(weights)
