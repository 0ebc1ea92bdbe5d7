"""Help, the list of runs, and making victims from folders of one's own."""

import json
import subprocess
import sys

import pytest

from backburn.cli.main import VERBS
from backburn.runs import new_record, write_run

HELP_WITHOUT_TORCH = """
import sys
from click.testing import CliRunner
from backburn.cli.main import VERBS, cli
for verb in (None, *VERBS):
    done = CliRunner().invoke(cli, [verb, "--help"] if verb else ["--help"])
    assert done.exit_code == 0, done.output
    assert "Usage: " in done.output
heavy = {"torch", "datasets", "sklearn", "scipy"} & set(sys.modules)
assert not heavy, heavy
"""


def test_help_needs_no_torch():
    done = subprocess.run(
        [sys.executable, "-c", HELP_WITHOUT_TORCH], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_says_what_it_does(cli, verb):
    done = cli(verb, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: backburn {verb}")
    assert max(map(len, done.out.splitlines())) <= 80


def test_the_group_lists_its_verbs_and_exit_codes(cli):
    done = cli("--help")
    assert done.code == 0
    assert all(verb in done.out for verb in VERBS)
    assert all(word in done.out for word in ("0 clean", "3 backdoored", "4 suspicious", "2 bad"))


def test_the_version_is_told(cli):
    from backburn import __version__

    done = cli("--version")
    assert done.code == 0
    assert __version__ in done.out


@pytest.fixture
def runs(tmp_path):
    """A folder with an audit and, made later, an attack; and something that is no run."""
    folder = tmp_path / "some" / "rather" / "long" / "path" / "to" / "the" / "runs"
    made = [
        ("audit", {"verdict": {"state": "backdoored", "suspects": 7}}, "2026-01-02T00:00:00+00:00"),
        ("attack", {"acc": 0.9, "asr": 1.0, "ra": 0.0}, "2026-01-01T00:00:00+00:00"),
    ]
    for name, metrics, created in made:
        record = new_record(name, {}, 0, {}, metrics, "cpu")
        values = {key: getattr(record, key) for key in record.__slots__}
        write_run(folder / f"{name}-1", type(record)(**{**values, "created": created}), {})
    (folder / "notes").mkdir()
    return folder


def test_runs_are_listed_oldest_first_with_their_figures(cli, runs):
    done = cli("ls", runs)
    assert done.code == 0
    head, first, second, *onward = done.out.splitlines()
    assert onward[0].startswith("Next: backburn report ")
    assert all(word in head for word in ("run", "command", "verdict", "ACC", "ASR"))
    assert all(word in first for word in ("attack", "90.0 %", "100.0 %"))
    assert all(word in second for word in ("audit", "backdoored", "7"))


def test_the_place_of_a_run_is_listed_whole(cli, runs):
    # whoever pipes the list into another command needs it
    lines = cli("ls", runs).out.splitlines()
    assert str(runs / "attack-1") in lines[1].split()


def test_runs_are_listed_as_json(cli, runs):
    done = cli("ls", runs, "--json")
    assert (done.code, done.err) == (0, "")
    listed = json.loads(done.out)
    assert [entry["run"] for entry in listed] == [str(runs / "attack-1"), str(runs / "audit-1")]
    assert listed[0]["record"]["metrics"]["acc"] == 0.9


def test_one_run_is_listed_by_itself(cli, runs):
    assert len(json.loads(cli("ls", runs / "audit-1", "--json").out)) == 1


def test_an_empty_folder_has_no_runs(cli, tmp_path):
    done = cli("ls", tmp_path)
    assert done.code == 0
    listed, onward = done.out.split("Next: ")
    assert listed.split() == f"no runs in {tmp_path}".split()
    assert onward.startswith("backburn demo")
    assert json.loads(cli("ls", tmp_path, "--json").out) == []


def test_a_victim_is_made_from_a_folder_of_ones_own(cli, here):
    settings = ("--rate", "0.3", "--arch", "small_cnn-w4", "--set", "recipe.training.epochs=1")
    done = cli("attack", "badnets", "photos", "--test", "photos", "--out", "victim", *settings)
    assert done.code == 0, done.err
    assert "Next: backburn audit victim" in done.out
    audit = cli("audit", "victim", "--out", "run")
    assert (audit.code, audit.err.count("backburn:")) == (5, 0)
    assert "ABSTAINED" in audit.out, "eight photos are too few to tell"


def test_a_victim_may_be_a_tree_of_files_like_a_strangers(cli, here):
    settings = ("--rate", "0.3", "--arch", "small_cnn-w4", "--set", "recipe.training.epochs=1")
    case = ("attack", "badnets", "photos", "--test", "photos", "--layout", "folder")
    assert cli(*case, "--out", "victim", *settings).code == 0
    assert sorted(path.name for path in (here / "victim" / "train").iterdir()) == ["cat", "dog"]
    model, tree = here / "victim" / "model.safetensors", here / "victim" / "train"
    assert cli("audit", model, tree, "--out", "stranger").code == 5
    done = cli("audit", "victim", "--out", "known")
    assert (done.code, done.err) == (5, "5 steps, a few seconds\n")


def test_auxiliary_networks_are_kept_where_they_are_asked_for(cli, here):
    small = ("surrogate.architecture='small_cnn-w4'", "surrogate.training.epochs=1", "steps=2")
    settings = [f"--set=attack.{setting}" for setting in small]
    settings += ["--set=recipe.training.epochs=1", "--arch=small_cnn-w4", "--rate=0.3"]
    for name in ("one", "two"):
        done = cli("attack", "lc", "photos", "--surrogates", "kept", "--out", name, *settings)
        assert done.code == 2, "eight photos are too few to hold some out"
        case = ("attack", "lc", "photos", "--test", "photos", "--surrogates", "kept")
        assert cli(*case, "--out", name, *settings).code == 0
    assert len(list((here / "kept").iterdir())) == 1
    one, two = (here / name / "train.parquet" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_the_help_of_attack_names_every_attack(cli):
    from backburn.registry import ATTACKS

    words = set(cli("attack", "--help").out.replace(",", " ").replace(".", " ").split())
    assert set(ATTACKS) <= words


def test_an_attack_says_nothing_on_stderr_where_json_is_asked_for(cli, here):
    settings = ("--rate", "0.3", "--arch", "small_cnn-w4", "--set", "recipe.training.epochs=1")
    done = cli("attack", "badnets", "photos", "--test", "photos", "--json", *settings)
    assert (done.code, done.err) == (0, "")
    summary = json.loads(done.out)
    assert set(summary["victim"]) == {"acc", "asr", "ra"}
    assert (here / summary["run"] / "record.json").is_file()


def test_without_out_runs_get_a_folder_of_their_own(cli, here):
    for _ in range(2):
        assert cli("audit", "model.safetensors", "photos").code == 5
    made = sorted(path.name for path in (here / "runs").iterdir())
    assert len(made) == 2
    assert all(name.startswith("audit-2") for name in made)


def test_figures_are_drawn_with_their_numbers_and_the_verdict(cli, victim, tmp_path):
    run = tmp_path / "figures"
    done = cli("figures", victim, "--out", run, "--each", 40, "--json")
    assert (done.code, done.err) == (0, "")
    said = json.loads(done.out)
    assert said["verdict"]["state"] == "backdoored"
    assert said["auroc"]["combined"] > 0.99
    names = {path.name for path in run.iterdir()}
    for figure in ("distances", "crossed_labels", "embedding", "rounds"):
        assert {f"{figure}.png", f"{figure}.svg", f"{figure}.csv"} <= names
    assert {"evidence.csv", "auroc.csv", "record.json", "config.toml"} <= names


def test_an_audit_of_a_sample_says_what_it_means_for_all(cli, victim):
    done = cli("audit", victim, "--max-images", 700, "--json")
    assert done.code == 3
    verdict = json.loads(done.out)["verdict"]
    assert (verdict["images"], verdict["images_in_all"]) == (pytest.approx(700, abs=5), 1437)
    low, high = verdict["suspect_share"]
    assert 0.05 < low < 0.1 < high < 0.15
    assert "of all 1437 that is" in cli("audit", victim, "--max-images", 700).out


def test_a_sample_too_small_to_tell_is_no_verdict(cli, victim):
    done = cli("audit", victim, "--max-images", 60)
    assert done.code == 5
    assert "ABSTAINED" in done.out
    assert "No verdict: only 0 of 10 classes have 20 images" in done.out


def test_a_holdout_is_taken_and_one_of_other_classes_refused(cli, victim, here):
    done = cli("repair", victim, "--holdout", victim / "test.parquet", "--json")
    assert done.code == 0
    assert json.loads(done.out)["after"]["asr"] <= 0.02
    wrong = cli("repair", victim, "--holdout", here / "photos")
    assert wrong.code == 2
    assert "2 of 2 classes in" in wrong.err
    assert "are not among the 10 known ones" in wrong.err


def test_the_method_as_published_is_at_hand(cli, victim):
    done = cli("repair", victim, "--method", "paper", "--json")
    assert done.code == 0
    assert json.loads(done.out)["verdict"]["state"] == "backdoored"
    wrong = cli("repair", victim, "--method", "papr")
    assert (wrong.code, "did you mean 'paper'" in wrong.err) == (2, True)
