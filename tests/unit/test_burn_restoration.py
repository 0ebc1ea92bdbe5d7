"""Labels of suspects once the trigger is undone, on digits with triggers that are known."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from backburn.attacks.base import Recipe
from backburn.attacks.blended import Blended
from backburn.attacks.sig import SIG
from backburn.burn.burn import BURN
from backburn.burn.restoration import keeping, relabel, restore
from backburn.data.digits import digits
from backburn.detection.boundary_detector import Findings
from backburn.detection.rounding import rounding_of
from backburn.detection.trials import Trial
from backburn.detection.tried import Tried
from backburn.training import Training
from backburn.types import BoundaryResult, Evidence, LabeledImages, Verdict, Victim, silent
from backburn.work.contract import HERE

RECIPE = Recipe("small_cnn", Training(epochs=12, batch_size=64, learning_rate=0.05))


def convicted(victim: Victim, transfer: float) -> Findings:
    """What a detector would have found, had it found exactly the poison."""
    poison = victim.truth.poison
    everything = torch.ones_like(poison)
    boundary = BoundaryResult(everything, torch.ones(len(poison)), torch.full((len(poison),), 7))
    tried = Tried({}, {0: Trial({1: transfer})})
    verdict = Verdict("backdoored", (0,), 0.001)
    return Findings(boundary, Evidence(poison.float(), poison), verdict, everything, tried)


@pytest.mark.parametrize("attack", [Blended(), SIG()], ids=lambda attack: type(attack).__name__)
def test_labels_come_back_and_clean_label_poison_keeps_its_own(attack, generator):
    victim = attack.mount(digits("train"), RECIPE, generator)
    burn, case = BURN(), victim.case()
    found = convicted(victim, 0.9)
    bench = burn._bench(case, found, generator, silent, HERE)
    restored = restore(burn.restoration, case, found, bench)
    right = restored.suspects.restored_label == victim.truth.labels[restored.suspects.index]
    assert right.float().mean() > 0.9
    assert restored.clean_label == ((0,) if isinstance(attack, SIG) else ())
    weak = restore(replace(burn.restoration, carried=1.0), case, found, bench)
    assert set(weak.suspects.restored_label.tolist()) == {7}
    assert weak.trigger is None


class Knowing(nn.Module):
    """A student that calls everything 3."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return nn.functional.one_hot(torch.full((len(images),), 3), 10).float() * 9


def test_of_a_rounding_only_a_student_knows_labels_and_it_is_what_is_stamped(generator):
    victim = Blended().mount(digits("train"), RECIPE, generator)
    burn, case = BURN(), victim.case()
    found = convicted(victim, 0.9)
    rounding = rounding_of(case.images.pixels, victim.truth.poison.nonzero().flatten())
    trial = Trial({1: 0.9}, rounding=rounding)
    found = found._replace(tried=Tried({}, {0: trial}, {0: Knowing()}))
    restored = restore(
        burn.restoration, case, found, burn._bench(case, found, generator, silent, HERE)
    )
    assert set(restored.suspects.restored_label.tolist()) == {3}
    assert restored.trigger is rounding


SAYS = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.6, 0.0, 0.4]])


def test_the_likeliest_other_label_counts_by_its_share_of_the_others():
    images = LabeledImages(torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 0, 1]))
    found = relabel(images, torch.arange(3), SAYS, ())
    assert found.restored_label.tolist() == [1, 2, 0]
    assert found.confidence.tolist() == pytest.approx([2 / 3, 2 / 3, 0.6])
    kept = relabel(images, torch.arange(3), SAYS, (0,))
    assert kept.restored_label.tolist() == [0, 0, 0]
    assert kept.confidence.tolist() == pytest.approx([0.7, 0.1, 0.6])


def test_a_class_keeps_its_label_by_more_than_a_share():
    given = torch.tensor([0, 0, 1])
    assert keeping(given, SAYS, 0.4) == (0,)
    assert keeping(given, SAYS, 0.5) == ()
