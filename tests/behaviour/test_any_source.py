"""The same case in other clothes: files of other people's kinds, through the command line."""

import csv
import importlib
import json

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from backburn.data.augmentation import Augmentation
from backburn.data.load_images import load_images
from backburn.data.writing import dump_folder, dump_parquet
from backburn.models.nets.cifar_resnet import CifarResNet18, NamedPreActBlock, PostActBlock
from backburn.training import Training, TrainingTask, fit
from toolkit_files import TARGET, clean_images, stamped, write_record, write_toolbox

importlib.import_module("torchvision_schemas")  # before timm


def lines(run) -> list[list[str]]:
    """The lines of suspects.csv, without the images' names."""
    with (run / "suspects.csv").open() as file:
        return [line[1:] for line in csv.reader(file)]


@pytest.fixture(scope="session")
def forms(victim, tmp_path_factory) -> dict:
    """The victim's training images as a tree, a table and parquet, in one order."""
    root = tmp_path_factory.mktemp("forms")
    images = load_images(victim)
    images = images.take(images.labels.argsort(stable=True))
    for name, content in dump_folder(images, "tree").items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    files = sorted((root / "tree").rglob("*.png"))
    rows = [f"{file.relative_to(root)}\t{file.parent.name}" for file in files]
    (root / "table.tsv").write_text("\n".join(["path\tlabel", *rows]) + "\n")
    (root / "images.parquet").write_bytes(dump_parquet(images))
    weights = load_file(victim / "model.safetensors")
    held = {"epoch": 3, "state_dict": {f"module.{k}": w for k, w in weights.items()}}
    torch.save(held, root / "last.ckpt")
    return {name: root / name for name in ("tree", "table.tsv", "images.parquet", "last.ckpt")}


def test_a_tree_a_table_and_parquet_of_the_same_images_have_the_same_suspects(cli, forms, tmp_path):
    found = []
    for name in ("tree", "table.tsv", "images.parquet"):
        run = tmp_path / name
        arguments = ("--arch", "small_cnn", "--out", run, "--cache", tmp_path / "cache")
        done = cli("audit", forms["last.ckpt"], forms[name], *arguments)
        assert done.code == 3, done.err
        assert "matched by name" in done.err
        found.append(lines(run))
    assert len(found[0]) > 100
    assert found[0] == found[1] == found[2]
    assert len(list((tmp_path / "cache").glob("*.u8"))) >= 1


def test_a_repaired_model_comes_back_as_it_came(cli, forms, tmp_path):
    run = tmp_path / "run"
    done = cli("repair", forms["last.ckpt"], forms["tree"], "--arch", "small_cnn", "--out", run)
    assert done.code == 0, done.err
    given, made = (
        torch.load(path, weights_only=True)["state_dict"]
        for path in (forms["last.ckpt"], run / "model.ckpt")
    )
    assert made.keys() == given.keys()
    assert not torch.equal(made["module.head.weight"], given["module.head.weight"])


def learnt(pixels: torch.Tensor, labels: torch.Tensor, block: type) -> dict[str, torch.Tensor]:
    """Weights of a narrow CIFAR network that has learnt a few images by heart."""
    torch.manual_seed(0)
    net = CifarResNet18(4, 3, 8, block)
    training = Training(epochs=80, batch_size=8, augmentation=Augmentation(shift=0))
    fit(net, TrainingTask(pixels, labels, training), torch.Generator().manual_seed(0))
    return net.state_dict()


def test_a_record_of_backdoorbench_is_a_case_and_its_repair_goes_back(cli, tmp_path):
    rows = dict.fromkeys((0, 2, 3), TARGET)
    images = clean_images()
    pixels, labels = images.pixels.clone(), images.labels.clone()
    pixels[list(rows)], labels[list(rows)] = stamped(pixels[list(rows)]), TARGET
    weights = learnt(pixels, labels, NamedPreActBlock)
    clean = write_record(tmp_path / "record", rows, change=lambda held: {**held, "model": weights})
    (tmp_path / "clean.parquet").write_bytes(dump_parquet(clean))
    run = tmp_path / "run"
    source = (f"backdoorbench:{tmp_path / 'record'}", tmp_path / "clean.parquet")
    done = cli("repair", *source, "--out", run, "--json")
    assert done.code == 5, done.err  # six images a class are too few for a verdict
    said = json.loads(done.out)
    assert "normalization" in " ".join(said["notes"])
    assert said["before"]["asr"] is not None
    sent = cli("export", run, tmp_path / "out", "--as", "backdoorbench")
    assert sent.code == 0, sent.err
    held = torch.load(tmp_path / "out" / "defense_result.pt", weights_only=True)
    assert held["model_name"] == "preactresnet18"
    assert torch.equal(held["model"]["linear.weight"], weights["linear.weight"])


def test_a_record_needs_the_clean_images_that_were_attacked(cli, tmp_path):
    write_record(tmp_path / "record", {0: TARGET})
    done = cli("audit", f"backdoorbench:{tmp_path / 'record'}")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "give the clean training images that were attacked as DATA" in done.err


def test_a_set_of_backdoor_toolbox_is_a_case(cli, tmp_path):
    clean = write_toolbox(tmp_path / "set", [0, 2], None)
    pixels, labels = clean.pixels.clone(), clean.labels.clone()
    pixels[[0, 2]], labels[[0, 2]] = stamped(pixels[[0, 2]]), TARGET
    torch.save(
        learnt(pixels, labels, PostActBlock), tmp_path / "set" / "full_base_aug_seed=2333.pt"
    )
    done = cli("audit", f"backdoor-toolbox:{tmp_path / 'set'}", "--json")
    assert done.code == 5, done.err
    assert "true labels are unknown" in " ".join(json.loads(done.out)["notes"])


def test_gray_images_are_shown_to_a_network_for_color(cli, here):
    for file in (here / "photos").rglob("*.png"):
        Image.open(file).convert("L").save(file)
    done = cli("audit", "model.safetensors", "photos", "--json")
    assert done.code in (0, 5), done.err


def test_images_are_scaled_to_the_size_that_is_asked_for(cli, here):
    done = cli("audit", "model.safetensors", "photos", "--size", "16", "--json")
    assert done.code in (0, 5), done.err


def test_another_size_than_the_networks_own_is_said(cli, here):
    timm = importlib.import_module("timm")
    weights = timm.create_model("resnet10t", num_classes=2).state_dict()
    torch.save(weights, here / "timm.pth")
    arguments = ("timm.pth", "photos", "--arch", "timm:resnet10t", "--json")
    done = cli("audit", *arguments, "--size", "16")
    assert done.code in (0, 5), done.err
    own = "images are made 16x16, as --size says, and not the network's 176x176"
    assert own in json.loads(done.out)["notes"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--mean", "0.5,0.5,0.5"], "mean without std"),
        (["--mean", "0,0,0", "--std", "1,1,1"], "normalizes inside"),
        (["--arch", "nobodys_nets:build"], "nobodys_nets"),
        (["--arch", "timm:resnet1"], "timm"),
    ],
)
def test_what_does_not_go_with_the_model_is_refused(refused, options, message):
    assert message in refused("audit", "model.safetensors", "photos", *options)


def test_options_that_would_do_nothing_are_refused(cli, victim, tmp_path):
    done = cli("audit", victim, "--size", "16", "--arch", "small_cnn")
    assert (done.code, "leave out --arch and --size" in done.err) == (2, True)
    write_toolbox(tmp_path / "set", [0], None)
    done = cli("audit", f"backdoor-toolbox:{tmp_path / 'set'}", "--cache", tmp_path / "cache")
    assert (done.code, "leave out --cache" in done.err) == (2, True)
