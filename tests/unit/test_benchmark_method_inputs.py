"""A method is handed what it says, and nothing else."""

import pytest
import torch

from backburn.benchmark.cell import case_for_method
from backburn.interfaces import Inputs
from backburn.types import State


@pytest.fixture
def parts(badnets_digits):
    victim = badnets_digits.victim
    return victim.case(), victim.truth


def drawn(parts, given: Inputs, seed: int = 0):
    return case_for_method(*parts, given, torch.Generator().manual_seed(seed))


def rows_of(pixels, images):
    return [int((images == image).flatten(1).all(1).nonzero()[0]) for image in pixels]


def test_a_holdout_is_clean_and_has_every_class_in_its_share(parts):
    case, truth = parts
    holdout = drawn(parts, Inputs("none", 0.05)).holdout
    assert abs(len(holdout) - 0.05 * len(case.images)) <= 5
    assert set(holdout.labels.tolist()) == set(range(10))
    rows = torch.tensor(rows_of(holdout.pixels, case.images.pixels))
    assert bool((truth.state[rows] == State.CLEAN).all())
    assert torch.equal(truth.labels[rows], holdout.labels)


def test_every_method_of_a_victim_gets_the_same_holdout(parts):
    first, second = (
        drawn(parts, given).holdout for given in (Inputs("none", 0.05), Inputs(holdout=0.05))
    )
    assert torch.equal(first.pixels, second.pixels)
    other = drawn(parts, Inputs("none", 0.05), seed=1).holdout
    assert not torch.equal(first.pixels, other.pixels)


def test_images_are_all_of_them_the_clean_part_or_none(parts):
    case, truth = parts
    assert drawn(parts, Inputs()).images is case.images
    assert drawn(parts, Inputs()).holdout is None
    assert len(drawn(parts, Inputs("clean")).images) == int((truth.state == State.CLEAN).sum())
    nothing = drawn(parts, Inputs("none")).images
    assert len(nothing) == 0
    assert nothing.class_names == case.images.class_names


def test_a_victim_of_few_images_still_has_a_holdout(parts):
    case, truth = parts
    few = torch.arange(12)
    small = case_for_method(
        type(case)(case.model, case.images.take(few)),
        truth.take(few),
        Inputs("none", 0.05),
        torch.Generator(),
    )
    assert len(small.holdout) >= 1
