"""`review.csv`: what is read from it, and what is refused in one line that names the row."""

from pathlib import Path

import pytest
import torch

from backburn.data.csv_cells import csv_bytes
from backburn.data.review import Decision, Review, check_review
from backburn.data.review_file import COLUMNS, read_review
from backburn.errors import InputError
from backburn.types import LabeledImages

NAMES = ("cat/1.png", "=cat/2.png", "'=cat/2.png", 'a,\n"b".png', "dog/1.png", "dog/1.png")
CLASSES = ("cat", "-dog", "كلب 🐶", "twin", "twin")


@pytest.fixture
def images() -> LabeledImages:
    pixels = torch.zeros(6, 1, 2, 2, dtype=torch.uint8)
    return LabeledImages(pixels, torch.tensor([0, 0, 0, 1, 1, 1]), CLASSES, NAMES)


def line(image: str, decision: str, label: str, given: str = "cat", restored: str = "-dog") -> dict:
    values = (image, given, restored, decision, label)
    return dict(zip(COLUMNS, values, strict=True))


def written(tmp_path: Path, *rows: dict) -> Path:
    path = tmp_path / "review.csv"
    path.write_bytes(csv_bytes(COLUMNS, rows))
    return path


def read(path: Path, images: LabeledImages) -> list[tuple[int, int, int]]:
    review = check_review(read_review(path, images), images)
    return list(
        zip(review.index.tolist(), review.decision.tolist(), review.label.tolist(), strict=True)
    )


def test_decisions_are_read_and_cells_are_as_they_were(tmp_path, images):
    path = written(
        tmp_path,
        line('a,\n"b".png', "reject", "-dog", "-dog", "cat"),
        line("=cat/2.png", "accept", "-dog"),
        line("'=cat/2.png", "relabel", "كلب 🐶"),
        line("cat/1.png", "relabel", "cat", restored="-1"),
    )
    assert read(path, images) == [(3, 0, 1), (1, 1, 1), (2, 2, 2), (0, 2, 0)]


def test_a_spreadsheet_may_have_been_at_it(tmp_path, images):
    path = written(tmp_path, line("cat/1.png", "accept", "-dog"))
    text = path.read_text().replace("\n", "\r\n").replace("label\r", "label,outcome\r", 1)
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("'-dog\r", "'-dog,unlearned\r").encode())
    assert read(path, images) == [(0, 1, 1)]


def test_classes_and_images_without_names_go_by_number(tmp_path, images):
    plain = LabeledImages(images.pixels, images.labels)
    path = written(tmp_path, line("4", "accept", "0", "1", "0"))
    assert read(path, plain) == [(4, 1, 0)]


def test_a_head_alone_decides_nothing(tmp_path, images):
    assert len(read_review(written(tmp_path), images)) == 0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (line("bird.png", "accept", "-dog"), "no image 'bird.png' here: give the images"),
        (line("dog/1.png", "reject", "-dog", "-dog"), "2 images are called 'dog/1.png'"),
        (line("cat/1.png", "acept", "-dog"), r"unknown decision 'acept' in .*mean 'accept'"),
        (line("cat/1.png", "relabel", "-dgo"), r"unknown class '-dgo' in .*mean '-dog'"),
        (line("cat/1.png", "relabel", "twin"), "2 classes are called 'twin'"),
        (line("cat/1.png", "accept", "cat"), "accept goes with the restored_label, '-dog'"),
        (line("cat/1.png", "reject", "-dog"), "reject goes with the given_label, 'cat'"),
        (line("cat/1.png", "accept", "-dog", "-dog"), "is not labeled '-dog' here"),
        (line("=cat/2.png", "reject", "cat"), "for the second time"),
        (line("\x1b[31m\n" + "x" * 9999, "reject", "cat"), r"no image '\\x1b\[31m\\nx"),
    ],
    ids=range(10),
)
def test_a_row_that_does_not_go_with_the_images_is_named(tmp_path, images, row, message):
    path = written(tmp_path, line("=cat/2.png", "accept", "-dog"), row)
    with pytest.raises(InputError, match=message) as caught:
        read_review(path, images)
    assert f"row 2 of {path}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "needs the column image"),
        (b"image,given_label,restored_label,label\n", "needs the column decision"),
        (b"image,image,given_label,restored_label,decision,label\n", "needs the column image once"),
        (b"image,given_label,restored_label,decision,label\na,b\n", "row 1 of .* is not whole"),
        (b'image,given_label,restored_label,decision,label\n"a', "cannot be read as CSV"),
        (b"image;given_label;restored_label;decision;label\n", "needs the column image"),
        (b"\x00\xff\xfe\x89PNG", "needs the column|cannot be read"),
    ],
    ids=range(7),
)
def test_a_file_that_is_no_review_is_refused(tmp_path, images, content, message):
    (tmp_path / "review.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_review(tmp_path / "review.csv", images)


def test_a_file_that_is_not_there_is_refused(tmp_path, images):
    with pytest.raises(InputError, match="cannot be read"):
        read_review(tmp_path / "none.csv", images)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([6], [1], [0]), "index is out of range: give 0 to 5"),
        (([-1], [1], [0]), "index is out of range"),
        (([0], [3], [0]), "decision is out of range: give 0 to 2"),
        (([0], [1], [5]), "label is out of range: give 0 to 4"),
        (([0, 0], [1, 1], [1, 1]), "twice"),
        (([0], [0], [1]), "rejects an image under a label that it was not given"),
        (([0], [1, 1], [1]), r"decision is torch.int64 of shape \(2,\)"),
        (([0], [1.0], [1]), "torch.float32"),
    ],
)
def test_a_review_of_ones_own_must_fit_the_images(images, columns, message):
    with pytest.raises(InputError, match=message):
        check_review(Review(*map(torch.tensor, columns)), images)


def test_relabeled_images_are_accepted_ones():
    review = Review(torch.tensor([7, 3, 5]), torch.tensor([0, 1, 2]), torch.tensor([0, 1, 2]))
    assert review.rejected.tolist() == [7]
    assert review.accepted.tolist() == [3, 5]
    assert review.decided(8).nonzero().flatten().tolist() == [3, 5, 7]
    assert [decision.name for decision in Decision] == ["REJECT", "ACCEPT", "RELABEL"]
