"""What the README and the docs tell people to type, typed."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import backburn
from backburn.data.writing import dump_folder
from backburn.types import LabeledImages
from snippets import PAGES, commands_of, python_of, run_here

ANY_VERDICT = (0, 3, 4, 5)
LARGE = re.compile(r"(torchvision|timm):\w+")
"""Networks that tests/unit/test_models_libraries.py opens; a small one is in their place here."""

STORIES = ("docs/tutorial.md", "docs/howto/finetuned.md")
"""Pages whose commands go by what those before them made; each has a test of its own."""

NETS = """
from backburn.models.nets.zoo import build as built_in

def build(num_classes=3):
    return built_in("small_cnn-w4", num_classes, 3)
"""


def typed(cli, line: str) -> int:
    """The exit code of a command."""
    words = [LARGE.sub("small_cnn-w4", word) for word in shlex.split(line)]
    if words[:3] == ["python", "-m", "backburn"]:
        words[:3] = ["backburn"]
    if words[0] == "export":
        return 0  # PYTHONPATH, which `desk` has set
    if words[0] != "backburn":
        return subprocess.run(words, check=False).returncode
    done = cli(*words[1:])
    assert done.code in ANY_VERDICT, done.err
    return done.code


def executed(blocks: list[str], names: dict) -> dict:
    """Python blocks one after another, as one module; what they have defined."""
    module = ModuleType("a_module_of_ones_own")
    vars(module).update(names)
    sys.modules[module.__name__] = module  # dataclasses ask for it
    for block in filter(run_here, blocks):
        exec(block, vars(module))  # noqa: S102  our own pages
    return vars(module)


@pytest.fixture(scope="module")
def belongings(tmp_path_factory) -> Path:
    """What the pages take for granted: a network of one's own, its weights, and images.

    The weights are random, so that every audit is a short one: it abstains.
    """
    folder = tmp_path_factory.mktemp("belongings")
    pixels = torch.randint(256, (36, 3, 8, 8), generator=torch.Generator().manual_seed(0)).byte()
    images = LabeledImages(pixels, torch.arange(36) % 3, ("a", "b", "c"))
    for place in ("photos", "trusted"):
        for name, content in dump_folder(images, place).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    files = sorted((folder / "photos").rglob("*.png"))
    rows = [f"{file.parent.name}/{file.name},{file.parent.name}" for file in files]
    (folder / "photos" / "labels.csv").write_text("\n".join(["path,label", *rows]))
    np.savez(folder / "train.npz", images=pixels.numpy(), labels=images.labels.numpy())
    (folder / "nets.py").write_text(NETS)
    torch.save(executed([NETS], {})["build"]().state_dict(), folder / "model.pt")
    (folder / "review.csv").write_text("image,given_label,restored_label,decision,label\n")
    return folder


@pytest.fixture
def desk(belongings, tmp_path, monkeypatch, cli) -> Path:
    """A folder with these, and an audit's run under the names that pages have for one."""
    for path in belongings.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(belongings))
    done = cli("audit", "model.pt", "photos/", "--arch", "small_cnn-w4", "--out", "RUN")
    assert done.code in ANY_VERDICT, done.err
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "audit-20261125-101500").symlink_to("../RUN")
    return tmp_path


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(map(run_here, commands_of(page))) and page not in STORIES],
)
def test_the_commands_of_a_page_run(page, desk, cli):
    for line in filter(run_here, commands_of(page)):
        assert typed(cli, line) in ANY_VERDICT


def test_the_tutorial_runs_as_it_is_told(tmp_path, monkeypatch, cli):
    """From an attack to a repaired model that is used; trained more briefly than the page does."""
    page = "docs/tutorial.md"
    monkeypatch.chdir(tmp_path)
    (review,) = re.findall(r"```csv\n(.*?)```", PAGES[page], re.DOTALL)
    (tmp_path / "review.csv").write_text(review)
    for line in filter(run_here, commands_of(page)):
        brief = " --set recipe.training.epochs=12" if "attack" in line else ""
        assert typed(cli, line + brief) == (3 if "audit found" in line else 0), line
    executed(python_of(page), {})
    outcomes = (tmp_path / "fixed" / "review.csv").read_text()
    assert "kept clean" in outcomes
    assert "unlearned as 4" in outcomes
    assert (tmp_path / "audit" / "report.html").is_file()


def test_methods_of_ones_own_are_written_checked_and_tried_as_the_pages_say(capsys):
    pages = ("docs/howto/attack.md", "docs/howto/detector.md", "docs/howto/defense.md")
    names = executed([block for page in pages for block in python_of(page)], {})
    assert names["result"].verdict.state == "backdoored"
    assert names["before"].asr > 0.95
    assert "DER" in capsys.readouterr().out


def test_the_snippet_of_the_readme_finds_the_poison(badnets_digits, capsys):
    victim = badnets_digits.victim
    names = {"model": victim.model, "images": victim.images.pixels, "labels": victim.images.labels}
    clean_model = executed(python_of("README.md"), names)["clean_model"]
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("BACKDOORED, target class 0")
    planted = set(victim.truth.poison.nonzero().flatten().tolist())
    named = {int(line.split()[0]) for line in printed[5:]}
    assert len(named & planted) > 0.95 * len(planted)
    assert len(named - planted) < 0.05 * len(planted)
    assert clean_model is not victim.model


@pytest.mark.parametrize(
    "page", ["attacks/README", "howto/images", "howto/model", "howto/python", "report", "toolkits"]
)
def test_the_python_of_a_page_runs(page, desk, cli):
    images = backburn.load_images("train.npz")
    names = {"model": backburn.load_model("model.pt", "small_cnn-w4")}
    names |= {"network": names["model"], "images": images.pixels, "labels": images.labels}
    pairs = zip(images.pixels.permute(0, 2, 3, 1).numpy(), images.labels.tolist(), strict=True)
    if "figures-20261125-101500" in PAGES[f"docs/{page}.md"]:
        case = ("model.pt", "photos/", "--arch", "small_cnn-w4")
        assert cli("figures", *case, "--out", "runs/figures-20261125-101500").code == 0
    executed(python_of(f"docs/{page}.md"), names | {"dataset": list(pairs)})


def test_every_page_with_python_is_among_these():
    known = {"README.md", "docs/tutorial.md"}
    known |= {f"docs/howto/{name}.md" for name in ("attack", "detector", "defense")}
    known |= {f"docs/{name}.md" for name in ("attacks/README", "howto/images", "howto/model")}
    known |= {"docs/howto/python.md", "docs/howto/finetuned.md"}
    known |= {"docs/report.md", "docs/toolkits.md"}
    assert {page for page in PAGES if python_of(page)} == known
