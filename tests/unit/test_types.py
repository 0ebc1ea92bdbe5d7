import dataclasses

import pytest
import torch
from jaxtyping import TypeCheckError
from torch import nn

from backburn.results import Suspects
from backburn.types import BoundaryResult, Case, LabeledImages, State, Truth, Victim


@pytest.fixture
def images() -> LabeledImages:
    """Four images whose pixels all equal their row, with labels 2, 0, 1, 2."""
    return LabeledImages(
        torch.arange(4, dtype=torch.uint8)[:, None, None, None].expand(4, 1, 2, 2).clone(),
        torch.tensor([2, 0, 1, 2]),
        class_names=("ant", "bee", "cat", "dog"),
        names=("a.png", "b.png", "c.png", "d.png"),
        skipped=("e.png: broken",),
    )


def test_take_gives_rows_labels_and_names_in_the_order_asked_for(images):
    taken = images.take(torch.tensor([3, 1]))
    assert taken.pixels[:, 0, 0, 0].tolist() == [3, 1]
    assert taken.labels.tolist() == [2, 0]
    assert taken.names == ("d.png", "b.png")
    assert taken.class_names == images.class_names


def test_take_of_a_mask_names_the_rows_that_it_takes(images):
    taken = images.take(torch.tensor([True, False, False, True]))
    assert taken.labels.tolist() == [2, 2]
    assert taken.names == ("a.png", "d.png")


def test_take_of_nothing_is_empty(images):
    taken = images.take(torch.tensor([], dtype=torch.int64))
    assert len(taken) == 0
    assert taken.names == ()


def test_take_copies_so_that_the_original_cannot_be_changed_through_it(images):
    images.take(torch.tensor([0, 1])).pixels.fill_(200)
    assert images.pixels.max() == 3


def test_relabeled_keeps_rows_and_names_and_leaves_the_original(images):
    other = images.relabeled(images.pixels + 10, torch.zeros(4, dtype=torch.int64))
    assert other.pixels[:, 0, 0, 0].tolist() == [10, 11, 12, 13]
    assert other.labels.tolist() == [0, 0, 0, 0]
    assert (other.names, other.class_names) == (images.names, images.class_names)
    assert images.labels.tolist() == [2, 0, 1, 2]


def test_class_count_is_that_of_the_names_where_there_are_names(images):
    assert images.class_count == 4


def test_class_count_is_the_highest_label_and_one_where_there_are_none(images):
    assert LabeledImages(images.pixels, images.labels).class_count == 3


def test_an_image_is_called_by_its_name_or_else_by_its_row(images):
    assert images.name_of(2) == "c.png"
    assert LabeledImages(images.pixels, images.labels).name_of(2) == "2"


@pytest.mark.parametrize(
    ("pixels", "labels"),
    [
        (torch.zeros(2, 1, 4, 4), torch.zeros(2, dtype=torch.int64)),
        (torch.zeros(2, 4, 4, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64)),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64)),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(2, dtype=torch.int32)),
    ],
    ids=["float pixels", "no channel axis", "lengths differ", "int32 labels"],
)
def test_shapes_and_types_of_records_are_checked_in_tests(pixels, labels):
    with pytest.raises(TypeCheckError):
        LabeledImages(pixels, labels)


def test_records_are_frozen_and_slotted(images):
    with pytest.raises(dataclasses.FrozenInstanceError):
        images.labels = torch.zeros(4, dtype=torch.int64)
    assert not hasattr(images, "__dict__")


def test_poison_leaves_out_clean_and_cover_images():
    state = torch.tensor([State.CLEAN, State.POISON, State.COVER, State.POISON], dtype=torch.int8)
    truth = Truth(state, torch.zeros(4, dtype=torch.int64))
    assert truth.poison.tolist() == [False, True, False, True]


def test_what_a_defender_may_see_of_a_victim_is_neither_trigger_nor_truth(images):
    truth = Truth(torch.zeros(4, dtype=torch.int8), images.labels)
    case = Victim(nn.Identity(), images, truth, torch.clone, (-1, 0)).case()
    names = {field.name for field in dataclasses.fields(Case)}
    assert names == {"model", "images", "holdout", "base", "witness"}
    assert case.holdout is case.base is case.witness is None
    assert case.images is images


def test_suspects_are_counted():
    one = torch.tensor([5])
    assert len(Suspects(one, one, one, torch.tensor([0.5]))) == 1


def test_scattered_results_find_nothing_for_the_other_images():
    part = BoundaryResult(
        torch.tensor([True, False]),
        torch.tensor([0.5, torch.inf]),
        torch.tensor([3, -1]),
        torch.tensor([[1.0, 0.0], [0.0, 0.0]]),
    )
    whole = part.scattered(torch.tensor([2, 0]), 4)
    assert whole.found.tolist() == [False, False, True, False]
    assert whole.distance.tolist() == [torch.inf, torch.inf, 0.5, torch.inf]
    assert whole.crossed_label.tolist() == [-1, -1, 3, -1]
    assert whole.direction.tolist() == [[0, 0], [0, 0], [1, 0], [0, 0]]
