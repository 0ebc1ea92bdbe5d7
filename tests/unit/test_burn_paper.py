"""BURN as published."""

import torch

from backburn.burn.paper import PaperBURN, robust_z_scores
from backburn.executor.resumable import ResumableExecutor
from backburn.training import Training
from backburn.types import BoundaryResult

QUICK = PaperBURN(training=Training(epochs=1, learning_rate=0.001))


def test_far_images_are_abnormal_and_what_cannot_be_judged_is_not():
    distance = torch.cat([torch.linspace(0.9, 1.1, 40), torch.tensor([5.0, torch.inf, 5.0])])
    found = torch.isfinite(distance)
    agreed = torch.ones(43, dtype=torch.bool)
    agreed[42] = False
    z = robust_z_scores(BoundaryResult(found, distance, torch.zeros(43, dtype=torch.long)), agreed)
    assert (z > 3).nonzero().flatten().tolist() == [40]
    assert z[41] == z[42] == z[:41].min()


def test_it_takes_the_model_to_be_backdoored_and_ends_when_suspects_are_stable(
    backdoored, generator
):
    repaired = QUICK.repair(backdoored.case, generator)
    names = [phase.name for phase in repaired.history]
    assert names[:2] == ["boundary", "decoupling"]
    assert names[2:].count("refinement") <= QUICK.rounds
    assert repaired.verdict.state == "backdoored"
    assert repaired.model is not backdoored.case.model
    assert 0 <= repaired.evidence.score.min() <= repaired.evidence.score.max() <= 1


def test_its_search_can_be_kept(backdoored, tmp_path):
    plain = QUICK.repair(backdoored.case, torch.Generator().manual_seed(0))
    kept = QUICK.repair(
        backdoored.case, torch.Generator().manual_seed(0), executor=ResumableExecutor(tmp_path)
    )
    assert list(tmp_path.rglob("*.safetensors"))
    assert torch.equal(plain.boundary.distance, kept.boundary.distance)
