"""`backburn export`: the data set without its poison, and the original as it was."""

import csv
import io
import json
import shutil

import pytest
from PIL import Image

from backburn.data.csv_cells import csv_bytes
from backburn.data.load_images import load_images
from backburn.runs import new_record, write_run
from backburn.toolkits.run_suspects import COLUMNS


def make_run(here, rows, data="photos"):
    """A finished audit of photos/ with the suspects `rows`: image, given and restored label."""
    table = [dict(zip(COLUMNS, (*row, "0.9000", "0.9500", "1.00000"), strict=True)) for row in rows]
    record = new_record("audit", {"model": "model.safetensors", "data": data}, 0, {}, {}, "cpu")
    write_run(here / "run", record, {"suspects.csv": csv_bytes(COLUMNS, table)})


@pytest.fixture
def run(here):
    """cat/1.png shall be a dog, dog/2.png carries a trigger and its own label."""
    make_run(here, [("cat/1.png", "cat", "dog"), ("dog/2.png", "dog", "dog")])
    return here / "run"


def test_suspects_are_left_out_and_all_else_is_copied_as_it_is(cli, here, run):
    before = {path: path.read_bytes() for path in (here / "photos").rglob("*.png")}
    done = cli("export", "run", "cleaned", "--as", "folder")
    assert (done.code, done.err) == (0, "")
    assert "kept 6, dropped 2, relabeled 0" in done.out
    names = ["cat/0.png", "cat/2.png", "cat/3.png", "dog/0.png", "dog/1.png", "dog/3.png"]
    written = here / "cleaned" / "train"
    assert sorted(str(p.relative_to(written)) for p in written.glob("*/*")) == names
    for name in names:
        assert (written / name).read_bytes() == (here / "photos" / name).read_bytes()
    assert {path: path.read_bytes() for path in (here / "photos").rglob("*.*")} == before
    record = json.loads((here / "cleaned" / "record.json").read_text())
    assert record["command"] == "export"
    assert record["metrics"] == {"kept": 6, "dropped": 2, "relabeled": 0, "unreadable": 0}


def test_suspects_are_relabeled_and_clean_label_poison_is_left_out_all_the_same(cli, here, run):
    done = cli("export", "run", "cleaned", "--as", "folder", "--suspects", "relabel", "--json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["relabeled"] == 1
    written = here / "cleaned" / "train"
    # dog/ has a 1.png of its own, which keeps its name
    assert sorted(p.name for p in (written / "dog").iterdir()) == [
        "0.png", "1-1.png", "1.png", "3.png",
    ]  # fmt: skip
    for name, original in (("1-1.png", "cat"), ("1.png", "dog")):
        content = (here / "photos" / original / "1.png").read_bytes()
        assert (written / "dog" / name).read_bytes() == content


@pytest.mark.parametrize("layout", ["parquet", "folder", "csv"])
def test_what_is_written_is_read_back_as_images(cli, here, run, layout):
    assert cli("export", "run", "cleaned", "--as", layout, "--suspects", "relabel").code == 0
    images = load_images("cleaned")
    assert images.class_names == ("cat", "dog")
    assert images.labels.bincount().tolist() == [3, 4]
    original = load_images("photos")
    place = original.names.index("cat/1.png")
    same = (images.pixels == original.pixels[place]).flatten(1).all(1)
    assert images.labels[same].tolist() == [1]


def test_a_csv_lists_its_images(cli, here, run):
    assert cli("export", "run", "cleaned", "--as", "csv", "--suspects", "relabel").code == 0
    rows = list(csv.DictReader((here / "cleaned" / "train.csv").read_text().splitlines()))
    assert len(rows) == 7
    assert {"path": "images/cat/1.png", "label": "dog"} in rows
    for row in rows:
        with Image.open(here / "cleaned" / row["path"]) as image:
            assert image.size == (8, 8)


def test_rows_of_parquet_keep_the_bytes_that_they_had(cli, here, run):
    cli("export", "run", "whole", "--suspects", "drop")
    shutil.rmtree(here / "run")
    make_run(here, [("row 2", "cat", "dog")], data="whole")
    for layout in ("parquet", "folder", "csv"):
        done = cli("export", "run", f"out-{layout}", "--as", layout)
        assert "kept 5, dropped 1" in done.out, done.err
    first, second = (load_images(here / name) for name in ("whole", "out-parquet"))
    assert second.pixels.equal(first.pixels[[0, 1, 3, 4, 5]])
    assert load_images(here / "out-folder").labels.equal(second.labels)
    assert (here / "out-csv" / "images" / "0000003.png").is_file()


def test_images_listed_in_a_table_are_matched_and_missing_ones_counted(cli, here):
    rows = [*(f"cat/{k}.png,cat" for k in range(4)), "dog/0.png,dog", "dog/9.png,dog"]
    (here / "photos" / "list.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    make_run(here, [("cat/3.png", "cat", "dog")], data="photos/list.csv")
    done = cli("export", "run", "cleaned", "--as", "folder", "--suspects", "relabel")
    assert "kept 4, dropped 0, relabeled 1, unreadable 1" in done.out, done.err
    written = here / "cleaned" / "train" / "dog"
    assert sorted(p.name for p in written.iterdir()) == ["0.png", "3-3.png"]


def test_the_audit_of_a_victim_gives_a_data_set_to_train_on(cli, victim, audited, tmp_path):
    suspects = list(csv.DictReader(io.StringIO((audited / "suspects.csv").read_text())))
    done = cli("export", audited, tmp_path / "cleaned")
    assert done.code == 0, done.err
    images, cleaned = load_images(victim), load_images(tmp_path / "cleaned")
    assert len(cleaned) == len(images) - len(suspects)
    rows = {row["image"] for row in suspects}
    kept = [k for k, name in enumerate(images.names) if name not in rows]
    assert cleaned.pixels.equal(images.pixels[kept])
    assert cleaned.labels.equal(images.labels[kept])
    assert cleaned.class_names == images.class_names


def test_a_model_that_backdoorbench_lacks_is_refused(cli, repaired, tmp_path):
    done = cli("export", repaired[0], tmp_path / "out", "--as", "backdoorbench")
    assert done.code == 2
    assert "BackdoorBench has no network" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("suspects", "told"),
    [
        ([("cat/9.png", "cat", "dog")], "cat/9.png"),
        ([("cat/1.png", "dog", "cat")], "cat/1.png"),
        ([("cat/1.png", "cat", "cow")], "no class 'cow'"),
        ([(f"cat/{k}.png", "cat", "cat") for k in range(4)], "class 0 has no images"),
    ],
    ids=["gone", "relabeled", "class", "emptied"],
)
def test_data_that_are_not_those_of_the_run_are_refused_and_nothing_is_left(
    refused, here, suspects, told
):
    make_run(here, suspects)
    assert told in refused("export", "run", "cleaned", "--as", "folder")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere", "out"], "no run at nowhere"),
        (["run", "photos"], "give another DEST"),
        (["run", "photos/cleaned"], "give another DEST"),
        (["run", "out", "--data", "nowhere"], "no images at nowhere"),
        (["run", "out", "--as", "backdoorbench"], "holds no repaired model"),
        (["run", "out", "--as", "zip"], "--as"),
        (["run", "out", "--suspects", "keep"], "--suspects"),
        (["run"], "DEST"),
    ],
    ids=" ".join,
)
def test_an_export_that_cannot_be_made(refused, run, arguments, told):
    assert told in refused("export", *arguments)


def test_a_run_without_suspects_or_a_damaged_one_is_refused(refused, here, run):
    (run / "suspects.csv").write_text("image,given_label\na,b\n")
    assert "needs the column restored_label" in refused("export", "run", "cleaned")
    (run / "suspects.csv").unlink()
    assert "suspects.csv" in refused("export", "run", "cleaned")


def test_file_names_like_formulas_and_with_quotes_are_matched(cli, here):
    names = ["=1+1.png", '"a",b.png', "-x.png", "line\nend.png"]
    for name in names:
        shutil.copy(here / "photos" / "cat" / "0.png", here / "photos" / "cat" / name)
    make_run(here, [(f"cat/{name}", "cat", "dog") for name in names])
    done = cli("export", "run", "cleaned", "--as", "csv", "--suspects", "relabel")
    assert "relabeled 4" in done.out, done.err
    with (here / "cleaned" / "train.csv").open(newline="") as file:
        labels = {row["path"]: row["label"] for row in csv.DictReader(file)}
    # the last name is none for a table, so that its row is
    paths = [f"images/cat/{name}" for name in names[:3]] + ["images/0000007.png"]
    assert [labels[path] for path in paths] == ["dog"] * 4
    assert all((here / "cleaned" / path).is_file() for path in labels)
