"""Which side of a class was planted, and what is kept of two examinations of the same classes."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from backburn.detection.examination import Laboratory
from backburn.detection.groups import Division
from backburn.detection.populations import TwoPopulations
from backburn.detection.settling import settled
from backburn.detection.student import Student
from backburn.detection.survey import Survey
from backburn.detection.trials import Trial
from backburn.detection.tried import Tried, evidence_of, stronger
from backburn.types import Case, LabeledImages, Verdict, silent

COUNT = 10


def division(first: int, members: list[float]) -> Division:
    rows = torch.arange(first, first + len(members))
    return Division(rows, TwoPopulations(torch.tensor(members), 0.5, 5.0, 0.5))


def tried(label: int, transfer: float, student: nn.Module | None = None) -> Tried:
    students = {} if student is None else {label: student}
    return Tried({label: division(0, [0.9, 0.1])}, {label: Trial({9: transfer})}, students)


def test_the_stronger_trial_of_a_class_is_kept_with_its_division():
    weak, strong = tried(1, 0.1), tried(1, 0.8)
    for pair in ((weak, strong), (strong, weak)):
        kept = stronger(*pair, COUNT)
        assert kept.trials[1].transfer == 0.8
        assert kept.divisions[1] is strong.divisions[1]


def test_trials_are_weighed_by_what_carries_over_in_this_case():
    def account(own: Trial, usual: float) -> Tried:
        trials = {label: Trial({9: usual}) for label in range(COUNT)} | {1: own}
        return Tried({label: division(0, [0.9, 0.1]) for label in trials}, trials)

    carries, reverts = Trial({9: 0.3}), Trial({9: 0.0}, 0.4)
    for usual, kept in ((0.0, carries), (0.2, reverts)):
        both = account(carries, usual), account(reverts, usual)
        assert stronger(*both, COUNT).trials[1] == kept
        assert stronger(*both[::-1], COUNT).trials[1] == kept


def test_classes_of_both_are_kept():
    assert set(stronger(tried(1, 0.1), tried(2, 0.1), COUNT).trials) == {1, 2}


def test_a_class_keeps_the_student_that_was_asked_about_the_side_it_keeps():
    first, second = nn.Identity(), nn.Identity()
    assert stronger(tried(1, 0.8, first), tried(1, 0.1, second), COUNT).students == {1: first}
    assert stronger(tried(1, 0.1, first), tried(1, 0.8, second), COUNT).students == {1: second}
    assert stronger(tried(1, 0.1, first), tried(1, 0.8), COUNT).students == {}
    assert stronger(tried(1, 0.8, first), tried(2, 0.1, second), COUNT).students == {
        1: first,
        2: second,
    }


def test_turned_the_other_side_of_a_class_is_the_planted_one():
    known = Tried({1: division(5, [0.9, 0.1, 0.2])}, {1: Trial({9: 0.3})}, {1: nn.Identity()})
    other = known.turned()
    assert other.divisions[1].inside.tolist() == [6, 7]
    assert other.trials == known.trials
    assert other.students == {}


def test_how_the_planted_side_was_told_goes_with_the_side_that_is_kept():
    first, second = (replace(tried(1, carried), unclear=frozenset({1})) for carried in (0.1, 0.8))
    assert stronger(first, tried(1, 0.8), COUNT).unclear == frozenset()
    assert stronger(tried(1, 0.1), second, COUNT).unclear == frozenset({1})
    assert stronger(first, tried(2, 0.8), COUNT).unclear == frozenset({1})


class Brightness(nn.Module):
    """Calls images 1 (or what else it takes them for), and bright ones 0 if it knows better."""

    def __init__(self, knows: bool, dark: int = 1):
        super().__init__()
        self.knows = nn.Parameter(torch.tensor(float(knows)))
        self.dark = dark

    def forward(self, images: Tensor) -> Tensor:
        bright = (images.flatten(1).mean(1) > 0.5) * self.knows
        said = images.new_zeros(len(images), 3)
        said[:, 0], said[:, self.dark] = bright, 1 - bright
        return said


class School(Student):
    """Its students know what bright images mean where they saw any, and none but these."""

    def taught(self, case, rows, *_others):
        SHOWN.append(sorted(rows.tolist()))
        return Brightness(bool((case.images.pixels[rows] > 128).any()))


SHOWN: list[list[int]] = []


class Cramming(School):
    """Its students know bright images as well, but nothing of the other class."""

    def taught(self, *known):
        return Brightness(bool(super().taught(*known).knows), dark=2)


class Dull(Student):
    """Its students know nothing of bright images, whatever they were shown."""

    def taught(self, *_others):
        return Brightness(False)


def of_two_kinds(bright_inside: bool, unclear: bool, bright: int = 20) -> tuple[Laboratory, Tried]:
    """A class of forty some of which are bright, which carries over to another, and its trial."""
    labels = torch.arange(2).repeat_interleave(40)
    pixels = torch.full((80, 1, 2, 2), 20, dtype=torch.uint8)
    pixels[:bright] = 220
    case = Case(Brightness(True), LabeledImages(pixels, labels))
    inside = (torch.arange(40) < bright) == bright_inside
    divided = Division(torch.arange(40), TwoPopulations(inside.float(), 1.0, 9.0, 0.5))
    rows = {label: (labels == label).nonzero().flatten() for label in (0, 1)}
    survey = Survey(case, labels >= 0, "fast", 8, silent)
    drawn = torch.Generator().manual_seed(0)
    laboratory = Laboratory(case, survey, torch.zeros(80, 1), rows, 5, 0, drawn, silent)
    told = frozenset({0} if unclear else ())
    return laboratory, Tried({0: divided}, {0: Trial({1: 1.0})}, unclear=told)


@pytest.mark.parametrize("bright_inside", [True, False])
@pytest.mark.parametrize("unclear", [True, False])
def test_what_carries_over_was_taught_by_the_planted_side(bright_inside, unclear):
    SHOWN.clear()
    laboratory, known = of_two_kinds(bright_inside, unclear)
    found = settled(laboratory, known, (0,), School())
    expected = range(20) if unclear or bright_inside else range(20, 40)
    assert found.divisions[0].inside.tolist() == list(expected)
    assert found.undecided == frozenset()
    assert len(SHOWN) == 2 * unclear  # nobody is taught where nothing is asked
    assert settled(laboratory, known, (), School()) is known


@pytest.mark.parametrize("bright", [2, 38])
def test_students_are_shown_what_is_left_of_a_class_as_often_as_the_whole_of_it(bright):
    SHOWN.clear()
    laboratory, known = of_two_kinds(True, unclear=True, bright=bright)
    settled(laboratory, known, (0,), School())
    for rows, left in zip(SHOWN, (range(bright, 40), range(bright)), strict=True):
        times = Counter(rows)
        assert {row: times[row] for row in times if row >= 40} == dict.fromkeys(range(40, 80), 1)
        seen = [times[row] for row in left]
        assert sum(seen) == 40
        assert max(seen) - min(seen) <= 1
        assert set(times) == set(range(40, 80)) | set(left)


@pytest.mark.parametrize("unclear", [True, False])
@pytest.mark.parametrize("student", [Dull(), Cramming()])
def test_what_no_student_knows_tells_no_side(student, unclear):
    laboratory, known = of_two_kinds(True, unclear)
    found = settled(laboratory, known, (0,), student)
    assert found.undecided == ({0} if unclear else set())
    assert found.divisions[0].inside.tolist() == list(range(20))


@pytest.mark.parametrize(("rest", "held"), [(1, 1), (2, 1), (15, 8), (40, 10), (400, 20)])
def test_some_of_every_class_are_held_out_however_small_it_is(rest, held, generator):
    hidden = 30
    pixels = torch.zeros(rest + hidden, 1, 2, 2, dtype=torch.uint8)
    case = Case(nn.Identity(), LabeledImages(pixels, torch.zeros(len(pixels)).long()))
    rows = torch.arange(len(pixels))
    survey = Survey(case, rows >= 0, "fast", 8, silent)
    laboratory = Laboratory(
        case, survey, torch.zeros(len(rows), 1), {0: rows}, 5, 0, generator, silent
    )
    chosen = laboratory._held_out(rows >= hidden)
    assert int(chosen.sum()) == held
    assert not chosen[:hidden].any()


def test_only_members_of_a_target_are_flagged():
    known = Tried({0: division(0, [0.9, 0.4]), 1: division(2, [1.0, 0.0])}, {})
    convicted = evidence_of(known, 5, Verdict("backdoored", (0,), 0.001))
    assert convicted.flagged.tolist() == [True, False, False, False, False]
    assert convicted.score[4] == 0
    assert 0 < convicted.score[2] < 0.5
    doubtful = evidence_of(known, 5, Verdict("suspicious", (0,), 0.03))
    assert not doubtful.flagged.any()


def test_p_values_are_paid_for_by_the_number_of_classes():
    few, many = (tried(1, 0.5).classes(count)[0].p_value for count in (2, 20))
    assert 10 * few == many
