"""What retrained models say of groups that they never saw; their answers are written by hand."""

import pytest
import torch
from torch import Tensor, nn

from backburn.detection.records import Candidate
from backburn.detection.retraining import (
    CrossFitted,
    Retraining,
    Unseen,
    _held_out,
    _unseen,
)
from backburn.detection.samples import shrunk
from backburn.errors import InputError
from backburn.models.zoo import build
from backburn.types import Case, LabeledImages, silent
from backburn.work.contract import Here

CLASSES = 5


def said(called: list[int], sure: float = 0.9) -> Tensor:
    out = torch.full((len(called), CLASSES), (1 - sure) / (CLASSES - 1))
    out[torch.arange(len(called)), torch.tensor(called)] = sure
    return out.log()


def unseen(called: list[int], moved: list[int], usual: list[float], known: float = 1.0) -> Unseen:
    """Of images of class 0, whose usual errors are these."""
    flags = torch.zeros(len(called), dtype=torch.bool)
    flags[moved] = True
    errors = torch.full((CLASSES, CLASSES), 1 / CLASSES)
    errors[0] = torch.tensor(usual)
    everything = torch.ones_like(flags)
    shares = torch.full((CLASSES,), known)
    return Unseen(said(called), everything, flags, ~everything, errors, shares)


EVEN = [1, 2, 3, 4] * 15
ALL, ROWS = list(range(60)), torch.arange(60)


def test_images_that_all_move_to_classes_that_theirs_do_not_count():
    found = unseen(EVEN, ALL, [0.0, 1.0, 0.0, 0.0, 0.0])
    assert found.destinations(ROWS).tolist() == [0, 0.25, 0.25, 0.25, 0.25]
    assert found.share(ROWS, 0) == pytest.approx(60 / 90 * 0.75)


def test_images_that_move_to_their_classes_usual_errors_do_not():
    assert unseen([1] * 60, ALL, [0.0, 1.0, 0.0, 0.0, 0.0]).share(ROWS, 0) == 0
    assert unseen(EVEN, ALL, [0.0, 0.25, 0.25, 0.25, 0.25]).share(ROWS, 0) == 0


def test_a_part_that_moves_counts_by_its_share():
    part = unseen([3] * 15 + [0] * 45, ALL[:15], [0.0, 1.0, 0.0, 0.0, 0.0])
    assert part.share(ROWS, 0) == pytest.approx(60 / 90 * 0.25)
    nobody = unseen([0] * 60, [], [0.0, 1.0, 0.0, 0.0, 0.0])
    assert nobody.destinations(ROWS).tolist() == [0] * CLASSES
    assert nobody.share(ROWS, 0) == 0


def test_a_class_that_the_model_hardly_knows_counts_by_how_well_it_does():
    full, little = (unseen(EVEN, ALL, [0.0, 1.0, 0.0, 0.0, 0.0], known) for known in (1.0, 0.25))
    assert little.share(ROWS, 0) == pytest.approx(full.share(ROWS, 0) / 4)


def test_a_few_images_count_less():
    found = unseen(EVEN, ALL, [0.0, 1.0, 0.0, 0.0, 0.0])
    assert found.share(ROWS[:12], 0) == pytest.approx(12 / 42 * 0.75)
    assert [shrunk(count) for count in (10, 30, 270)] == [0.25, 0.5, 0.9]


def test_images_move_that_are_called_otherwise_as_surely_as_held_out_ones_are_called_right():
    labels = torch.tensor([0, 0, 0, 0, 1, 0, 0, 1])
    called = [0, 0, 0, 2, 1, 3, 3, 1]
    table = said(called, 0.8)
    table[5] = said([3], 0.95)[0]
    table[6] = said([3], 0.5)[0]
    held_out = torch.tensor([1, 1, 1, 1, 1, 0, 0, 0]).bool()
    found = _unseen(table, labels, held_out, ~held_out)
    assert found.moved.tolist() == [False, False, False, True, False, True, False, False]
    assert found.known.tolist() == [0.75, 1, 0, 0, 0]
    assert torch.allclose(found.usual.sum(1), torch.ones(CLASSES))
    assert found.usual[0].argmax() == 2
    assert found.usual[3].tolist() == pytest.approx([0.2] * CLASSES)


def test_where_no_held_out_image_is_called_right_only_the_surest_moves():
    labels = torch.tensor([0, 0, 0])
    table = torch.cat([said([1], 0.5), said([1], 0.9), said([2], 0.7)])
    held_out = torch.tensor([True, False, False])
    assert _unseen(table, labels, held_out, ~held_out).moved.tolist() == [False, True, False]


def both(first: list[int], second: list[int]) -> CrossFitted:
    def of(hidden: list[int], label: int) -> Unseen:
        flags = torch.zeros(6, dtype=torch.bool)
        flags[hidden] = True
        errors = torch.full((CLASSES, CLASSES), 1 / CLASSES)
        return Unseen(said([label] * 6), flags, ~flags, ~flags, errors, torch.ones(CLASSES))

    return CrossFitted(of(first, 1), of(second, 2))


def test_of_each_image_that_model_speaks_which_did_not_see_it():
    found = both([0, 1, 2], [2, 3, 4])
    assert found.log_probabilities.argmax(1).tolist() == [1, 1, 1, 2, 2, 1]
    assert found.of(torch.tensor([0, 1, 3])) is found.first
    assert found.of(torch.tensor([1, 3, 4])) is found.second
    assert found.of(torch.tensor([0, 3])) is found.first


@pytest.mark.parametrize(
    ("count", "held"), [(1, 1), (7, 4), (20, 10), (60, 10), (100, 10), (300, 30)]
)
def test_a_tenth_of_each_class_is_held_out_ten_at_the_least_half_at_the_most(
    count, held, generator
):
    labels = torch.cat([torch.zeros(count), torch.ones(400), torch.zeros(50)]).long()
    free = torch.arange(len(labels)) < count + 400
    chosen = _held_out(labels, free, generator)
    assert int(chosen[labels == 0].sum()) == held
    assert int(chosen[labels == 1].sum()) == 40
    assert not chosen[~free].any()


class Noting(Here):
    """Trains nothing; notes what would be trained, and on which images."""

    def __init__(self):
        self.rows: list[list[int]] = []
        self.trained: list[list[str]] = []

    def fit(self, model, lesson, generator, **_) -> list[float]:
        self.rows.append(lesson.rows.tolist())
        self.trained.append([n for n, p in model.named_parameters() if p.requires_grad])
        return []


def split(label: int, first: range, second: range) -> tuple[Candidate, Candidate]:
    one, two = torch.tensor(first), torch.tensor(second)
    return Candidate(label, one, two), Candidate(label, two, one)


@pytest.fixture
def given(generator) -> tuple[Case, Tensor]:
    pixels = torch.randint(256, (120, 1, 8, 8), generator=generator).byte()
    model = build("small_cnn-w4", 2, 1, generator=generator)
    agreed = torch.ones(120, dtype=torch.bool)
    agreed[[55, 115]] = False
    return Case(model, LabeledImages(pixels, torch.arange(120) // 60)), agreed


SPLITS = [split(0, range(15), range(15, 55)), split(1, range(60, 90), range(90, 115))]


def test_each_model_is_shown_one_side_of_every_split_and_no_held_out_images(given, generator):
    (case, agreed), work = given, Noting()
    found = Retraining(steps=1).run(case, agreed, SPLITS, generator, silent, work)
    for side, each in enumerate((found.first, found.second)):
        hidden = set(each.hidden.nonzero().flatten().tolist())
        assert hidden == {k for pair in SPLITS for k in pair[side].group.tolist()}
        held_out = set(each.held_out.nonzero().flatten().tolist())
        assert not held_out & hidden
        assert set(work.rows[side]) == set(range(120)) - hidden - held_out - {55, 115}
        asked = torch.ones(120, dtype=torch.bool)
        asked[work.rows[side]] = False
        assert torch.equal(each.log_probabilities.isnan().any(1), ~asked)
        total = each.log_probabilities[asked].exp().sum(1)
        assert torch.allclose(total, torch.ones(int(asked.sum())))


@pytest.mark.parametrize("reset", [0.2, 0.75, 1.0])
def test_the_last_layers_forget_and_are_trained_the_early_ones_stay(reset, given, generator):
    (case, agreed), work = given, Noting()
    Retraining(reset=reset, steps=1).run(case, agreed, SPLITS, generator, silent, work)
    names = [name for name, _ in case.model.named_parameters()]
    for trained in work.trained:
        assert trained == names[len(names) - len(trained) :]
        assert "head.weight" in trained
    weights = dict(case.model.named_parameters())
    share = sum(weights[n].numel() for n in work.trained[0]) / sum(
        each.numel() for each in weights.values()
    )
    assert reset - 1e-9 <= share
    assert (len(work.trained[0]) == len(names)) == (reset == 1.0)


def test_the_model_of_the_case_is_left_as_it_was(given, generator):
    (case, agreed) = given
    before = {name: value.clone() for name, value in case.model.state_dict().items()}
    Retraining(steps=2).run(case, agreed, SPLITS, generator, silent, Here())
    after = case.model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert isinstance(case.model, nn.Module)
    assert all(parameter.requires_grad for parameter in case.model.parameters())


@pytest.mark.parametrize("settings", [{"reset": 0.0}, {"reset": 1.1}, {"steps": 0}], ids=str)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(InputError, match=r"retraining: .*give"):
        Retraining(**settings)
