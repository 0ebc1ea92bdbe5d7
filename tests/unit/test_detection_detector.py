"""The detector as a whole, on cases that are made by hand and on attacked digits."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from backburn.detection.candidate_groups import ClassSplitter
from backburn.detection.detector import PoisonDetector, _draw_subgroups, _evidence
from backburn.detection.interventions.base import all_interventions
from backburn.detection.null_distribution import correction_factors, hypotheses
from backburn.detection.records import (
    CandidateGroup,
    DetectedBackdoor,
    GroupStatistics,
    SplitStatistics,
)
from backburn.detection.retraining import Retraining
from backburn.detection.sampling import size_weight
from backburn.detection.test_statistics import StatisticsCalculator
from backburn.detection.verdict import HypothesisTests
from backburn.errors import InputError
from backburn.metrics import share_of_true
from backburn.results import Verdict
from backburn.types import Case, LabeledImages

pytestmark = pytest.mark.usefixtures("remembered")
QUICK = PoisonDetector(retraining=Retraining(steps=20))


def study(case: Case, seed: int = 0, settings: PoisonDetector = QUICK, **said):
    return settings.analyze(case, torch.Generator().manual_seed(seed), **said)


def test_poison_is_found_and_nothing_else(backdoored):
    found = study(backdoored.case)
    assert (found.verdict.state, found.verdict.target_labels) == ("backdoored", (0,))
    assert torch.equal(found.evidence.flagged, backdoored.poison)
    (finding,) = found.backdoors
    assert finding.label == 0
    assert finding.flagged.tolist() == backdoored.poison.nonzero().flatten().tolist()
    assert (finding.transfer, finding.necessity) == (1, 1)
    assert finding.p_value < found.verdict.p_value < QUICK.false_alarm
    accused = found.verdict.classes[0]
    assert (accused.label, accused.images) == (0, int(backdoored.poison.sum()))
    assert accused.transfer == 1


def test_scores_lie_between_zero_and_one_and_flag_what_is_above_a_half(backdoored):
    evidence = study(backdoored.case).evidence
    assert evidence.score.shape == evidence.flagged.shape == backdoored.poison.shape
    assert 0 <= evidence.score.min() <= evidence.score.max() <= 1
    assert torch.equal(evidence.flagged, evidence.score > 0.5)


def test_a_clean_case_has_no_suspects(clean):
    found = study(clean.case)
    assert (found.verdict.state, found.verdict.target_labels) == ("clean", ())
    assert not found.evidence.flagged.any()
    assert found.backdoors == ()
    assert len(found.verdict.classes) == 8


@pytest.mark.parametrize("retrain", [True, False])
def test_whatever_gives_doubt_a_case_is_not_called_clean_but_may_be_accused(
    retrain, clean, backdoored
):
    found = study(clean.case, abstain_reason="too dark", retrain=retrain)
    assert (found.verdict.state, found.verdict.reason) == ("abstained", "too dark")
    accused = study(backdoored.case, abstain_reason="too dark", retrain=retrain)
    assert (accused.verdict.state, accused.verdict.reason) == ("backdoored", "")


def test_without_retraining_what_transfers_is_found(backdoored):
    found = study(backdoored.case, retrain=False)
    assert torch.equal(found.evidence.flagged, backdoored.poison)
    assert found.held_out_log_probs is None


def test_what_a_repaired_model_shows_must_be_foreign_to_its_class(backdoored):
    assert study(backdoored.case, retrain=False).backdoors
    assert study(backdoored.case, retrain=False, further=True).backdoors == ()


def test_every_statistic_of_every_group_is_in_the_log(backdoored):
    found = study(backdoored.case)
    rows = found.statistics
    assert {row["label"] for row in rows} == set(range(8))
    names = {"affine", "source", "quantization", "mixture", "crop"}
    expected = {
        "label",
        "level",
        "group",
        "rest",
        "placebo",
        "necessity",
        "probe_activations",
        "p_value",
    }
    assert all(row.keys() == expected | {f"transfer_{name}" for name in names} for row in rows)
    least = min(rows, key=lambda row: row["p_value"])
    assert (least["label"], least["level"], least["group"]) == (0, 1, 20)
    assert {row["level"] for row in rows} == {1, 2}
    assert all(0 <= row["p_value"] <= 1 for row in rows)


def test_an_examination_is_the_evidence_of_the_study(backdoored, generator):
    evidence = QUICK.examine(backdoored.case, generator)
    expected = study(backdoored.case).evidence
    assert torch.equal(evidence.score, expected.score)
    assert torch.equal(evidence.flagged, expected.flagged)


def test_images_that_the_model_disagrees_on_have_no_boundary_and_are_not_flagged(backdoored):
    images = backdoored.case.images
    labels = images.labels.clone()
    wrong = torch.tensor([0, 60, 120])
    labels[wrong] = torch.tensor([3, 4, 5])
    case = Case(backdoored.case.model, images.relabeled(images.pixels, labels))
    found = study(case, retrain=False)
    assert not found.evidence.flagged[wrong].any()
    assert not found.agreed[wrong].any()
    assert not found.boundary.found[wrong].any()
    assert found.boundary.crossed_label[wrong].tolist() == [-1, -1, -1]


def test_a_model_that_agrees_with_no_label_is_refused(backdoored):
    images = backdoored.case.images
    shifted = images.relabeled(images.pixels, (images.labels + 1) % 8)
    with pytest.raises(InputError, match="agrees with none of the 660 labels"):
        study(Case(backdoored.case.model, shifted))
    # a reason that is known already is given instead
    found = study(Case(backdoored.case.model, shifted), abstain_reason="another order")
    assert (found.verdict.state, found.verdict.reason) == ("abstained", "another order")
    assert not found.evidence.flagged.any()


def test_where_few_classes_can_be_examined_nothing_is_called_clean(clean):
    flat = copy.deepcopy(clean.case.model)
    with torch.no_grad():
        flat.scale.zero_()
    found = study(Case(flat, clean.case.images))
    assert found.verdict.state == "abstained"
    assert "only 1 of 8 classes" in found.verdict.reason
    assert not found.evidence.score.any()


def test_where_groups_are_too_few_for_any_trigger_to_stand_out_nothing_is_called_clean(clean):
    coarse = replace(QUICK, resolution=0.9, resolution_probe=0.9)
    found = study(clean.case, settings=coarse)
    assert found.verdict.state == "abstained"
    assert "not even a perfect trigger would stand out" in found.verdict.reason


def test_the_case_is_left_as_it_was(backdoored):
    model, images = backdoored.case.model.train(), backdoored.case.images
    weights = copy.deepcopy(model.state_dict())
    pixels, labels = images.pixels.clone(), images.labels.clone()
    study(backdoored.case, 3)
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(model.state_dict()[key], value) for key, value in weights.items())
    assert torch.equal(images.pixels, pixels)
    assert torch.equal(images.labels, labels)


def test_the_boundary_is_searched_for_suspects_and_a_few_others_of_their_class(backdoored):
    settings = replace(QUICK, probes=5)
    found = study(backdoored.case, settings=settings, retrain=False)
    searched, flagged = found.boundary.found, found.evidence.flagged
    (target,) = found.verdict.convicted
    assert bool(searched[backdoored.poison].all())
    others = searched & ~flagged
    assert backdoored.case.images.labels[others].tolist() == [target] * 5
    few = study(backdoored.case, settings=settings, retrain=False, every_suspect=False)
    assert torch.equal(few.boundary.found, others)
    assert torch.equal(few.evidence.score, found.evidence.score)


def test_without_suspects_no_boundary_is_searched(clean):
    assert not study(clean.case).boundary.found.any()


class Seeing(nn.Module):
    """A witness of the hand-made images: how unlike gray each row is, whatever is lit."""

    def forward(self, images: Tensor) -> Tensor:
        return images[:, 0, :-1].std(2)


def test_a_witness_is_one_more_test_and_tells_what_suspects_show(backdoored):
    case = replace(backdoored.case, witness=Seeing())
    found = study(case)
    assert torch.equal(found.evidence.flagged, backdoored.poison)
    assert all("probe_witness" in row for row in found.statistics)
    shown = case.images.pixels[:, 0, :-1].float().std(2).argmax(1)
    poison = backdoored.poison
    assert found.second_opinion is not None
    assert share_of_true(found.second_opinion[poison] == shown[poison]) > 0.9
    assert share_of_true(found.second_opinion[~poison] == case.images.labels[~poison]) > 0.9
    assert found.held_out_log_probs is not None
    assert share_of_true(found.held_out_log_probs[poison].argmax(1) == shown[poison]) > 0.9
    assert found.embeddings is not None
    again = study(case, embeddings=found.embeddings)
    assert again.verdict.p_value == found.verdict.p_value


def test_with_a_witness_nothing_is_retrained(backdoored, monkeypatch):
    monkeypatch.setattr(Retraining, "run", None)
    assert study(replace(backdoored.case, witness=Seeing())).verdict.state == "backdoored"


def test_a_witness_accuses_no_clean_case(clean):
    assert study(replace(clean.case, witness=Seeing())).verdict.state == "clean"


class TwoLit(nn.Module):
    """As the model of `hand_made`, with a second pixel, which means another class."""

    def __init__(self, first: nn.Module, second: int):
        super().__init__()
        self.first, self.second = first, second

    def forward(self, images: Tensor) -> Tensor:
        said = self.first(images)
        lit = 8 * images[:, 0, -1, -1]
        changed = torch.maximum(said[:, self.second], lit)
        return said.index_copy(1, torch.tensor([self.second]), changed[:, None])


@pytest.mark.parametrize("second", [0, 3], ids=["two triggers of a class", "two targets"])
def test_two_backdoors_in_one_model_are_both_found(second, backdoored):
    images, model = backdoored.case.images, TwoLit(backdoored.case.model, second)
    again = list(range(80 * 4, 80 * 8, 16))  # 20 images of four other classes
    pixels = torch.cat([images.pixels, images.pixels[again]])
    pixels[-20:, 0, -1, -1] = 255
    labels = torch.cat([images.labels, torch.full((20,), second)])
    case = Case(model, LabeledImages(pixels, labels))
    found = study(case, retrain=False)
    assert found.verdict.target_labels == tuple(sorted({0, second}))
    planted = torch.cat([backdoored.poison, torch.ones(20, dtype=torch.bool)])
    assert torch.equal(found.evidence.flagged, planted)
    owner = found.backdoor_index(len(planted))
    assert torch.equal(owner >= 0, planted)
    # two triggers of a class may be found as one group, two targets never
    assert (len(found.backdoors), bool(owner[650] != owner[670])) == (
        (2, True) if second else (1, False)
    )


def told(transfers: dict[int, list[float]], **settings: float) -> HypothesisTests:
    """The tests of one case, of each of whose classes these groups were measured."""
    none = torch.zeros(0, dtype=torch.long)
    images = LabeledImages(torch.zeros(0, 1, 8, 8, dtype=torch.uint8), none)
    kinds_of = all_interventions(PoisonDetector())
    measuring = StatisticsCalculator(
        nn.Identity(), images, {}, none, none, kinds_of, {}, None, PoisonDetector(), 0
    )
    splitter = ClassSplitter(torch.zeros(0, 1), 10, 20, 0)
    made = HypothesisTests(PoisonDetector(**settings), measuring, splitter, len(transfers))
    for label, values in transfers.items():
        made.null.measured[label] = [
            SplitStatistics.of(measured(label, 0.0, number), measured(label, value, number))
            for number, value in enumerate(values)
        ]
    return made


def measured(
    label: int, transfer: float, number: int = 0, probe: float | None = None, size: int = 970
) -> GroupStatistics:
    candidate = CandidateGroup(label, torch.arange(size), torch.arange(970), 1 + bool(number))
    probes = {} if probe is None else {"activations": probe}
    weight = size_weight(min(size, 970), 30)
    transfers = {"affine": transfer, "mixture": 0.0}
    nothing, everything = dict.fromkeys(transfers, 0.0), dict.fromkeys(transfers, 1.0)
    excess = (probe or 0.0) / size_weight(size, 30)
    return GroupStatistics(
        candidate, transfers, nothing, probes, 0.0, {}, weight, everything, candidate.group, excess
    )


def set_aside(transfers: dict[int, list[float]]) -> set[int]:
    return set(told(transfers).null.significant_classes())


NOBODY = [0.02, 0.0, 0.03]


def test_classes_that_stand_out_together_are_no_placebos_of_one_another():
    clean = dict.fromkeys(range(8), NOBODY)
    assert set_aside(clean) == set()
    assert set_aside({**clean, 2: [0.9, 0.0, 0.0]}) == {2}
    assert set_aside({**clean, 2: [0.9, 0.0, 0.0], 5: [0.7, 0.0, 0.0]}) == {2, 5}


class UnsplittableClasses(ClassSplitter):
    def split(self, label, rows, level=1, count=1):
        return []


def all_to_all(sibling: float, placebo: float, transfer: float = 0.5) -> HypothesisTests:
    """Ten classes, each of a small group of 100 that a probe calls otherwise, and its sibling."""
    tests = told({label: [] for label in range(10)})
    tests.splitter = UnsplittableClasses(torch.zeros(0, 1), 10, 20, 0)
    for label in range(10):
        groups = (
            measured(label, transfer, probe=0.6, size=100),
            measured(label, 0.0, probe=sibling),
        )
        pure = [measured(label, 0.0, 1, placebo * number / 4) for number in range(5)]
        tests.null.measured[label] = [
            SplitStatistics.of(*groups),
            *[SplitStatistics.of(each, each, placebo=True) for each in pure],
        ]
    return tests


def test_small_groups_of_most_classes_are_foreign_as_well():
    tests = told({label: [] for label in range(10)})
    tests.splitter = UnsplittableClasses(torch.zeros(0, 1), 10, 20, 0)
    for label in range(10):
        group = measured(label, 0.2, probe=0.25, size=22)  # weighted by 22 / 52
        placebos = [measured(label, 0.0, 1, 0.01 * number) for number in range(5)]
        tests.null.measured[label] = [
            SplitStatistics.of(group, measured(label, 0.0, probe=0.0)),
            *[SplitStatistics.of(each, each, placebo=True) for each in placebos],
        ]
    assert tests._most_classes() == set(range(10))


def test_where_every_class_is_a_target_placebos_alone_are_compared_with():
    tests = all_to_all(sibling=0.55, placebo=0.05)
    assert tests.null.significant_classes() == set()
    tests.null.set_aside = tests._most_classes()
    assert tests.null.set_aside == set(range(10))
    (tested, *placebos) = tests.null.measured[3]
    assert len(tested.stronger.candidate.group) == 100
    assert all(split.placebo for split in placebos)
    assert tests.null.p_value(tested) < 1e-3


def test_the_smaller_group_is_taken_for_poisoned_where_most_classes_are_targets():
    tests = all_to_all(sibling=1.0, placebo=0.05, transfer=0.3)  # the sibling is the stronger one
    assert len(tests.null.measured[3][0].stronger.candidate.group) == 970
    tests._most_classes()
    assert len(tests.null.measured[3][0].stronger.candidate.group) == 100
    assert tests._is_usable(tests.null.measured[3][0])


def test_most_classes_are_targets_although_another_one_shows_nothing():
    tests = all_to_all(sibling=0.55, placebo=0.05)
    nothing = measured(9, 0.0, probe=0.0)
    tests.null.measured[9] = [
        SplitStatistics.of(nothing, nothing),
        *tests.null.measured[9][1:],
    ]
    assert tests.null.class_p_value(9, frozenset(range(10))) == 1
    assert tests._most_classes() == set(range(9))


def test_classes_whose_groups_differ_as_much_within_are_no_targets():
    tests = all_to_all(sibling=0.55, placebo=0.6, transfer=0.0)
    before = dict(tests.null.measured)
    assert tests._most_classes() == set()
    assert tests.null.measured == before


def test_placebos_fill_the_null_distribution_and_are_neither_tried_nor_paid_for():
    tests = told({0: [0.9, 0.0, 0.0], **dict.fromkeys(range(1, 6), NOBODY)})
    before = tests.null.p_value(tests.null.measured[0][0])
    factors = correction_factors(hypotheses(tests.null.measured[1]))
    more = SplitStatistics.of(measured(1, 0.0, 3), measured(1, 0.1, 3), placebo=True)
    tests.null.measured[1].append(more)
    assert correction_factors(hypotheses(tests.null.measured[1])) == factors
    assert tests.null.p_value(tests.null.measured[0][0]) > before
    assert tests.null.significant_classes() == {0}
    _, best = tests._strongest_split(tests.null.measured[1], 0.05)
    assert best is not more
    assert [row["placebo"] for row in tests.log] == [0, 0, 0, 1]


def split_of(
    parts: tuple[Tensor, Tensor], values: tuple[float, float], level: int, foreign: Tensor
):
    """A split whose first part transfers by the first value, and the second by the second."""
    groups = [
        replace(
            measured(0, value),
            candidate=CandidateGroup(0, own, other, level),
            foreign=foreign,
            weight=1.0,
        )
        for own, other, value in zip(parts, parts[::-1], values, strict=True)
    ]
    return SplitStatistics.of(*groups)


@pytest.mark.parametrize(
    ("foreign", "counts"),
    [(torch.arange(60), 60), (torch.arange(100), 100)],
    ids=["the other part is clean", "all of it is poisoned"],
)
def test_a_part_counts_instead_of_its_group_if_the_rest_of_it_is_clean(foreign, counts):
    group, rest = torch.arange(100), torch.arange(100, 300)
    whole = split_of((group, rest), (0.9, 0.0), 1, foreign)
    part = split_of((group[:60], group[60:]), (0.8, 0.0), 2, foreign)
    tests = told({0: [0.0], **dict.fromkeys(range(1, 8), NOBODY)})
    p_value, best = tests._strongest_split([whole, part], 0.05)
    assert len(best.stronger.candidate.group) == counts
    assert p_value == 2 * tests.null.p_value(whole)  # of the class, whichever counts


def of_two_changes(affine: float, necessity: float, excess: float = 0.0) -> GroupStatistics:
    """A group that needs the change from one class of nine, which flips 90 % of that class.

    Args:
        affine, necessity: transfer of the other change, and necessity of it.
    """
    return replace(
        measured(0, 0.0),
        transfer={"affine": affine, "source": 0.9},
        applied_to={"affine": 1.0, "source": 1 / 9},
        necessities={"affine": necessity, "source": 1.0},
        excess=excess,
    )


def test_what_transfers_from_a_source_class_alone_is_not_said_of_all_classes():
    group = of_two_changes(affine=0.2, necessity=0.0)
    assert group.max_transfer == 0.9
    assert group.transfer_from_all("source") == pytest.approx(0.1)
    assert group.best_intervention == "affine"
    assert group.best_transfer == 0.2
    assert of_two_changes(affine=0.0, necessity=0.0).best_intervention == "source"


def test_the_best_change_explains_the_label_and_is_the_one_whose_necessity_counts():
    group = of_two_changes(affine=0.2, necessity=0.1, excess=0.8)
    assert group.best_intervention == "source"  # 0.1 of all images; of the other, 0.2 of 0.2
    assert group.best_transfer == pytest.approx(0.1)
    assert group.necessity == 1
    assert group.supported_necessity == pytest.approx(0.1)


def test_half_of_the_level_goes_to_splits_of_the_class():
    whole, *parts = (
        SplitStatistics.of(measured(0, 0.1, number), measured(0, 0.0, number))
        for number in range(3)
    )
    assert correction_factors([whole, *parts]) == [2, 4, 4]
    assert correction_factors([whole]) == [1]


def test_what_either_group_transfers_is_tested():
    tests = told({0: [0.0], **dict.fromkeys(range(1, 6), NOBODY)})
    carried = measured(0, 0.6)
    other = replace(measured(0, 0.0), diversity=0.9)
    split = SplitStatistics.of(carried, other)
    assert split.stronger is other
    assert split.transfer_statistic("affine") == carried.weighted_transfer("affine")
    assert tests.null.p_value(split) < 0.01


def test_of_many_subgroups_some_are_drawn_whole(generator):
    subgroups = torch.arange(600) // 3 - 1
    rows = _draw_subgroups(subgroups, 50, generator)
    assert len(rows) == 150
    assert subgroups[rows].unique(return_counts=True)[1].tolist() == [3] * 50
    assert torch.equal(_draw_subgroups(subgroups, 500, generator), torch.arange(3, 600))


def test_a_class_that_has_none_to_be_compared_with_can_not_be_called_clean():
    null = told({0: NOBODY}).null
    assert "no other to compare it with" in null.lack_of_power()
    assert null.smallest_group() is None
    assert told({0: NOBODY, 1: NOBODY}).null.lack_of_power() == ""


def test_fewer_images_than_a_perfect_trigger_needs_are_named():
    even = told(dict.fromkeys(range(10), NOBODY)).null
    least = even.smallest_group()
    uneven = told({label: [0.1 * (label % 4), 0.0, 0.2] for label in range(10)}).null
    assert 10 <= least < uneven.smallest_group() < 150
    assert told({0: [0.9, 0.0], 1: [0.0, 0.9]}).null.smallest_group() is None


def test_a_group_is_compared_with_those_of_other_classes_only():
    tests = told({0: [0.9, 0.8, 0.7], **dict.fromkeys(range(1, 8), NOBODY)})
    own, other = tests.null.measured[0][0], tests.null.measured[1][0]
    assert tests.null.p_value(own) < 1e-5
    assert tests.null.p_value(other) > 0.2
    assert tests.null.p_value(other, frozenset({0})) == tests.null.p_value(
        tests.null.measured[2][0], frozenset({0})
    )


def test_a_group_is_of_use_if_it_is_large_enough_and_leads_the_other_of_its_split():
    tests = told({0: [0.3, 0.04], 1: NOBODY})
    large, small = tests.null.measured[0]
    assert tests._is_usable(large)
    assert not tests._is_usable(SplitStatistics.of(measured(0, 0.3), measured(0, 0.27)))
    assert not tests._is_usable(small)


def test_groups_of_a_few_images_count_less():
    large = measured(0, 0.5)
    small = replace(large, weight=size_weight(30, 30))
    assert large.weighted_transfer("affine") == pytest.approx(0.485)
    assert small.weighted_transfer("affine") == 0.25


def test_less_than_a_conviction_flags_nothing():
    rows = torch.tensor([1, 2, 3])
    finding = DetectedBackdoor(0, rows, torch.tensor([1.0, 0.2, 0.9]), 0.5, 0.0, 0.0, 1e-4)
    convicted = _evidence([finding], 5, Verdict("backdoored", (0,), 0.001))
    assert convicted.score.tolist() == pytest.approx([0, 1, 0.2, 0.9, 0])
    assert convicted.flagged.tolist() == [False, True, False, True, False]
    doubtful = _evidence([finding], 5, Verdict("suspicious", (0,), 0.03))
    assert doubtful.score.tolist() == pytest.approx([0, 0.49, 0.098, 0.441, 0])
    assert not doubtful.flagged.any()


def test_poison_of_attacked_digits_is_found(badnets_digits):
    victim = badnets_digits.victim
    found = study(victim.case(), settings=PoisonDetector())
    poison = victim.truth.poison
    assert (found.verdict.state, found.verdict.target_labels) == ("backdoored", (0,))
    assert share_of_true(found.evidence.flagged[poison]) > 0.95
    assert share_of_true(found.evidence.flagged[~poison]) < 0.01
    assert found.held_out_log_probs is not None
    assert found.held_out_log_probs.shape == (len(victim.images), 10)
    hidden = found.evidence.flagged | ~found.agreed
    assert torch.equal(found.held_out_log_probs.isnan().any(1), ~hidden)
    # a model that never saw the poison tells what it was before
    told = poison & hidden
    assert (
        share_of_true(found.held_out_log_probs[told].argmax(1) == victim.truth.labels[told]) > 0.5
    )
