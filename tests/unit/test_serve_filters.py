"""What is filtered, sorted and searched for among all suspects is found, in order."""

import pytest

from backburn.data.review import Decision
from backburn.serve.filters import SuspectFilter, SuspectQuery
from handmade import made_gallery

GALLERY = made_gallery(200)
SUSPECTS = GALLERY.suspects
DECIDED = {5: (Decision.ACCEPT, 2), 9: (Decision.REJECT, 1), 70: (Decision.RELABEL, 3)}


@pytest.fixture(scope="module")
def finder() -> SuspectFilter:
    return SuspectFilter(GALLERY)


def like(test) -> list[int]:
    return [place for place, each in enumerate(SUSPECTS) if test(each)]


@pytest.mark.parametrize(
    ("query", "test"),
    [
        (SuspectQuery(), lambda each: True),
        (SuspectQuery(given=1), lambda each: each.given == 1),
        (SuspectQuery(restored=0), lambda each: each.restored == 0),
        (SuspectQuery(given=0, restored=2), lambda each: (each.given, each.restored) == (0, 2)),
        (SuspectQuery(search="PHOTO 019"), lambda each: each.image.startswith("photo 019")),
        (SuspectQuery(search="none such"), lambda each: False),
        (SuspectQuery(given=99), lambda each: False),
    ],
)
def test_suspects_are_filtered_and_keep_their_rank(finder, query, test):
    assert finder.find(query, DECIDED) == like(test)


@pytest.mark.parametrize(
    ("decision", "places"), [("accept", [5]), ("reject", [9]), ("relabel", [70])]
)
def test_decisions_are_filtered_for(finder, decision, places):
    assert finder.find(SuspectQuery(decision=decision), DECIDED) == places


def test_what_is_undecided_is_all_the_rest(finder):
    undecided = finder.find(SuspectQuery(decision="open"), DECIDED)
    assert undecided == [place for place in range(200) if place not in DECIDED]
    assert finder.find(SuspectQuery(decision="open"), {}) == list(range(200))


@pytest.mark.parametrize(
    ("sort", "key"),
    [
        ("confidence", lambda k: (SUSPECTS[k].confidence, k)),
        ("distance", lambda k: (-SUSPECTS[k].distance if GALLERY.has_boundary[k] else 1, k)),
        ("restored", lambda k: (SUSPECTS[k].restored, k)),
        ("name", lambda k: SUSPECTS[k].image),
    ],
)
def test_suspects_are_sorted_and_ties_are_by_rank(finder, sort, key):
    assert finder.find(SuspectQuery(sort=sort), {}) == sorted(range(200), key=key)
    odd = finder.find(SuspectQuery(sort=sort, given=1), {})
    assert odd == sorted(like(lambda each: each.given == 1), key=key)
