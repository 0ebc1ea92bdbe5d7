"""Who is a suspect after a look at the sanitized model, whose answers are written by hand here."""

import pytest
import torch
from torch import Tensor, nn

from backburn.burn.fine_tuning import FineTuner
from backburn.burn.refinement import Refinement, refine
from backburn.burn.restoration import RestoredSuspects
from backburn.burn.trigger_estimate import AffineTrigger
from backburn.data.augmentation import Augmentation
from backburn.detection.records import DetectedBackdoor, DetectionResult
from backburn.results import Evidence, Suspects, Verdict
from backburn.training import Training
from backburn.types import BoundaryResult, Case, LabeledImages, no_progress

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
    restored: RestoredSuspects | None = None,
    findings: tuple[DetectedBackdoor, ...] = (),
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
    known = DetectionResult(boundary, evidence, verdict, seen, findings)
    images = LabeledImages(pixels, torch.tensor(labels))
    generator = torch.Generator().manual_seed(0)
    bench = FineTuner(images, None, Training(augmentation=STILL), ~seen, generator, no_progress)
    nobody = torch.zeros(0, dtype=torch.int64)
    before = restored or RestoredSuspects(Suspects(nobody, nobody, nobody, torch.zeros(0)))
    case = Case(nn.Identity(), images)
    return refine(Refinement(**settings), case, known, Says(says), before, bench).suspects


POISON, CLEAN = [0.05, 0.8, 0.15], [0.95, 0.03, 0.02]


def test_two_witnesses_that_agree_make_a_suspect_with_the_likeliest_label():
    found = refined([0, 0], [0.99, 0.01], [POISON, CLEAN])
    assert found.index.tolist() == [0]
    assert (found.given_label.tolist(), found.restored_label.tolist()) == ([0], [1])
    assert found.confidence.tolist() == pytest.approx([0.8], abs=1e-4)


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


def finding(label: int, rows: list[int]) -> DetectedBackdoor:
    return DetectedBackdoor(label, torch.tensor(rows), torch.ones(len(rows)), 1.0, 1.0, 0.5, 1e-9)


def nobody_yet(
    triggers: tuple[AffineTrigger | None, ...], kept: tuple[bool, ...]
) -> RestoredSuspects:
    nobody = torch.zeros(0, dtype=torch.int64)
    return RestoredSuspects(Suspects(nobody, nobody, nobody, torch.zeros(0)), triggers, kept)


def test_the_given_label_of_a_single_image_may_stand():
    found = refined([0] * 4, [1.0] * 4, [[0.9, 0.06, 0.04], POISON, POISON, POISON])
    assert found.index.tolist() == [0, 1, 2, 3]
    assert found.restored_label.tolist() == [0, 1, 1, 1]
    assert found.confidence.tolist() == pytest.approx([0.9, 0.8, 0.8, 0.8], abs=1e-4)


def test_of_a_clean_label_finding_all_labels_stand_of_another_one_they_do_not():
    known = finding(0, [0, 1]), finding(0, [2, 3])
    before = nobody_yet((None, None), (True, False))
    found = refined([0] * 4, [1.0] * 4, [POISON] * 4, restored=before, findings=known)
    assert found.restored_label.tolist() == [0, 0, 1, 1]
    assert found.confidence.tolist() == pytest.approx([0.05, 0.05, 0.8, 0.8], abs=1e-4)


def test_an_image_that_joins_is_of_the_first_finding_of_its_class():
    known = finding(1, [3]), finding(0, [0]), finding(0, [1])
    before = nobody_yet((None, None, None), (False, True, False))
    found = refined(
        [0, 0, 0, 1], [1.0, 1.0, 0.4, 1.0], [POISON] * 3 + [[0.8, 0.05, 0.15]],
        targets=(0, 1), restored=before, findings=known,
    )  # fmt: skip
    assert found.index.tolist() == [0, 1, 2, 3]
    assert found.restored_label.tolist() == [0, 1, 0, 0]


def test_nobody_may_be_left():
    assert len(refined([0, 0], [0.01, 0.01], [CLEAN, CLEAN])) == 0


def test_where_a_trigger_is_known_the_images_of_its_finding_are_asked_about_without_it():
    # without it, image 2 is image 0: both are asked, and the mean of both counts
    one = torch.ones(1, 2, 2)
    trigger = AffineTrigger(one, 2 * one, one)
    shown = [[0.02, 0.08, 0.9], CLEAN, POISON]
    known, score = (finding(0, [2]),), [0.0, 0.0, 1.0]
    before = nobody_yet((trigger,), (False,))
    found = refined([1, 1, 0], score, shown, restored=before, findings=known)
    assert found.index.tolist() == [2]
    assert found.restored_label.tolist() == [2]
    assert found.confidence.tolist() == pytest.approx([(0.9 + 0.15) / 2], abs=1e-4)
    kept = nobody_yet((trigger,), (True,))
    stands = refined([1, 1, 0], score, shown, restored=kept, findings=known)
    assert stands.restored_label.tolist() == [0]
    plain = nobody_yet((None,), (False,))
    assert refined([1, 1, 0], score, shown, restored=plain, findings=known).restored_label == 1
