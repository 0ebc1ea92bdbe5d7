"""A search that is extended: nothing twice, nothing that the model disagrees on."""

import pytest
import torch

from backburn.boundary.distances import boundary
from backburn.detection.survey import Survey
from backburn.types import BoundaryResult, silent
from backburn.work.contract import HERE, Here, Work


def flags(rows, count: int) -> torch.Tensor:
    out = torch.zeros(count, dtype=torch.bool)
    out[list(rows)] = True
    return out


def survey(case, agreed, work: Work = HERE) -> Survey:
    return Survey(case, agreed, "fast", 64, silent, work)


def known(found: Survey) -> BoundaryResult:
    return found.boundary(torch.zeros_like(found.agreed))


def searched(found: Survey, wanted: torch.Tensor) -> list[int]:
    found.cover(wanted)
    return known(found).found.nonzero().flatten().tolist()


def test_a_survey_is_extended_and_equals_a_search_of_everything(backdoored):
    case, count = backdoored.case, len(backdoored.case.images)
    found = survey(case, flags(range(count), count))
    assert searched(found, flags([], count)) == []
    assert searched(found, flags(range(20, 50), count)) == [*range(20, 50)]
    assert searched(found, flags(range(90), count)) == [*range(90)]
    whole = boundary(case.model, case.images.pixels[:90], budget="fast", directions=True)
    wider, some = known(found), torch.tensor([70, 3, 40])
    assert torch.allclose(wider.distance[:90], whole.distance, atol=1e-4)
    assert torch.equal(wider.crossed_label[:90], whole.crossed_label)
    assert torch.equal(wider.distance[some], found.of(some).distance)
    assert torch.allclose(found.of(some).direction, whole.direction[some], atol=1e-2)


def test_the_boundary_of_all_images_leaves_their_ways_out(backdoored):
    case, count = backdoored.case, len(backdoored.case.images)
    found = survey(case, flags(range(count), count))
    found.cover(flags(range(5), count))
    assert known(found).direction is None
    assert len(known(found)) == count


def test_the_ways_of_images_that_were_not_searched_are_not_made_up(backdoored):
    case, count = backdoored.case, len(backdoored.case.images)
    found = survey(case, flags(range(count), count))
    found.cover(flags(range(5), count))
    with pytest.raises(ValueError, match="not searched"):
        found.of(torch.tensor([4, 5]))


def test_images_that_are_only_shown_are_searched_without_their_ways(backdoored):
    case, count = backdoored.case, len(backdoored.case.images)
    found = survey(case, flags(range(30), count))
    found.cover(flags(range(5), count))
    shown = found.boundary(flags(range(3, 40), count))
    assert shown.found.nonzero().flatten().tolist() == [*range(30)]
    whole = boundary(case.model, case.images.pixels[:30], budget="fast")
    assert torch.allclose(shown.distance[:30], whole.distance, atol=1e-4)
    assert found._result.direction.shape[0] == 5


def test_what_is_known_is_not_searched_again(backdoored):
    case, count = backdoored.case, len(backdoored.case.images)
    sizes = []

    class Counting(Here):
        def boundary(self, model, pixels, search, **given) -> BoundaryResult:
            sizes.append(len(pixels))
            return search.run(model, pixels, **given)

    found = survey(case, flags(range(count), count), Counting())
    for rows in (range(20), range(10, 25), range(25)):
        found.cover(flags(rows, count))
    assert sizes == [0, 20, 5]


def test_images_that_the_model_disagrees_on_are_not_searched(backdoored):
    case, count = backdoored.case, len(backdoored.case.images)
    found = survey(case, flags(range(10), count))
    assert searched(found, flags(range(5, 20), count)) == [*range(5, 10)]


def test_without_features_ways_are_those_in_pixels(backdoored):
    case, count = backdoored.case, len(backdoored.case.images)
    found = survey(case, flags(range(count), count))
    found.cover(flags(range(10), count))
    ways = found.ways(torch.arange(12))
    assert torch.equal(ways[:10], found.of(torch.arange(10)).direction.float())
    assert not ways[10:].any()
