"""TAC reconstruction: its quadratic program, the poisoned class, and its effect on digits."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import nn

from backburn.baselines.defenses import tac
from backburn.baselines.defenses.latent_perturbation import (
    minimal_perturbation,
    minimal_perturbations,
)
from backburn.baselines.defenses.tac import TAC, reconstruct, shifted_loss, smallest_abnormal
from backburn.metrics import evaluate_model
from backburn.models.nets.zoo import build
from backburn.training import Training
from backburn.types import Case, EvaluationSet


@pytest.fixture
def head(generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weights of six classes over nine features, their bias, and thirty features."""
    return tuple(torch.randn(*shape, generator=generator) for shape in ((6, 9), (6,), (30, 9)))


def logits_of(head, shift=0.0) -> torch.Tensor:
    weight, bias, features = (part.double() for part in head)
    return (features + shift) @ weight.T + bias


def test_two_classes_are_the_distance_to_a_plane():
    weight = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    logits = torch.tensor([[1.0, 2.0], [0.0, 10.0], [5.0, 1.0]])
    # the second image has to gain 10 along (3, -4), whose length is 5
    assert minimal_perturbation(weight, logits, 0).tolist() == pytest.approx([1.2, -1.6])
    # the third has to gain 4 the other way
    assert minimal_perturbation(weight, logits, 1).tolist() == pytest.approx([-0.48, 0.64])


def test_images_that_have_the_class_already_need_no_shift(head):
    weight = head[0]
    logits = torch.zeros(4, 6)
    logits[:, 2] = 1.0
    assert minimal_perturbation(weight, logits, 2).tolist() == [0.0] * 9


def test_a_class_between_others_is_out_of_reach():
    weight = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])  # the last is their mean
    logits = torch.tensor([[1.0, 1.0, 0.0]])
    rows = minimal_perturbations(weight, logits)
    assert rows[2].isinf().all()
    assert rows[:2].isfinite().all()


@pytest.mark.parametrize("label", range(6))
def test_all_images_get_the_class_by_the_shortest_shift(head, generator, label):
    weight = head[0]
    shift = minimal_perturbation(weight, logits_of(head), label)
    gaps = logits_of(head, shift)
    gaps = gaps[:, [label]] - gaps
    assert float(gaps.min()) > -1e-9, "a constraint is violated"
    assert float((gaps + 2.0 * (torch.arange(6) == label)).min()) < 1e-9, "none is active"
    # competitors: random steps from it, scaled until all images have the class
    kept, tried = torch.arange(6) != label, 0
    need = (logits_of(head) - logits_of(head)[:, [label]]).amax(0)[kept]
    for _ in range(50):
        other = shift + 0.3 * torch.randn(9, generator=generator, dtype=torch.double)
        gain = ((weight[label] - weight).double() @ other)[kept]
        if bool((gain > 0).all()):
            tried += 1
            assert shift.norm() <= other.norm() * float((need / gain).max()) + 1e-9
    assert tried > 5


def test_a_general_solver_finds_the_same(head):
    weight, logits = head[0].double(), logits_of(head)
    for label in range(6):
        kept = torch.arange(6) != label
        normals = (weight[label] - weight[kept]).numpy()
        bounds = (logits[:, kept] - logits[:, [label]]).amax(0).numpy()
        slow = minimize(
            lambda s: s @ s / 2,
            np.ones(9),
            jac=lambda s: s,
            constraints={"type": "ineq", "fun": lambda s, n=normals, b=bounds: n @ s - b},
            method="SLSQP",
            options={"ftol": 1e-9, "maxiter": 500},
        )
        assert slow.success
        assert minimal_perturbation(weight, logits, label).numpy() == pytest.approx(
            slow.x, abs=1e-4
        )


def test_a_class_is_poisoned_if_its_norm_is_abnormally_small():
    norm = torch.tensor([10.0, 11.0, 9.0, 10.5, 3.0, math.inf])
    assert smallest_abnormal(norm, 2.0) == 4
    assert smallest_abnormal(norm, 20.0) is None
    assert smallest_abnormal(norm[:4], 2.0) is None
    assert smallest_abnormal(torch.full((3,), math.inf), 2.0) is None
    assert smallest_abnormal(torch.tensor([1.0, 9.0]), 1e-9) == 0
    assert smallest_abnormal(torch.tensor([1.0, 9.0]), 2.0) is None, "two classes are no majority"


def test_the_loss_adds_the_weighted_loss_of_shifted_features(generator):
    model = build("small_cnn-w4", 3, 1, generator=generator).eval()
    images, labels = torch.rand(5, 1, 8, 8, generator=generator), torch.tensor([0, 1, 2, 0, 1])
    shift = torch.randn(16, generator=generator)
    features = model.features(images)
    plain, shifted = (
        nn.functional.cross_entropy(model.head(each), labels, reduction="none")
        for each in (features, features + shift)
    )
    assert torch.allclose(shifted_loss(shift, 0.25)(model, images, labels), plain + shifted / 4)
    assert not torch.allclose(plain, shifted)


def halves(attacked) -> tuple[Case, EvaluationSet]:
    """Half of the test digits as the holdout, the other half to judge by."""
    victim, exam = attacked
    rows = torch.arange(len(exam.clean))
    triggered = rows[exam.clean.labels != victim.target_labels[0]]
    odd = triggered % 2 == 1
    case = Case(victim.model, victim.images.take(rows[:0]), exam.clean.take(rows % 2 == 0))
    held = EvaluationSet(exam.clean.take(rows % 2 == 1), exam.triggered.take(odd), exam.wanted[odd])
    return case, held


def assert_weakened(case: Case, held: EvaluationSet, highest: float):
    training = Training(epochs=20, batch_size=64, learning_rate=0.02, warmup=0.0)
    defense, plain = TAC(training=training), TAC(beta=0.0, training=training)
    repaired, tuned = (
        evaluate_model(each.repair(case, torch.Generator().manual_seed(0)).model, held)
        for each in (defense, plain)
    )
    before = evaluate_model(case.model, held)
    assert before.asr > 0.95
    assert repaired.asr < highest
    assert tuned.asr > 0.85, "fine-tuning alone does not do it"
    assert before.acc - repaired.acc < 0.05


def test_the_poisoned_class_is_named_and_its_backdoor_weakened(badnets_digits):
    targets = badnets_digits.victim.target_labels
    case, held = halves(badnets_digits)
    perturbations = reconstruct(case.model, case.model.head, case.holdout)
    assert (smallest_abnormal(perturbations.norm(dim=1), 2.0),) == targets
    assert_weakened(case, held, 0.05)


def test_the_backdoor_of_a_class_that_is_not_abnormal_everywhere_is_weakened(
    blended_digits, monkeypatch
):
    """The target class is given: whether it is abnormal depends on rounding here."""
    (target,) = blended_digits.victim.target_labels
    monkeypatch.setattr(tac, "smallest_abnormal", lambda norm, abnormal: target)
    assert_weakened(*halves(blended_digits), 0.7)


def test_a_model_without_an_abnormal_class_is_returned_as_it_is(badnets_digits):
    case, _ = halves(badnets_digits)
    method = TAC(abnormal=100.0, training=Training(epochs=1))
    repaired = method.repair(case, torch.Generator().manual_seed(0)).model
    assert repaired is not case.model
    same = repaired.state_dict()
    assert all(torch.equal(value, same[name]) for name, value in case.model.state_dict().items())
