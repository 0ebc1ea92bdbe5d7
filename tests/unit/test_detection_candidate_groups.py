"""Candidate groups of features that fall in two clusters, or in four."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backburn.detection.candidate_groups import ClassSplitter, number_subgroups, rows_by_class
from backburn.detection.records import CandidateGroup

COUNT, PLANTED = 120, 30
ROWS = torch.arange(COUNT)
PLANTED_ROWS = torch.arange(PLANTED)


def features(generator: torch.Generator) -> torch.Tensor:
    """The first 30 images lie apart along some channels, every other image along others."""
    found = torch.randn(2 * COUNT, 12, generator=generator)
    found[:PLANTED, :4] += 6
    found[1:COUNT:2, 7:10] += 5
    return found


def splitter(generator: torch.Generator, smallest: int = 10) -> ClassSplitter:
    return ClassSplitter(features(generator), smallest, 20, 0)


def sides(split: tuple[CandidateGroup, CandidateGroup]) -> set[frozenset[int]]:
    return {frozenset(each.group.tolist()) for each in split}


def test_two_clusters_are_split_exactly(generator):
    values = torch.randn(COUNT, 12, generator=generator)
    values[:PLANTED, :5] += 6
    (found,) = ClassSplitter(values, 10, 20, 0).split(4, ROWS)
    assert sides(found) == {frozenset(range(30)), frozenset(range(30, COUNT))}
    first, second = found
    assert torch.equal(first.group, second.rest)
    assert torch.equal(second.group, first.rest)
    assert {(each.label, each.level) for each in found} == {(4, 1)}


def test_rows_that_are_asked_for_are_those_that_are_split(generator):
    rows = torch.arange(10, COUNT)
    (found,) = splitter(generator).split(0, rows, level=2)
    assert set().union(*sides(found)) == set(rows.tolist())
    assert found[0].level == 2


@pytest.mark.parametrize(("smallest", "count"), [(10, 19), (15, 29), (70, COUNT)])
def test_too_few_images_are_not_split(smallest, count, generator):
    assert splitter(generator, smallest).split(0, torch.arange(count)) == []


def test_no_side_is_smaller_than_what_is_asked_for(generator):
    for smallest in (10, 35):
        for split in splitter(generator, smallest).split(0, ROWS, count=4):
            assert all(len(each.group) >= smallest for each in split)


def test_the_splits_of_a_set_differ(generator):
    found = splitter(generator).split(0, ROWS, count=4)
    assert len(found) >= 2
    for number, first in enumerate(found):
        for second in found[number + 1 :]:
            same = torch.isin(ROWS, first[0].group) == torch.isin(ROWS, second[0].group)
            assert 0.2 < float(same.float().mean()) < 0.8


def test_the_same_seed_splits_the_same(generator):
    given = splitter(generator)
    first, second = given.split(0, ROWS, count=3), given.split(0, ROWS, count=3)
    assert [sides(each) for each in first] == [sides(each) for each in second]


def test_images_that_took_no_part_are_placed_by_what_tells_the_group(generator):
    given = splitter(generator)
    agreed = torch.ones(2 * COUNT, dtype=torch.bool)
    agreed[[0, 1, 2, 50, 51]] = False
    group, rest = torch.arange(3, PLANTED), torch.arange(40, COUNT)
    member = given.membership(CandidateGroup(0, group, rest), group, ROWS, agreed)
    assert (member > 0.5).nonzero().flatten().tolist() == PLANTED_ROWS.tolist()


def test_where_nothing_tells_the_group_it_is_kept_as_it_is(generator):
    given = ClassSplitter(torch.zeros(COUNT, 12), 10, 20, 0)
    group = torch.arange(0, COUNT, 2)
    agreed = torch.ones(COUNT, dtype=torch.bool)
    member = given.membership(CandidateGroup(0, group, group + 1), group, ROWS, agreed)
    assert (member > 0.5).nonzero().flatten().tolist() == group.tolist()


def test_only_classes_with_enough_usable_rows_are_examined():
    labels = torch.tensor([0] * 25 + [1] * 25 + [2] * 19)
    usable = torch.ones(69, dtype=torch.bool)
    usable[25:31] = False
    assert {k: rows.tolist() for k, rows in rows_by_class(labels, usable, 20).items()} == {
        0: list(range(25))
    }
    usable[25] = True
    assert rows_by_class(labels, usable, 20)[1].tolist() == [25, *range(31, 50)]


def test_every_side_of_every_class_is_a_kind_of_its_own():
    def pair(
        label: int, first: list[int], second: list[int]
    ) -> tuple[CandidateGroup, CandidateGroup]:
        one, two = torch.tensor(first), torch.tensor(second)
        return CandidateGroup(label, one, two), CandidateGroup(label, two, one)

    found = number_subgroups(7, {0: pair(0, [0, 1], [2]), 3: pair(3, [4], [5, 6])})
    assert found[3] == -1
    assert len({int(found[k]) for k in (0, 2, 4, 5)}) == 4
    assert found[0] == found[1]
    assert found[5] == found[6]


@settings(deadline=None, max_examples=8)
@given(st.integers(10, 90), st.integers(2, 20), st.integers(1, 5), st.integers(0, 99))
def test_both_groups_of_a_split_are_the_rows_without_a_rest(count, smallest, most, seed):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(2 * COUNT, generator=generator)[:count]
    splits = splitter(generator, smallest).split(3, rows, count=most)
    assert len(splits) <= most
    assert not splits or count >= max(20, 2 * smallest)
    for first, second in splits:
        together = torch.cat([first.group, second.group])
        assert sorted(together.tolist()) == sorted(rows.tolist())
        assert min(len(first.group), len(second.group)) >= smallest
        assert torch.equal(first.group, second.rest)
        assert torch.equal(second.group, first.rest)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=60),
    st.integers(0, 15),
)
def test_usable_rows_of_a_class_are_in_no_other(images, least):
    labels, usable = (torch.tensor(column) for column in zip(*images, strict=True))
    found = rows_by_class(labels, usable, least)
    assert all(len(rows) >= least for rows in found.values())
    assert all(bool((labels[rows] == label).all()) for label, rows in found.items())
    rest = usable & ~torch.isin(labels, torch.tensor(list(found), dtype=torch.long))
    listed = [row for rows in found.values() for row in rows.tolist()]
    assert (
        sorted([*listed, *rest.nonzero().flatten().tolist()]) == usable.nonzero().flatten().tolist()
    )
