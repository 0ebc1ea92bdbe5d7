"""Classes go by their names: the model's, the images', a holdout's."""

import pytest
import torch

from backburn.errors import InputError
from backburn.fit.class_matching import match_names, match_training_classes, to_model_order
from backburn.fit.class_order import common_orders, find_class_order
from backburn.types import LabeledImages


def images(labels: list[int], names: tuple[str, ...] = ()) -> LabeledImages:
    pixels = torch.zeros(len(labels), 1, 2, 2, dtype=torch.uint8)
    return LabeledImages(pixels, torch.tensor(labels), names)


@pytest.mark.parametrize(
    ("names", "known", "places"),
    [
        (("b", "a"), ("a", "b"), [1, 0]),
        (("Traffic light", "dog"), ("dog", "traffic_light"), [1, 0]),
        (("tench", "hen"), ("hen", "tench, Tinca tinca"), [1, 0]),
        (("A", "a"), ("a", "A"), [1, 0]),
    ],
)
def test_names_match_but_for_case_signs_and_synonyms(names, known, places):
    assert match_names(names, known, "in") == places


def test_a_name_that_two_classes_share_is_none(tmp_path):
    with pytest.raises(InputError, match="'crane'"):
        match_names(("crane",), ("crane, bird", "crane, machine"), "in")


def test_images_get_the_models_numbers():
    found = to_model_order(images([0, 1], ("cat", "dog")), ("dog", "fox", "cat"), "in")
    assert (found.labels.tolist(), found.class_names) == ([2, 0], ("dog", "fox", "cat"))


def test_folders_called_by_numbers_are_no_names():
    given = images([0, 1], ("0", "1"))
    assert to_model_order(given, ("dog", "cat"), "in") is given


def test_a_holdout_without_a_class_is_matched_by_name_and_said():
    train = images([0, 1, 2], ("ant", "bee", "cat"))
    other, line = match_training_classes(images([0, 1], ("bee", "cat")), train, "holdout")
    assert (other.labels.tolist(), other.class_names) == ([1, 2], ("ant", "bee", "cat"))
    assert "holdout has no images of 'ant'" in line


def test_a_holdout_with_a_class_of_its_own_is_refused():
    train = images([0, 1], ("ant", "bee"))
    with pytest.raises(InputError, match="'emu'"):
        match_training_classes(images([0, 1], ("bee", "emu")), train, "holdout")


def test_a_holdout_that_names_other_than_numbers_is_refused():
    with pytest.raises(InputError, match="both with names, or both with numbers"):
        match_training_classes(images([0, 1], ("bee", "emu")), images([0, 1, 2]), "holdout")


def test_folders_called_by_numbers_go_by_them():
    other, _ = match_training_classes(images([0, 1], ("1", "2")), images([0, 1, 2]), "holdout")
    assert other.labels.tolist() == [1, 2]


def test_an_order_is_found_and_one_that_is_right_is_none():
    labels = torch.arange(4).repeat_interleave(10)
    assert find_class_order(labels, labels, 4) is None
    assert find_class_order(torch.tensor([1, 0, 2, 3])[labels], labels, 4) == (1, 0, 2, 3)
    noisy = labels.clone()
    noisy[::3] = 0  # poison of a third of every class is no order
    assert find_class_order(noisy, labels, 4) is None


def test_the_usual_orders_are_those_of_other_tools():
    found = dict(common_orders(("10", "2", "9")))
    assert found == {"by the numbers in them": (2, 0, 1)}
    assert dict(common_orders(("Bee", "ant")))["without regard to case"] == (1, 0)
