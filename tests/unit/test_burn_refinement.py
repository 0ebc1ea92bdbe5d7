"""Who is a suspect after a look at the sanitized model, whose answers are written by hand here."""

import pytest
import torch
from torch import Tensor, nn

from backburn.burn.refinement import Refinement, refine
from backburn.burn.restoration import Restored
from backburn.burn.trigger import EstimatedTrigger
from backburn.burn.workbench import Workbench
from backburn.data.augmentation import Augmentation
from backburn.detection.boundary_detector import Findings
from backburn.detection.tried import Tried
from backburn.errors import InputError
from backburn.training import Training
from backburn.types import (
    BoundaryResult,
    Case,
    Evidence,
    LabeledImages,
    Suspects,
    Verdict,
    silent,
)

STILL = Augmentation(shift=0.0)


class Says(nn.Module):
    """Image i, all of whose pixels are i, gets the i-th row of probabilities."""

    def __init__(self, rows: list[list[float]]):
        super().__init__()
        self.table = nn.Parameter(torch.tensor(rows).log())

    def forward(self, images: Tensor) -> Tensor:
        return self.table[(images[:, 0, 0, 0] * 255).round().long()]


def refined(
    labels: list[int],
    score: list[float],
    says: list[list[float]],
    found: list[bool] | None = None,
    targets: tuple[int, ...] = (0,),
    restored: Restored | None = None,
    **settings,
) -> Suspects:
    count = len(labels)
    pixels = torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(count, 1, 2, 2)
    seen = torch.tensor(found or [True] * count)
    evidence = Evidence(torch.tensor(score), torch.tensor(score) > 0.5)
    distance = torch.ones(count).where(seen, torch.inf)
    nothing = torch.full((count,), -1)
    verdict = Verdict("backdoored", targets, 0.001)
    boundary = BoundaryResult(seen, distance, nothing)
    findings = Findings(boundary, evidence, verdict, seen, Tried({}, {}))
    images = LabeledImages(pixels, torch.tensor(labels))
    generator = torch.Generator().manual_seed(0)
    bench = Workbench(images, None, Training(augmentation=STILL), ~seen, generator, silent)
    nobody = torch.zeros(0, dtype=torch.int64)
    before = restored or Restored(Suspects(nobody, nobody, nobody, torch.zeros(0)))
    case = Case(nn.Identity(), images)
    refinement = Refinement(**settings)
    return refine(refinement, case, findings, Says(says), before, 0.5, bench).suspects


POISON, CLEAN = [0.05, 0.8, 0.15], [0.95, 0.03, 0.02]


def test_two_witnesses_that_agree_make_a_suspect_with_the_likeliest_other_label():
    found = refined([0, 0], [0.99, 0.01], [POISON, CLEAN])
    assert found.index.tolist() == [0]
    assert (found.given_label.tolist(), found.restored_label.tolist()) == ([0], [1])
    assert found.confidence.tolist() == pytest.approx([0.8 / 0.95], abs=1e-4)


@pytest.mark.parametrize(
    ("score", "doubt", "suspect"),
    [
        (0.9, 0.05, False),  # a suspect that leaves: 9 to 1 against 1 to 19
        (0.3, 0.95, True),  # one that joins: 3 to 7 against 19 to 1
        (0.9, 0.15, True),  # 9 to 1 against 3 to 17
        (0.1, 0.85, False),  # 1 to 9 against 17 to 3
        (0.0, 0.98, False),  # the evidence of the boundary is trusted more
        (1.0, 0.0001, True),
    ],
)
def test_the_odds_of_both_witnesses_are_multiplied(score, doubt, suspect):
    # the second image keeps the class from being taken for clean-label
    found = refined([0, 0], [score, 1.0], [[1 - doubt, doubt * 0.7, doubt * 0.3], POISON])
    assert (0 in found.index.tolist()) == suspect
    assert 1 in found.index.tolist()


def test_less_trust_in_the_sanitized_model_needs_more_evidence():
    sure, row = [0.9999, 0.00005, 0.00005], [0.95]
    assert 0 not in refined([0, 0], [*row, 1.0], [sure, POISON], trust=0.99).index.tolist()
    assert 0 in refined([0, 0], [*row, 1.0], [sure, POISON], trust=0.6).index.tolist()


def test_only_images_of_a_target_class_can_be_suspects():
    found = refined([0, 1, 2], [0.99, 0.99, 0.99], [POISON, [0.9, 0.05, 0.05], POISON])
    assert found.index.tolist() == [0]
    both = refined([0, 1, 2], [0.99, 0.99, 0.99], [POISON, [0.9, 0.05, 0.05], POISON], None, (0, 1))
    assert both.index.tolist() == [0, 1]
    assert both.restored_label.tolist() == [1, 0]


def test_images_that_the_first_model_disagreed_on_need_evidence_like_any_other():
    found = refined([0, 0, 0], [0.99, 0.99, 0.0], [POISON] * 3, [True, False, False])
    assert found.index.tolist() == [0, 1]


def test_clean_label_poison_keeps_its_label():
    keeps = [[0.9, 0.06, 0.04]] * 3
    found = refined([0] * 4, [1.0] * 4, [*keeps, POISON])
    assert found.index.tolist() == [0, 1, 2, 3]
    assert found.restored_label.tolist() == [0, 0, 0, 0]
    assert found.confidence.tolist() == pytest.approx([0.9, 0.9, 0.9, 0.05], abs=1e-4)


def test_half_of_a_class_is_not_yet_clean_label():
    keeps = [[0.9, 0.06, 0.04]] * 2
    found = refined([0] * 4, [1.0] * 4, [*keeps, POISON, POISON])
    assert found.restored_label.tolist() == [1, 1, 1, 1]


def test_each_target_class_is_clean_label_by_itself():
    says = [[0.9, 0.06, 0.04], [0.8, 0.15, 0.05]]
    found = refined([0, 1], [1.0, 1.0], says, targets=(0, 1))
    assert found.restored_label.tolist() == [0, 0]


def test_nobody_may_be_left():
    assert len(refined([0, 0], [0.01, 0.01], [CLEAN, CLEAN])) == 0


def test_where_the_trigger_is_known_so_is_what_it_was_planted_in_and_both_views_count():
    nobody = torch.zeros(0, dtype=torch.int64)
    nothing = Suspects(nobody, nobody, nobody, torch.zeros(0))
    # undone, image 2 is image 0: both are asked, and the mean of both counts
    one = torch.ones(1, 2, 2)
    trigger = EstimatedTrigger(one, 2 * one, one)
    shown = [[0.02, 0.08, 0.9], CLEAN, POISON]
    before = Restored(nothing, trigger)
    found = refined([1, 1, 0], [0.0, 0.0, 1.0], shown, restored=before)
    assert found.index.tolist() == [2]
    assert found.restored_label.tolist() == [2]
    kept = refined([1, 1, 0], [0.0, 0.0, 1.0], shown, restored=Restored(nothing, trigger, (0,)))
    assert kept.restored_label.tolist() == [0]


@pytest.mark.parametrize(
    "settings",
    [{"rounds": 0}, {"trust": 0.5}, {"trust": 1.0}],
    ids=str,
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(InputError, match=f"{next(iter(settings))}.*give"):
        Refinement(**settings)
