"""The first hour, in some thirty steps: what somebody new types, in the order in which they would.

Commands of the README and the tutorial are run by test_snippets_run.py.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from test_examples import example
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import backburn
from backburn.services.python_data import read_user_images
from backburn.types import no_progress

MEAN, STD = 0.3, 0.2
STARTED = 0.5
"""Seconds that a list of runs may take, on a machine that has nothing else to do."""


class Hour:
    """A folder to work in, a backdoored model and its images, as everybody has them."""

    def __init__(self, folder: Path, victim, cli):
        self.folder, self.cli = folder, cli
        self.model, self.images = victim.model, victim.images
        self.poison = set(victim.truth.poison.nonzero().flatten().tolist())
        self.pixels, self.labels = victim.images.pixels, victim.images.labels
        self.floats = self.pixels.float() / 255

    def found(self, result) -> bool:
        """Whether nearly all of the poison and hardly anything else is suspect."""
        suspects = set(result.suspects.index.tolist())
        shared = len(suspects & self.poison)
        return shared >= 0.95 * len(self.poison) and len(suspects) <= 1.05 * len(self.poison)


@pytest.fixture(scope="module")
def hour(tmp_path_factory, badnets_digits, cli):
    folder = tmp_path_factory.mktemp("first hour")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield Hour(folder, badnets_digits.victim, cli)


def pasted(hour: Hour, out: str) -> list[tuple[str, ...]]:
    """The commands that an output says to go on with."""
    lines = out[out.index("Next: ") :].splitlines()
    return [tuple(shlex.split(line.removeprefix("Next:"), comments=True)) for line in lines]


# ---- the command line


def test_01_the_help_names_the_verbs_and_where_to_begin(hour):
    done = hour.cli("--help")
    assert done.code == 0
    for verb in ("demo", "audit", "repair", "report", "doctor"):
        assert f"  {verb} " in done.out


def test_02_the_doctor_says_what_is_there(hour):
    done = hour.cli("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(done.out)}
    assert checks["audit, repair, report"]["state"] == "ok"
    assert done.code == any(check["state"] == "broken" for check in checks.values())


def test_03_the_demo_says_how_long_it_takes_and_what_comes_next(hour):
    done = hour.cli("demo", "--out", "runs/demo")
    assert done.code == 0
    assert re.match(r"9 steps, about \d+ seconds\n", done.err)
    assert pasted(hour, done.out) == [("backburn", "report", "runs/demo")]


def test_04_its_report_is_drawn_by_the_line_that_was_pasted(hour):
    done = hour.cli("report", "runs/demo")
    assert done.code == 0
    assert (hour.folder / "runs/demo/report.html").is_file()
    assert pasted(hour, done.out)[0][-1] == "runs/demo/report.html"


def test_05_runs_are_listed_without_torch_being_loaded(hour):
    code = (
        "import sys, time; began = time.perf_counter(); sys.argv = ['backburn', 'ls', 'runs'];"
        "from backburn.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('torch' in sys.modules, time.perf_counter() - began, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert "runs/demo" in done.stdout
    loaded, seconds = done.stderr.split()[-2:]
    assert loaded == "False"
    assert float(seconds) < 4 * STARTED  # others may be at work here


def test_06_a_victim_is_made_to_try_it_on(hour):
    done = hour.cli("attack", "badnets", "digits", "--layout", "folder", "--out", "victim")
    assert done.code == 0
    assert pasted(hour, done.out) == [("backburn", "audit", "victim")]


def test_07_an_audit_of_a_file_and_a_folder_finds_the_backdoor(hour):
    done = hour.cli("audit", "victim/model.safetensors", "victim/train", "--out", "audit")
    assert done.code == 3
    assert re.search(r"^5 steps, (a few seconds|about )", done.err, re.MULTILINE)
    assert done.out.lstrip().startswith("BACKDOORED: target class 0")
    assert [words[1] for words in pasted(hour, done.out)] == ["report", "repair"]


def test_08_its_report_has_files_for_auditors(hour):
    done = hour.cli("report", "audit", "--sarif", "--model-card", "--mlbom")
    assert done.code == 0
    for name in ("report.html", "report.sarif", "model-card.md", "mlbom.cdx.json"):
        assert (hour.folder / "audit" / name).stat().st_size > 500


def test_09_a_repair_goes_by_the_audit(hour):
    done = hour.cli("repair", "audit", "--test", "victim/test.parquet", "--out", "fixed")
    assert done.code == 0
    assert re.search(r"^8 steps, ", done.err, re.MULTILINE)
    assert pasted(hour, done.out)[1] == ("backburn", "export", "fixed", "cleaned")


def test_10_the_images_are_exported_without_the_poison(hour):
    done = hour.cli("export", "fixed", "cleaned")
    assert done.code == 0
    assert pasted(hour, done.out) == [("backburn", "audit", "MODEL", "cleaned")]


def test_11_a_run_reads_back(hour):
    run = backburn.load_run("fixed")
    assert run.verdict.state == "backdoored"
    assert len(run.names) == len(run.suspects) > 50
    logits = run.model(backburn.load_images("cleaned").pixels[:5].float() / 255)
    assert logits.shape == (5, 10)
    assert len(str(run).splitlines()) == 5


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("adit model.pt photos", "did you mean 'audit'?"),
        ("audit", "Missing argument"),
        ("audit victim/model.safetensors nowhere", "no images at nowhere"),
        ("audit victim/model.safetensors victim/train --set detector.probe=5", "detector.probes"),
        ("repair nowhere", "nowhere"),
        ("report victim", "gallery.json"),
        ("audit victim --out fixed", "give another --out"),
        ("ls nowhere", "no folder nowhere"),
    ],
)
def test_12_a_mistake_is_one_line_that_says_what_to_do(hour, line, told):
    done = hour.cli(*shlex.split(line))
    assert done.code == 2
    last = done.err.strip().splitlines()[-1]
    assert told in last
    assert last.startswith("backburn: ")


# ---- Python: the images as people have them


class Photos(Dataset):
    """A data set as tutorials write it: PIL images through a list of transforms."""

    def __init__(self, hour: Hour, *transforms):
        self.hour, self.transform = hour, Compose(transforms)
        self.classes = [str(label) for label in range(10)]

    def __len__(self) -> int:
        return len(self.hour.labels)

    def __getitem__(self, place: int):
        image = Image.fromarray(self.hour.pixels[place, 0].numpy())
        return self.transform(image), int(self.hour.labels[place])


class Compose:
    """As torchvision's."""

    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, image):
        for each in self.transforms:
            image = each(image)
        return image


def to_tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image))[None].float() / 255


class Normalize:
    """As torchvision's."""

    def __init__(self, mean, std):
        self.mean, self.std = mean, std

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        return (image - self.mean[0]) / self.std[0]


class Normalized(nn.Module):
    """A model of normalized images, as most are; with `record`, one that returns a record."""

    def __init__(self, inner: nn.Module, record: bool = False, shift=(MEAN, STD)):
        super().__init__()
        self.inner, self.record, self.shift = inner, record, shift

    def forward(self, pixel_values: torch.Tensor):
        logits = self.inner(pixel_values * self.shift[1] + self.shift[0])
        return SimpleNamespace(logits=logits) if self.record else logits


class Stream(IterableDataset):
    def __init__(self, hour: Hour):
        self.hour = hour

    def __iter__(self):
        yield from zip(self.hour.floats, self.hour.labels.tolist(), strict=True)


def hugging_face(hour: Hour):
    datasets = pytest.importorskip("datasets")
    kinds = datasets.Features(
        {
            "id": datasets.Value("string"),
            "picture": datasets.Image(),
            "digit": datasets.ClassLabel(names=[str(label) for label in range(10)]),
        }
    )
    pictures = [Image.fromarray(each.numpy()) for each in hour.pixels[:, 0]]
    rows = {"id": list(map(str, range(len(pictures)))), "picture": pictures}
    return datasets.Dataset.from_dict({**rows, "digit": hour.labels.tolist()}, features=kinds)


DATA = {
    "what load_images returned": lambda hour: (hour.images,),
    "arrays": lambda hour: (hour.pixels.numpy(), hour.labels.numpy()),
    "a pair of tensors": lambda hour: ((hour.floats, hour.labels),),
    "a torch data set": lambda hour: (Photos(hour, to_tensor),),
    "a data set of PIL images": lambda hour: (Photos(hour),),
    "a shuffled loader": lambda hour: (
        DataLoader(TensorDataset(hour.floats, hour.labels), batch_size=64, shuffle=True),
    ),
    "a loader of a stream": lambda hour: (DataLoader(Stream(hour), batch_size=100),),
    "a Hugging Face data set": lambda hour: (hugging_face(hour),),
    "part of a data set": lambda hour: (
        torch.utils.data.Subset(Photos(hour, to_tensor), range(len(hour.labels))),
    ),
}


AUDITED = ("what load_images returned", "a shuffled loader", "a Hugging Face data set")
"""Kinds that go all the way; of the others it is enough that they are read as the same images."""


@pytest.mark.parametrize("kind", DATA)
def test_13_images_are_taken_as_people_have_them(hour, kind):
    taken = read_user_images(*DATA[kind](hour), progress=no_progress).images
    assert torch.equal(taken.pixels, hour.pixels)
    assert torch.equal(taken.labels, hour.labels)
    if kind in AUDITED:
        result = backburn.audit(hour.model, *DATA[kind](hour))
        assert result.verdict.target_labels == (0,)
        assert hour.found(result)


def test_14_paths_are_taken_for_both(hour):
    result = backburn.audit("victim/model.safetensors", "victim/train")
    assert result.verdict.state == "backdoored"
    assert any("weights" in note for note in result.notes)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (lambda hour: ({"train": hour.images},), r"give one split, such as data\['train'\]"),
        (lambda hour: (7,), "int holds no labeled images"),
        (lambda hour: ([(1, 2, 3)] * 3,), "."),
        (lambda hour: (Stream(hour),), "holds no labeled images"),
        (lambda hour: (TensorDataset((hour.floats - MEAN) / STD, hour.labels),), "normalized alr"),
        (lambda hour: ((hour.floats - MEAN).numpy() / STD, hour.labels), "normalized already"),
        (
            lambda hour: (Photos(hour, to_tensor, lambda image: image * torch.rand(())),),
            "without random transforms",
        ),
    ],
    ids=["splits", "number", "triples", "stream", "normalized", "normalized arrays", "random"],
)
def test_15_other_data_are_refused_in_one_line(hour, data, told):
    with pytest.raises(backburn.InputError, match=told) as caught:
        backburn.audit(hour.model, *data(hour))
    assert "\n" not in str(caught.value)


# ---- Python: what is normalized already, and models as people have them


def test_16_a_normalization_among_the_transforms_is_undone_once(hour):
    photos = Photos(hour, to_tensor, Normalize((MEAN,), (STD,)))
    result = backburn.audit(Normalized(hour.model), photos)
    assert hour.found(result)
    assert (result._data.images.pixels == hour.pixels).all()


def test_17_one_that_is_said_is_undone_too(hour):
    values = ((hour.floats - MEAN) / STD).numpy()
    result = backburn.audit(Normalized(hour.model), values, hour.labels, mean=(MEAN,), std=(STD,))
    assert hour.found(result)


def test_18_a_wrong_one_is_noticed(hour):
    values = (hour.floats - MEAN) / STD
    with pytest.raises(backburn.InputError, match="give those that the images were normalized"):
        backburn.audit(hour.model, values, hour.labels, mean=(0.5,), std=(0.5,))


def test_19_a_model_that_returns_a_record_is_read_by_its_logits(hour):
    result = backburn.audit(Normalized(hour.model, record=True, shift=(0.5, 0.5)), hour.images)
    assert hour.found(result)
    assert any("normalization: 0.5/0.5" in note for note in result.notes)


def test_20_a_pipeline_says_its_normalization(hour):
    processor = SimpleNamespace(
        do_normalize=True, image_mean=[MEAN], image_std=[STD], size={"height": 8, "width": 8}
    )
    pipeline = SimpleNamespace(model=Normalized(hour.model, record=True), image_processor=processor)
    assert hour.found(backburn.audit(pipeline, Photos(hour)))


def test_21_a_lightning_module_keeps_its_trainer_and_is_not_copied_with_it(hour):
    class Module(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner, self._trainer = inner, threading.Lock()  # what cannot be copied

        def forward(self, images):
            return self.inner(images)

    module = Module(hour.model)
    trainer = module._trainer
    result = backburn.repair(module, hour.images)
    assert type(result.model) is Module
    assert result.model is not module
    assert module._trainer is trainer


def test_22_something_else_is_no_model(hour):
    with pytest.raises(backburn.InputError, match="dict is no model: give a path, a torch module"):
        backburn.audit({}, hour.images)


# ---- Python: what comes of it


@pytest.fixture(scope="module")
def result(hour):
    return backburn.repair(hour.model, Photos(hour, to_tensor))


def test_23_a_result_is_printed_in_five_lines(result):
    lines = str(result).splitlines()
    assert len(lines) == 5
    assert lines[0] == "BACKDOORED, target class 0 (p < 1e-06)"
    assert [line.split(":")[0] for line in lines[1:]] == ["why", "suspects", "model", "next"]


def test_24_suspects_are_gone_through_indexed_and_framed(result):
    rows = [(each.index, each.given_label, each.restored_label) for each in result.suspects]
    assert len(rows) == len(result.suspects)
    assert rows[0][0] == result.suspects[0].index == int(result.suspects.index[0])
    assert len(result.suspects[:7]) == 7
    frame = result.suspects.to_pandas()
    assert frame["index"].tolist() == [row[0] for row in rows]
    assert list(frame) == ["index", "given_label", "restored_label", "confidence"]


def test_25_a_result_is_saved_and_read(hour, result):
    folder = result.save("saved")
    run = backburn.load_run(folder)
    assert run.suspects.index.tolist() == result.suspects.index.tolist()
    assert torch.equal(run.evidence.score, result.evidence.score)
    assert hour.cli("report", "saved").code == 0
    done = hour.cli("repair", "saved")
    assert done.code == 2
    assert "in memory" in done.err
    with pytest.raises(backburn.InputError, match="exists already and is not empty"):
        result.save("saved")


@pytest.mark.parametrize("kind", ["drop", "relabel"])
def test_26_a_data_set_comes_back_clean_as_one_with_its_transforms(hour, result, kind):
    clean = result.clean_dataset(kind)
    labels = [clean[place][1] for place in range(len(clean))]
    if kind == "drop":
        assert len(clean) == len(hour.labels) - len(result.suspects)
        return
    assert len(clean) == len(hour.labels)
    first = result.suspects[0]
    assert labels[first.index] == first.restored_label
    assert torch.equal(clean[first.index][0], hour.floats[first.index])


def test_27_arrays_paths_and_hugging_face_come_back_as_what_they_were(hour):
    pixels, labels = backburn.audit(
        hour.model, hour.pixels.numpy(), hour.labels.numpy()
    ).clean_dataset()
    assert isinstance(pixels, np.ndarray)
    assert len(pixels) == len(labels) < len(hour.labels)
    images = backburn.audit("victim/model.safetensors", "victim/train").clean_dataset()
    assert isinstance(images, backburn.types.LabeledImages)
    assert len(images.names) == len(images) < 1437
    data = hugging_face(hour)
    found = backburn.audit(hour.model, data)
    relabeled = found.clean_dataset("relabel")
    assert relabeled.features == data.features
    first = found.suspects[0]
    assert relabeled[first.index]["digit"] == first.restored_label
    assert relabeled[first.index]["id"] == str(first.index)


def test_28_progress_is_shown_where_somebody_looks(hour, monkeypatch, capsys):
    backburn.audit(hour.model, hour.images)
    assert capsys.readouterr().err == ""  # no terminal, no notebook
    backburn.audit(hour.model, hour.images, progress=True)
    assert capsys.readouterr().err.startswith("5 steps, ")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    backburn.audit(hour.model, hour.images, progress=False)
    assert capsys.readouterr().err == ""


def test_29_completion_shows_the_public_names():
    names = dir(backburn)
    assert set(backburn.__all__) <= set(names)
    assert all(not name.startswith("_") or name == "__version__" for name in names)


def test_30_callbacks_audit_at_the_end_of_a_training(hour, capsys):
    trained = example("trainer_callback").AuditCallback(hour.images, hour.folder / "trained")
    trained.on_train_end(None, SimpleNamespace(is_world_process_zero=False), None, model=hour.model)
    assert trained.result is None
    trained.on_train_end(None, SimpleNamespace(is_world_process_zero=True), None, model=hour.model)
    assert backburn.load_run(hour.folder / "trained").verdict.state == "backdoored"
    fitted = example("lightning_callback").AuditCallback(stop=True)
    loader = DataLoader(TensorDataset(hour.floats, hour.labels), batch_size=64, shuffle=True)
    trainer = SimpleNamespace(is_global_zero=True, train_dataloader=loader)
    with pytest.raises(RuntimeError, match="BACKDOORED, target class 0"):
        fitted.on_fit_end(trainer, hour.model)
    assert hour.found(fitted.result)
    assert "BACKDOORED" in capsys.readouterr().out
