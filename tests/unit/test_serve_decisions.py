"""Decisions are on disk at once and whole, and nobody's are lost."""

import threading

import pytest

from backburn.data.csv_cells import csv_bytes, read_csv
from backburn.data.review_file import COLUMNS
from backburn.errors import InputError
from backburn.serve.decisions import Decisions, lock_review
from handmade import CLASSES, made_gallery

ACCEPT, REJECT, RELABEL = 1, 0, 2
GALLERY = made_gallery(40)


def row(place: int, decision: str, label: int) -> dict[str, str]:
    suspect = GALLERY.suspects[place]
    cells = (suspect.image, CLASSES[suspect.given], CLASSES[suspect.restored], decision)
    return dict(zip(COLUMNS, (*cells, CLASSES[label]), strict=True))


def accepted(place: int) -> tuple[int, int]:
    return ACCEPT, GALLERY.suspects[place].restored


@pytest.fixture
def path(tmp_path):
    return tmp_path / "review.csv"


@pytest.fixture
def decisions(path) -> Decisions:
    return Decisions(path, GALLERY)


def test_every_decision_is_in_the_file_at_once_and_read_back(decisions, path):
    assert not path.exists()
    decisions.decide(7, (REJECT, GALLERY.suspects[7].given), None)
    assert path.read_bytes() == csv_bytes(COLUMNS, [row(7, "reject", 1)])
    decisions.decide(2, accepted(2), None)
    decisions.decide(7, (RELABEL, 3), (REJECT, 1))
    expected = [row(2, "accept", GALLERY.suspects[2].restored), row(7, "relabel", 3)]
    assert path.read_bytes() == csv_bytes(COLUMNS, expected)
    again = Decisions(path, GALLERY)
    assert again.decided == {2: accepted(2), 7: (RELABEL, 3)}
    assert again.counts() == {"reject": 0, "accept": 1, "relabel": 1}
    again.decide(2, None, accepted(2))
    assert read_csv(path, COLUMNS) == [row(7, "relabel", 3)]


def test_what_another_tab_decided_is_not_undone_unawares(decisions, path):
    decisions.decide(3, accepted(3), None)
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"photo 0003\.png was decided on in another tab"):
        decisions.decide(3, (REJECT, GALLERY.suspects[3].given), None)
    assert path.read_bytes() == before
    assert decisions.decided == {3: accepted(3)}


@pytest.mark.parametrize("again", [b"", csv_bytes(COLUMNS, [row(1, "reject", 1)]), None])
def test_a_file_that_another_program_changed_is_read_and_not_overwritten(decisions, path, again):
    decisions.decide(3, accepted(3), None)
    if again is None:
        path.unlink()
    else:
        path.write_bytes(csv_bytes(COLUMNS, []) if again == b"" else again)
    there = path.read_bytes() if path.exists() else None
    with pytest.raises(InputError, match="changed by another program"):
        decisions.decide(4, accepted(4), None)
    assert (path.read_bytes() if path.exists() else None) == there
    known = {1: (REJECT, 1)} if again else {}
    assert decisions.decided == known
    decisions.decide(4, accepted(4), None)
    assert Decisions(path, GALLERY).decided == {**known, 4: accepted(4)}


def test_a_file_that_became_no_review_is_left_as_it_is(decisions, path):
    decisions.decide(3, accepted(3), None)
    path.write_text("image,given_label,restored_label,decision,label\nphoto 0001.png,x,y,z,w\n")
    for _ in range(2):
        with pytest.raises(InputError, match="unknown decision 'z' in row 1"):
            decisions.decide(4, accepted(4), None)
    assert path.read_text().endswith("x,y,z,w\n")


def test_rows_about_images_that_are_no_suspects_stay(path):
    other = {**row(0, "accept", 1), "image": "=another, image.png"}
    path.write_bytes(csv_bytes(COLUMNS, [other, row(1, "reject", 1)]))
    decisions = Decisions(path, GALLERY)
    decisions.decide(0, accepted(0), None)
    rows = read_csv(path, COLUMNS)
    assert [each["image"] for each in rows] == [
        "photo 0000.png", "photo 0001.png", "=another, image.png",
    ]  # fmt: skip


def test_a_file_with_more_columns_is_refused(path):
    path.write_bytes(csv_bytes((*COLUMNS, "outcome"), [{**row(0, "accept", 1), "outcome": "x"}]))
    with pytest.raises(InputError, match="the column 'outcome', which would be lost"):
        Decisions(path, GALLERY)


@pytest.mark.parametrize("wanted", [(ACCEPT, 3), (REJECT, 3)])
def test_a_decision_that_a_repair_would_refuse_is_not_written(decisions, path, wanted):
    with pytest.raises(InputError, match="goes with the"):
        decisions.decide(0, wanted, None)
    assert not path.exists()


def test_images_of_one_name_cannot_be_told_apart(path):
    decisions = Decisions(path, made_gallery(3, names=("same.png", "same.png", "other.png")))
    with pytest.raises(InputError, match=r"2 images are called 'same\.png'"):
        decisions.decide(0, accepted(0), None)
    assert (decisions.decided, path.exists()) == ({}, False)


def test_names_from_strangers_are_kept_as_they_are(path):
    names = ("=1+1", "line\r\nend.png", "not utf-8 \udcff.png", 'quo"te, comma', "'=twice")
    gallery = made_gallery(5, names=names)
    decisions = Decisions(path, gallery)
    for place in range(5):
        decisions.decide(place, (REJECT, gallery.suspects[place].given), None)
    assert [each["image"] for each in read_csv(path, COLUMNS)] == list(names)
    assert len(Decisions(path, gallery).decided) == 5


def test_nothing_is_lost_where_many_decide_at_once(decisions, path):
    threads = [
        threading.Thread(target=decisions.decide, args=(place, accepted(place), None))
        for place in range(40)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Decisions(path, GALLERY).decided == {place: accepted(place) for place in range(40)}


def test_a_decision_that_cannot_be_written_is_none(decisions, path, monkeypatch):
    def full(*_):
        raise InputError("the disk is full")

    monkeypatch.setattr("backburn.serve.decisions.write_atomic", full)
    with pytest.raises(InputError, match="full"):
        decisions.decide(0, accepted(0), None)
    assert decisions.decided == {}


def test_one_server_has_a_review(path):
    with (
        lock_review(path),
        pytest.raises(InputError, match="is being written by process"),
        lock_review(path),
    ):
        pass
    with lock_review(path):
        pass
    assert list(path.parent.iterdir()) == []


def test_a_review_in_no_folder_is_refused(tmp_path):
    path = tmp_path / "no" / "r.csv"
    with pytest.raises(InputError, match="give another --review"), lock_review(path):
        pass
