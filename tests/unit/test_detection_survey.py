"""A search that is extended: nothing twice, nothing that the model disagrees on."""

import torch

from backburn.boundary.distances import boundary
from backburn.detection.survey import Survey
from backburn.types import silent


def flags(rows, count: int) -> torch.Tensor:
    out = torch.zeros(count, dtype=torch.bool)
    out[list(rows)] = True
    return out


def survey(case, agreed, shards=None) -> Survey:
    return Survey(case, agreed, "fast", 64, silent, shards)


def test_a_survey_is_extended_and_equals_a_search_of_everything(backdoored):
    case, count = backdoored.case, len(backdoored.case.images)
    found = survey(case, flags(range(count), count))
    assert not found.cover(flags([], count)).found.any()
    assert found.cover(flags(range(0, 50), count)).found.nonzero().flatten().tolist() == [
        *range(50)
    ]
    wider = found.cover(flags(range(30, 90), count))
    assert wider.found.nonzero().flatten().tolist() == [*range(90)]
    whole = boundary(case.model, case.images.pixels[:90], budget="fast")
    assert torch.allclose(wider.distance[:90], whole.distance, atol=1e-4)
    assert torch.equal(wider.crossed_label[:90], whole.crossed_label)


def test_what_is_known_is_not_searched_again(backdoored, monkeypatch):
    case, count = backdoored.case, len(backdoored.case.images)
    sizes = []

    def counted(model, pixels, **given):
        sizes.append(len(pixels))
        return boundary(model, pixels, **given)

    monkeypatch.setattr("backburn.detection.survey.boundary", counted)
    found = survey(case, flags(range(count), count))
    for rows in (range(20), range(10, 25), range(25)):
        found.cover(flags(rows, count))
    assert sizes == [20, 5]


def test_images_that_the_model_disagrees_on_are_not_searched(backdoored):
    case, count = backdoored.case, len(backdoored.case.images)
    result = survey(case, flags(range(10), count)).cover(flags(range(5, 20), count))
    assert result.found.nonzero().flatten().tolist() == [*range(5, 10)]


def test_without_features_ways_are_those_in_pixels(backdoored):
    case, count = backdoored.case, len(backdoored.case.images)
    found = survey(case, flags(range(count), count))
    result = found.cover(flags(range(10), count))
    ways = found.ways(torch.arange(12))
    assert torch.equal(ways[:10], result.direction[:10].float())
    assert not ways[10:].any()


def test_shards_let_it_go_on(backdoored, tmp_path, monkeypatch):
    case, count = backdoored.case, len(backdoored.case.images)

    def both(folder) -> torch.Tensor:
        found = survey(case, flags(range(count), count), folder)
        found.cover(flags(range(20), count))
        return found.cover(flags(range(40), count)).distance

    first = both(tmp_path)
    monkeypatch.setattr("backburn.boundary.shards.boundary", None)  # nothing may be searched
    assert torch.equal(both(tmp_path), first)
