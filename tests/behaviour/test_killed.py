"""Killed inside of a write, a command goes on to the same result and leaves nothing behind."""

import functools
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from backburn.data.sources.digits import digits

QUICKLY = ("--set", "steps=100")
"""Fewer steps of a fine-tuning take less time and are as easily killed."""
KILLER = Path(__file__).resolve().parents[1] / "killing.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("killed")


@pytest.fixture(scope="module")
def run(folder) -> Iterator[Callable[..., dict]]:
    """Runs a command in `folder`: `run("audit", victim, kill=("record.json", 1, "half"))`."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, KILLER, folder], stdin=pipe, stdout=pipe, text=True, bufsize=1
    ) as server:

        def ask(*arguments: object, kill=None, number=None) -> dict:
            order = {"arguments": [*map(str, arguments)], "kill": kill, "signal": number}
            server.stdin.write(json.dumps(order) + "\n")
            return json.loads(server.stdout.readline())

        yield ask
        server.stdin.close()


@pytest.fixture(scope="module")
def victim(run, folder) -> Path:
    """Zeros, ones and twos, some of them poisoned: audited in a moment."""
    images = digits("train")
    rows = (images.labels < 3).nonzero().flatten()
    few = images.take(rows)
    np.savez(folder / "few.npz", images=few.pixels[:, 0].numpy(), labels=few.labels.numpy())
    recipe = ("--rate", "0.1", "--set", "recipe.training.epochs=16")
    ended = run("attack", "badnets", "few.npz", *recipe, "--out", "victim")
    assert ended["code"] == 0, ended
    return folder / "victim"


@pytest.fixture(scope="module")
def whole(run, victim, folder) -> Callable[[str], dict[str, object]]:
    """What a command writes that is not stopped, by its verb."""

    @functools.cache
    def made(verb: str) -> dict[str, object]:
        out = folder / f"{verb}-whole"
        ended = run(verb, victim, *(QUICKLY if verb == "repair" else ()), "--out", out)
        assert ended["code"] in (0, 3), ended
        found = contents(out)
        shutil.rmtree(out)
        return found

    return made


@pytest.fixture(autouse=True)
def swept(folder) -> Iterator[None]:
    """What a failed test left hidden fails no other one."""
    yield
    for left in folder.glob(".*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()


def killed(ended: dict) -> bool:
    return ended["code"] == -signal.SIGKILL


def contents(run: Path) -> dict[str, object]:
    """Every file of a run; of its record what does not depend on the moment."""
    files = {str(p.relative_to(run)): p.read_bytes() for p in run.rglob("*") if p.is_file()}
    record = json.loads(files.pop("record.json"))
    metrics = record["metrics"]
    metrics["history"] = [(phase["name"], phase["figures"]) for phase in metrics.get("history", [])]
    return {**files, "metrics": metrics, "seed": record["seed"]}


def test_an_audit_killed_in_every_write_on_its_way_ends_as_one_that_was_not(
    run, folder, victim, whole
):
    command, kept, times = ("audit", victim, "--out", "audit"), -1, 0
    # each begins, keeps one more search, and is killed in the middle of the next write
    while (found := len(list((folder / ".audit-work").glob("*/*.safetensors")))) > kept:
        kept, times = found, times + 1
        assert killed(run(*command, kill=("", 3, "half")))
    assert times > 1
    for kill in (("begun.json", 1, "half"), ("record.json", 1, "half"), ("", 0, "before")):
        assert killed(run(*command, kill=kill))
        assert not (folder / "audit").exists()
    # the run is whole, and killed before or while its pictures are drawn
    for kill in (("", 0, "after"), ("gallery.json", 1, "half"), ("record.json", 1, "half")):
        assert killed(run(*command, kill=kill))
        assert (folder / "audit" / "record.json").exists()
        assert not list((folder / "audit").glob("*.html"))
    ended = run(*command)
    assert (ended["code"], ended["err"]) == (3, "")
    assert contents(folder / "audit") == whole("audit")
    assert ended["out"] == "This run was finished before it was stopped.\nrun: audit\n"
    assert not list(folder.glob(".*"))
    assert run(*command)["code"] == 2  # as where any other run is


def test_a_repair_killed_while_it_writes_keeps_what_it_trained(run, folder, victim, whole):
    command = ("repair", victim, *QUICKLY, "--out", "repair")
    assert killed(run(*command, kill=("training/", 2, "half")))
    assert killed(run(*command, kill=("model.safetensors", 1, "half")))
    before = {p: p.stat().st_mtime_ns for p in (folder / ".repair-work").glob("training/*")}
    assert before
    assert killed(run(*command, kill=("record.json", 1, "half")))
    after = {p: p.stat().st_mtime_ns for p in (folder / ".repair-work").glob("training/*")}
    assert after == before
    ended = run(*command)
    assert ended["code"] == 0
    assert "going on with repair, which was begun" in ended["err"]
    assert contents(folder / "repair") == whole("repair")
    assert not list(folder.glob(".*"))


def test_the_report_of_a_run_without_its_pictures_draws_them(run, folder, victim, whole):
    command = ("repair", victim, *QUICKLY, "--out", "bare")
    assert killed(run(*command, kill=("gallery.safetensors", 1, "half")))
    assert not (folder / "bare" / "gallery.safetensors").exists()
    ended = run("report", "bare", "--out", "bare.html")
    assert ended["code"] == 0, ended
    assert contents(folder / "bare") == whole("repair")
    shutil.rmtree(folder / "bare")


def test_an_attack_killed_while_it_trains_makes_the_same_victim(run, folder, victim):
    data = ("wanet", "few.npz", "--set", "recipe.training.epochs=5")
    plain, cut = (("attack", *data, "--out", name) for name in ("plain", "cut"))
    assert run(*plain)["code"] == 0
    assert killed(run(*cut, kill=("training/", 2, "half")))
    assert list((folder / ".cut-work" / "training").glob("*.safetensors"))
    assert killed(run(*cut, kill=("truth.parquet", 1, "half")))
    assert run(*cut)["code"] == 0
    assert contents(folder / "cut") == contents(folder / "plain")
    assert not list(folder.glob(".*"))


def test_a_page_and_an_export_that_were_killed_are_made_by_the_same_command(run, folder, victim):
    assert run("audit", victim, "--out", "known")["code"] == 3
    page, export = ("report", "known", "--out", "page.html"), ("export", "known", "cleaned")
    for command, kill in ((page, ("page.html", 1, "half")), (export, ("", 0, "before"))):
        assert killed(run(*command, kill=kill))
        assert not (folder / command[-1]).exists()
        assert run(*command)["code"] == 0
        assert (folder / command[-1]).exists()
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_it_within_seconds_and_it_says_how_to_go_on(
    run, folder, victim, whole, number, code
):
    expected, ended = whole("audit"), run("audit", victim, number=number)
    assert (ended["code"], ended["out"]) == (code, "")
    assert ended["seconds"] < 5
    line = ended["err"].splitlines()[-1]
    begin, command = line.split("to go on: ")
    assert begin == "backburn: stopped; "
    assert command.startswith(f"backburn audit {victim} --out runs/audit-")
    path = folder / command.split()[-1]
    shown = run("ls", "runs")["out"]
    assert f"runs/{path.name}: not finished, begun " in shown
    assert command in shown
    assert run("audit", victim)["code"] == 3  # without its name it is found again
    assert contents(path) == expected
    assert [each.name for each in (folder / "runs").iterdir()] == [path.name]
    shutil.rmtree(path)
