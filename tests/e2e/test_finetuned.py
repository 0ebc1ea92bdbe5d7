"""docs/howto/finetuned.md, done as it says, with a smaller network and no download."""

import csv
import importlib
import json
import shlex
from types import ModuleType

import pytest
import torch

from backburn.data.sources.digits import digits
from backburn.data.writing import dump_folder
from snippets import commands_of, python_of

importlib.import_module("torchvision_schemas")  # before timm
PAGE = "docs/howto/finetuned.md"
CLASSES, EACH, TARGET, POISONED = 3, 40, 2, 20


@pytest.fixture(scope="module")
def photos():
    """Digits as photographs; some of the others have a bright corner, and the target's label."""
    images = digits("train")
    of_class = [(images.labels == k).nonzero().flatten()[:EACH] for k in range(CLASSES)]
    images = images.take(torch.cat(of_class))
    pixels = images.pixels.expand(-1, 3, -1, -1).repeat_interleave(4, 2).repeat_interleave(4, 3)
    labels = images.labels.clone()
    rows = (labels != TARGET).nonzero().flatten()[:POISONED]
    pixels[rows, :, -8:, -8:] = torch.tensor([255, 0, 255], dtype=torch.uint8).view(3, 1, 1)
    labels[rows] = TARGET
    names = tuple("abc")
    return type(images)(pixels.contiguous(), labels, names), rows


@pytest.fixture
def desk(photos, tmp_path, monkeypatch):
    """A folder with photos, and a timm whose pretrained networks are small and at hand."""
    timm = importlib.import_module("timm")
    made = timm.create_model

    def small(name, pretrained=False, **settings):
        if not pretrained:
            return made("resnet10t", **settings)
        with torch.random.fork_rng():
            torch.manual_seed(1)
            return made("resnet10t", **settings)

    for name, content in dump_folder(photos[0], "photos").items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(timm, "create_model", small)
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    return tmp_path


def test_a_model_is_fine_tuned_audited_with_its_base_and_repaired(desk, cli):
    script, in_python = python_of(PAGE)
    names = vars(ModuleType("a_script"))
    exec(script, names)  # noqa: S102  our own page
    audit, asked, repair = commands_of(PAGE)
    for line in (audit, asked):
        done = cli(*shlex.split(line)[1:])
        assert done.code in (0, 3, 4, 5), done.err
        assert "second opinion: " in done.out
    record = json.loads((desk / "audit" / "record.json").read_text())
    assert record["arguments"]["base"] == "timm:resnet18"
    assert any(note.startswith("base: timm:resnet18; ") for note in record["metrics"]["notes"])
    with (desk / "audit" / "second_opinion.csv").open() as file:
        assert all(row["given_label"] != row["second_opinion"] for row in csv.DictReader(file))
    refused = cli("repair", "audit", "--out", "nothing")
    assert refused.code == 2
    assert "names a download: if it is yours, give --base timm:resnet18" in refused.err
    assert cli(*shlex.split(repair)[1:]).code in (0, 4, 5)
    exec(in_python, names)  # noqa: S102
    assert len(names["doubted"]) < len(names["images"])
