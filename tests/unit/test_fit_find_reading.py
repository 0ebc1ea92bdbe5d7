"""A model is shown its images as it was trained on them, or it is said that it is not."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from backburn.errors import InputError
from backburn.fit import FitCheck
from backburn.fit.class_order import find_class_order
from backburn.services.case_options import CaseOptions
from backburn.services.open_case import open_case
from backburn.services.opened_case import OpenedCase
from backburn.types import LabeledImages, no_progress
from templates import nearest, templates, write

ARCH, NAMES = "templates:Nearest", ["ant", "bee", "cat", "dog"]


def opened(weights: dict, root: Path, arch: str = ARCH, **given: object) -> OpenedCase:
    path = root.parent / "m.pt"
    torch.save(weights, path)
    what = CaseOptions(str(path), str(root), arch, **given)
    return open_case(what, None, 0, torch.device("cpu"), no_progress)


def test_images_that_are_read_as_in_training_are_left_alone(tmp_path):
    case = opened(nearest(templates()), write(tmp_path / "in", templates(), NAMES))
    assert (case.fit.accuracy, case.fit.explanation, case.fit.reason) == (1.0, "", "")


def test_squashed_images_are_found(tmp_path):
    root = write(tmp_path / "in", templates(width=16), NAMES)
    case = opened(nearest(templates()), root, size=8)
    assert case.reading.decoding.resize == "squash"
    assert "when squashed to size (--resize squash)" in case.fit.explanation
    assert (case.fit.accuracy, case.fit.reason) == (1.0, "")
    assert case.case.images.pixels.shape[-2:] == (8, 8)


def test_images_in_a_letterbox_are_found(tmp_path):
    boxed = torch.zeros(12, 3, 8, 8, dtype=torch.uint8)
    boxed[:, :, 2:6] = templates(12, height=4)
    root = write(tmp_path / "in", templates(12, height=4), [f"c{k:02}" for k in range(12)])
    assert opened(nearest(boxed), root, size=8).reading.decoding.resize == "letterbox"


def test_what_the_user_says_of_resizing_is_kept(tmp_path):
    root = write(tmp_path / "in", templates(width=16), NAMES)
    case = opened(nearest(templates()), root, size=8, resize="crop")
    assert case.reading.decoding.resize == "crop"
    assert case.fit.reason


def test_images_that_were_not_turned_by_exif_are_found(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    root = write(tmp_path / "in", templates(), NAMES, exif=exif)
    case = opened(nearest(templates()), root)
    assert not case.reading.decoding.turned
    assert "without turning by EXIF" in case.fit.explanation


@pytest.mark.parametrize("backdrop", ["black", "dropped"])
def test_what_is_transparent_lies_on_what_it_lay_on_in_training(tmp_path, backdrop):
    root, patterns = write(tmp_path / "in", shaded(), NAMES), shaded()
    for file in root.rglob("*.png"):
        rows = 6 if backdrop == "dropped" else 2 * NAMES.index(file.parent.name)  # that are clear
        image = Image.open(file).convert("RGBA")
        mask = Image.new("L", image.size, 255)
        mask.paste(0, (0, 0, 8, rows))
        image.putalpha(mask)
        image.save(file)
        if backdrop == "black":
            patterns[NAMES.index(file.parent.name), :, :rows] = 0
    case = opened(nearest(patterns), root)
    assert case.reading.decoding.backdrop == backdrop
    assert case.fit.reason == ""


def shaded() -> torch.Tensor:
    """Templates of which each is darker than the one before."""
    shades = torch.tensor([1.0, 0.8, 0.6, 0.4])
    return (templates() * shades.view(-1, 1, 1, 1)).byte()


def test_blue_first_is_found(tmp_path):
    case = opened(nearest(templates().flip(1)), write(tmp_path / "in", templates(), NAMES))
    assert case.reading.bgr
    assert "BGR" in case.fit.explanation
    images = case.case.images.pixels.float() / 255
    assert (case.case.model(images).argmax(1) == case.case.images.labels).all()


def test_pixels_from_0_to_255_are_found(tmp_path):
    root = write(tmp_path / "in", shaded(), NAMES)
    case = opened(nearest(shaded()), root, "templates:raw")
    assert case.fit.accuracy == 1
    assert any("0 to 255" in note for note in case.notes)


def test_an_order_without_regard_to_case_is_found_and_said(tmp_path):
    names = ["ant", "Bee", "cat", "dog"]
    case = opened(nearest(templates()), write(tmp_path / "in", templates(), names))
    assert case.case.images.class_names == tuple(names)
    assert "numbered without regard to case" in case.fit.explanation
    assert case.fit.accuracy == 1


def test_an_order_by_numbers_is_found_and_said(tmp_path):
    names = [str(k) for k in range(12)]
    root = write(tmp_path / "in", templates(12), names)
    case = opened(nearest(templates(12)), root)
    assert case.case.images.class_names == tuple(names)
    assert "by the numbers in them" in case.fit.explanation


def test_another_order_is_printed_and_nothing_called_clean(tmp_path):
    shuffled = templates()[[0, 2, 1, 3]]
    case = opened(nearest(shuffled), write(tmp_path / "in", templates(), NAMES))
    assert "images of 'bee' are called 'cat'" in case.fit.reason
    assert "ant, cat, bee, dog" in case.fit.reason
    assert "--classes FILE" in case.fit.reason


def test_a_model_that_knows_nothing_is_not_said_to_have_another_order():
    labels = torch.arange(6).repeat_interleave(10)
    swapped = torch.tensor([1, 0, 0, 1, 0, 1])[labels]  # two classes are, and no other is known
    images = LabeledImages(torch.zeros(60, 1, 2, 2, dtype=torch.uint8), labels)
    assert find_class_order(swapped, labels, 6) is not None
    reason = FitCheck().evaluate(swapped, images).reason
    assert "order" not in reason
    assert "calls only 0.0 %" in reason


def test_the_order_that_the_user_gives_is_used(tmp_path):
    (tmp_path / "order.txt").write_text("ant\ncat\nbee\ndog\n")
    shuffled = templates()[[0, 2, 1, 3]]
    root = write(tmp_path / "in", templates(), NAMES)
    case = opened(nearest(shuffled), root, classes=str(tmp_path / "order.txt"))
    assert case.case.images.class_names == ("ant", "cat", "bee", "dog")
    assert (case.fit.accuracy, case.fit.reason) == (1.0, "")


def test_a_network_of_more_classes_needs_their_list(tmp_path):
    root = write(tmp_path / "in", templates(), NAMES)
    weights = nearest(templates(6)[[4, 0, 5, 1, 2, 3]])
    with pytest.raises(InputError, match=r"6 outputs.* 4 classes .*--classes FILE"):
        opened(weights, root)
    (tmp_path / "classes.txt").write_text("emu\nant\nfox\nbee\ncat\ndog\n")
    case = opened(weights, root)  # it lies beside the model
    assert case.case.images.labels.unique().tolist() == [1, 3, 4, 5]
    assert case.fit.accuracy == 1


def test_names_that_the_model_does_not_have_are_listed(tmp_path):
    (tmp_path / "order.txt").write_text("ant\nbee\ncat\nhen\n")
    root = write(tmp_path / "in", templates(), NAMES)
    with pytest.raises(InputError, match=r"1 of 4 classes .* 'dog'; known are 'ant'"):
        opened(nearest(templates()), root, classes=str(tmp_path / "order.txt"))


def test_a_class_that_is_another_one_to_the_model_is_named(tmp_path):
    root = write(tmp_path / "in", templates(12), [f"c{k:02}" for k in range(12)], each=24)
    weights = nearest(templates(12))
    weights["fc.bias"][3] = -1e3
    reason = opened(weights, root).fit.reason
    assert "of class 'c03' so" in reason


@pytest.mark.parametrize(
    ("labels", "told"),
    [("1234", "do labels start at 1"), ("0124", "4 is too many"), ("01237", "7 is too many")],
)
def test_labels_beyond_the_outputs_are_said_before_anything_is_decoded(tmp_path, labels, told):
    write(tmp_path / "in", templates(), NAMES, each=1)
    rows = [f"in/{name}/0.png,{label}" for name, label in zip(NAMES * 2, labels, strict=False)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *rows]))
    with pytest.raises(InputError, match=told):
        opened(nearest(templates()), tmp_path / "list.csv")
