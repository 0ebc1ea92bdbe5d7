"""V&B: the entropy filter, AttentionMix and suppression by hand, and its effect on digits."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from backburn.baselines.defenses.attention_mix import (
    attention,
    attention_mix,
    mixing_loss,
    suppression_loss,
)
from backburn.baselines.defenses.entropy_filter import entropy_of, low_entropy
from backburn.baselines.defenses.unlearning import cross_entropy
from backburn.baselines.defenses.vab import VAB, segment
from backburn.errors import InputError
from backburn.metrics import auroc, evaluate_model
from backburn.models.nets.zoo import build
from backburn.training import Training
from backburn.types import Case

MAPS = torch.tensor([[[[0.0, 1.0]]], [[[0.6, 0.4]]]])
IMAGES = torch.tensor([[[[0.2, 0.4]]], [[[1.0, 0.8]]]])
TARGETS = torch.tensor([[1.0, 0.0], [0.0, 0.5]])


def test_entropy_is_in_nats_and_splits_at_a_share_of_its_range():
    logits = torch.tensor([[0.0, 0.0], [50.0, 0.0]])
    assert entropy_of(logits).tolist() == pytest.approx([math.log(2), 0.0], abs=1e-6)
    entropy = torch.tensor([1.0, 1.3, 2.0, 1.1, 3.0])
    assert low_entropy(entropy, 0.2).tolist() == [True, True, False, True, False]
    assert low_entropy(torch.ones(5), 0.2).tolist() == [True, True, True, False, False]
    assert low_entropy(entropy, 1e-6).sum() == 2


def test_thresholds_ease_in_the_victims_warm_up():
    assert VAB().thresholds() == pytest.approx([0.6, 0.2, 0.2])
    assert VAB(detection=Training(1)).thresholds() == [0.2]


def test_a_segment_starts_at_the_rate_of_the_whole_training():
    training = Training(10, learning_rate=0.2)
    assert [segment(training, start, 2).learning_rate for start in (0, 5)] == [
        pytest.approx(0.2),
        pytest.approx(0.1),
    ]
    assert segment(training, 5, 2).epochs == 2


def test_images_are_mixed_where_attention_is_high_and_labels_by_its_share():
    mixed, labels = attention_mix(IMAGES, MAPS, TARGETS, 0.5)
    # first: region is the right pixel, own share 1, the partner's .4; second: left, .6 and 0
    part = 0.4 / 1.4
    assert mixed[0].flatten().tolist() == pytest.approx([0.2, (1 - part) * 0.4 + part * 0.8])
    assert mixed[1].flatten().tolist() == pytest.approx([1.0, 0.8])
    assert labels[0].tolist() == pytest.approx([1 - part, part * 0.5])
    assert labels[1].tolist() == pytest.approx([0.0, 0.5])


@pytest.fixture
def network(generator):
    return build("small_cnn-w4", 2, 1, generator=generator).eval()


def test_attention_is_the_energy_of_the_last_maps_over_the_whole_image(generator):
    halving = nn.Conv2d(1, 2, 2, stride=2, bias=False)
    with torch.no_grad():
        halving.weight.copy_(torch.tensor([1.0, -2.0]).view(2, 1, 1, 1) / 4)  # means of 2x2 pixels
    small = torch.rand(3, 1, 4, 4, generator=generator)
    maps = attention(halving, small.repeat_interleave(2, 2).repeat_interleave(2, 3))
    energy = small.square()
    low, high = (limit((1, 2, 3), keepdim=True) for limit in (energy.amin, energy.amax))
    expected = nn.functional.interpolate((energy - low) / (high - low), (8, 8), mode="bilinear")
    low, high = (limit((1, 2, 3), keepdim=True) for limit in (expected.amin, expected.amax))
    assert torch.allclose(maps, (expected - low) / (high - low), atol=1e-5)


def test_the_loss_of_soft_labels_is_the_weighted_sum_over_classes(generator):
    logits = torch.randn(4, 3, generator=generator)
    targets = torch.rand(4, 3, generator=generator)  # they need not sum to 1
    expected = -(targets * logits.log_softmax(1)).sum(1)
    losses = cross_entropy(nn.Flatten(), logits[:, :, None, None], targets)
    assert torch.allclose(losses, expected, atol=1e-6)


def test_suppression_weighs_both_kinds_by_their_means(network, generator):
    images = torch.rand(5, 1, 8, 8, generator=generator)
    targets = torch.rand(7, 2, generator=generator)
    suspects = torch.tensor([False, True, False, True, False, False, True])
    rows = torch.tensor([0, 1, 2, 3, 4])
    loss = suppression_loss(targets, suspects, 0.1, 0.5)(network, images, rows)
    credible = mixing_loss(targets, 0.1)(network, images[[0, 2, 4]], rows[[0, 2, 4]])
    plain = cross_entropy(network, images[[1, 3]], targets[[1, 3]])
    assert loss.mean().item() == pytest.approx((credible.mean() + 0.5 * plain.mean()).item())


def test_fewer_than_four_images_are_refused(badnets_digits, generator):
    victim = badnets_digits.victim
    case = Case(victim.model, victim.images.take(torch.arange(3)))
    with pytest.raises(InputError, match="four or more"):
        VAB().repair(case, generator)


def test_the_victim_finds_poison_and_the_beneficiary_has_no_backdoor(badnets_digits, generator):
    victim, exam = badnets_digits
    own = VAB()
    method = replace(
        own,
        threshold=0.002,
        newest=1.0,
        refresh=15,
        detection=replace(own.detection, epochs=4, batch_size=32, learning_rate=3e-3),
        clean=replace(own.clean, epochs=15, batch_size=32, learning_rate=0.05),
        suppression=replace(own.suppression, epochs=4, learning_rate=0.01),
    )
    result = method.repair(victim.case(), generator)
    before, after = (evaluate_model(model, exam) for model in (victim.model, result.model))
    assert auroc(result.evidence.score, victim.truth.poison) > 0.9
    assert before.asr > 0.95
    assert after.asr < 0.2, after
    assert after.acc > before.acc - 0.2, after
