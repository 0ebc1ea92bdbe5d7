"""The round trip: suspects of a run, decided on by a person, and a repair that says what it did."""

import csv
import hashlib
import json
from pathlib import Path

import pytest
import torch

from backburn.attacks.victim_folder import read_case
from backburn.data.csv_cells import csv_bytes
from backburn.data.review_file import COLUMNS
from backburn.models.open.open_model import load_model
from backburn.types import no_progress


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def decided(row: dict[str, str], decision: str, label: str = "") -> dict[str, str]:
    meant = {"accept": row["restored_label"], "reject": row["given_label"]}.get(decision, label)
    kept = {name: row[name] for name in COLUMNS[:3]}
    return {**kept, "decision": decision, "label": meant}


def written(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_bytes(csv_bytes(COLUMNS, rows))
    return path


def same(first: Path, second: Path) -> bool:
    ours, theirs = (load_model(run / "model.safetensors").state_dict() for run in (first, second))
    return all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.fixture(scope="module")
def reviewed(cli, victim, audited, tmp_path_factory) -> tuple[Path, Path, dict]:
    """Three suspects rejected, two relabeled, the rest accepted, and one more that was none."""
    folder = tmp_path_factory.mktemp("reviewed")
    suspects = table(audited / "suspects.csv")
    rows = [decided(row, "reject") for row in suspects[:3]]
    rows += [
        decided(row, "relabel", "8" if row["restored_label"] != "8" else "7")
        for row in suspects[3:5]
    ]
    rows += [decided(row, "accept") for row in suspects[5:]]
    named = {row["image"] for row in suspects}
    rows.append(decided(_unsuspected(victim, named), "accept"))
    path = written(folder / "my review.csv", rows)
    done = cli("repair", victim, "--review", path, "--out", folder / "run", "--json")
    assert (done.code, done.err) == (0, ""), done.err
    return path, folder / "run", json.loads(done.out)


def _unsuspected(victim: Path, named: set[str]) -> dict[str, str]:
    """A row of `suspects.csv` that an image of class 1 would have."""
    images = read_case(victim, torch.device("cpu"), no_progress).images
    rows = (images.labels == 1).nonzero().flatten().tolist()
    name = next(images.name_of(row) for row in rows if images.name_of(row) not in named)
    return {"image": name, "given_label": "1", "restored_label": "2"}


def test_every_decision_is_in_the_repaired_run(reviewed):
    path, run, _ = reviewed
    suspects = {row["image"]: row for row in table(run / "suspects.csv")}
    for row in table(path):
        if row["decision"] == "reject":
            assert row["image"] not in suspects
        else:
            found = suspects[row["image"]]
            assert (found["restored_label"], found["confidence"]) == (row["label"], "1.0000")


def test_the_run_says_what_was_done_with_each(reviewed):
    path, run, _ = reviewed
    asked, told = table(path), table(run / "review.csv")
    assert [{name: row[name] for name in COLUMNS} for row in told] == asked
    outcomes = [row["outcome"] for row in told]
    assert outcomes[:3] == ["kept clean"] * 3
    assert outcomes[3:5] == [f"relabeled to {row['label']}" for row in asked[3:5]]
    assert outcomes[5:-1] == [f"unlearned as {row['label']}" for row in asked[5:-1]]
    assert outcomes[-1] == "was no suspect, unlearned as 2"


def test_the_record_has_the_review_and_its_counts(reviewed):
    path, run, summary = reviewed
    record = json.loads((run / "record.json").read_text())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert record["arguments"]["review"] == {"path": str(path), "sha256": digest}
    assert record["metrics"]["review"] == summary["review"]
    counts = summary["review"]
    accepted = len(table(path)) - 5
    assert (counts["rejected"], counts["relabeled"], counts["accepted"]) == (3, 2, accepted)
    assert counts["unsuspected"] == 1
    assert counts["undecided"] == summary["verdict"]["suspects"] - accepted - 2


def test_the_backdoor_is_gone_all_the_same(reviewed, repaired):
    _, run, summary = reviewed
    assert summary["verdict"]["state"] == "backdoored"
    assert summary["after"]["asr"] <= 0.05
    assert summary["after"]["acc"] >= summary["before"]["acc"] - 0.02
    assert not same(run, repaired[0])


def test_the_review_of_a_run_can_be_given_to_a_run_and_the_result_is_the_same(
    cli, reviewed, audited, tmp_path
):
    _, run, _ = reviewed
    done = cli("repair", audited, "--review", run / "review.csv", "--out", tmp_path / "again")
    assert done.code == 0, done.err
    assert same(tmp_path / "again", run)
    assert (tmp_path / "again" / "review.csv").read_bytes() == (run / "review.csv").read_bytes()
    accepted = len(table(run / "review.csv")) - 5
    line = next(line for line in done.out.splitlines() if line.startswith("review: "))
    assert line.startswith(f"review: 3 kept clean, {accepted} accepted, 2 relabeled (1 of these")


def test_a_review_without_decisions_changes_nothing(cli, victim, repaired, tmp_path):
    path = written(tmp_path / "review.csv", [])
    done = cli("repair", victim, "--review", path, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert same(tmp_path / "run", repaired[0])
    told = (tmp_path / "run" / "suspects.csv").read_bytes()
    assert told == (repaired[0] / "suspects.csv").read_bytes()
    assert (tmp_path / "run" / "review.csv").read_text() == ",".join([*COLUMNS, "outcome"]) + "\n"


def test_a_sample_is_reviewed_and_repaired_by_its_run_and_rejecting_all_gives_the_model_back(
    cli, victim, tmp_path
):
    sample = ("--max-images", "1000", "--seed", "3")
    assert cli("audit", victim, *sample, "--out", tmp_path / "audit").code == 3
    rows = [decided(row, "reject") for row in table(tmp_path / "audit" / "suspects.csv")]
    path = written(tmp_path / "review.csv", rows)
    done = cli("repair", tmp_path / "audit", "--review", path, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert "Nothing is left to unlearn, so the model in the run is the one given." in done.out
    assert same(tmp_path / "run", victim)
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert (record["seed"], record["arguments"]["max_images"]) == (3, 1000)


MODEL, PHOTOS = "model.safetensors", "photos"
ROW = {"image": "cat/0.png", "given_label": "cat", "restored_label": "dog"}


@pytest.fixture
def photos_review(here) -> Path:
    """Decisions on photos that no run has looked at, in a folder with a model that fits them."""
    return written(here / "review.csv", [decided(ROW, "accept")])


@pytest.mark.parametrize("name", ["cat/0.png", "=1+1.png", "<b>&amp;'\"\n.png"])
def test_names_of_files_are_data(cli, here, photos_review, name):
    (here / PHOTOS / "cat" / "0.png").rename(here / PHOTOS / "cat" / Path(name).name)
    row = {**ROW, "image": f"cat/{Path(name).name}"}
    written(photos_review, [decided(row, "accept")])
    images = (MODEL, PHOTOS, "--arch", "small_cnn-w4", "--review", photos_review)
    done = cli("repair", *images, "--out", here / "run")
    assert done.code == 0, done.err
    (told,) = table(here / "run" / "review.csv")
    assert (told["image"], told["outcome"]) == (
        row["image"],
        "was no suspect, unlearned as dog",
    )
    (suspect,) = table(here / "run" / "suspects.csv")
    assert (suspect["image"], suspect["restored_label"]) == (row["image"], "dog")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"image": "17"}, ["row 1 of review.csv", "no image '17' here", "of the run that was"]),
        ({"given_label": "dog"}, ["row 1 of review.csv", "not labeled 'dog' here"]),
        ({"decision": "<script>"}, ["unknown decision '<script>'"]),
        ({"label": "=cmd|' /C calc'!A0"}, ["unknown class", "calc"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_review_of_other_images_is_refused(refused, here, photos_review, change, told):
    written(photos_review, [{**decided(ROW, "accept"), **change}])
    line = refused("repair", MODEL, PHOTOS, "--review", "review.csv")
    assert all(word in line for word in told), line


def test_a_review_of_another_data_set_is_refused(refused, here, reviewed):
    line = refused("repair", MODEL, PHOTOS, "--review", reviewed[0])
    assert "row 1 of" in line
    assert "give the images, --max-images and --seed of the run that was reviewed" in line


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([MODEL, PHOTOS, "--review", "none.csv"], ["none.csv", "cannot be read"]),
        ([MODEL, PHOTOS, "--review", MODEL], [MODEL, "cannot be read as CSV"]),
        ([MODEL, PHOTOS, "--review", PHOTOS], [PHOTOS, "cannot be read"]),
        (["AUDIT", "--size", "8"], ["says itself", "leave out --size"]),
    ],
    ids=range(4),
)
def test_what_is_no_review_is_refused(refused, audited, arguments, told):
    arguments = [audited if word == "AUDIT" else word for word in arguments]
    line = refused("repair", *arguments)
    assert all(word in line for word in told), line
