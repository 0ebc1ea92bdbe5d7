"""The parts of ABL, D-BR, I-BAU, Neural Cleanse and SAU, against values by hand."""

import math

import pytest
import torch
from torch import nn

from backburn.baselines.defenses.abl import local_gradient_ascent
from backburn.baselines.defenses.feature_consistency import (
    class_similarity,
    require_features,
    rotate_and_shift,
)
from backburn.baselines.defenses.ibau import hypergradient
from backburn.baselines.defenses.inverted_triggers import CostSchedule, InvertedTriggers
from backburn.baselines.defenses.neural_cleanse import anomaly_index, trigger_transform
from backburn.baselines.defenses.sau import jensen_shannon, negative_log_complement
from backburn.baselines.defenses.unlearning import gradient_ascent
from backburn.baselines.flagging import flag_highest
from backburn.errors import InputError


class Flat(nn.Module):
    """Features are pixels, and so are logits."""

    def features(self, images):
        return images.flatten(1)

    forward = features


def test_a_batch_below_gamma_is_ascended():
    images, labels = torch.zeros(2, 1, 1, 2), torch.tensor([0, 1])
    loss = torch.full((2,), math.log(2))
    assert torch.allclose(local_gradient_ascent(0.5)(Flat(), images, labels), loss)
    assert torch.allclose(local_gradient_ascent(0.8)(Flat(), images, labels), -loss)
    assert torch.allclose(gradient_ascent(Flat(), images, labels), -loss)


def test_the_highest_share_is_chosen_and_one_at_the_least():
    statistic = torch.tensor([1.0, 4.0, 2.0, 3.0])
    assert flag_highest(statistic, 0.5, least=1).tolist() == [False, True, False, True]
    assert flag_highest(statistic, 0.01, least=1).tolist() == [False, True, False, False]


def test_classes_that_share_a_direction_are_close():
    labels = torch.tensor([3, 3, 5])
    images = torch.tensor([[2.0, 0.0], [4.0, 0.0], [0.0, 1.0]]).view(3, 1, 1, 2)
    assert class_similarity(Flat(), images, labels).tolist() == [0.0] * 3
    images[2] = torch.tensor([7.0, 0.0])
    # two of four pairs, those of a class with itself do not count
    assert torch.allclose(class_similarity(Flat(), images, labels), torch.full((3,), 0.5))


def test_images_turn_about_their_center_and_shift_no_farther_than_said(generator):
    pixels = torch.zeros(64, 1, 11, 11, dtype=torch.uint8)
    pixels[:, :, 5, 5] = 255
    assert torch.equal(rotate_and_shift(pixels, 0.0, 0.0, generator), pixels)
    assert (rotate_and_shift(pixels, 180.0, 0.0, generator)[:, 0, 5, 5] == 255).all()
    _, _, rows, columns = rotate_and_shift(pixels, 0.0, 0.2, generator).nonzero().unbind(1)
    assert 3 <= rows.min() < 5 < rows.max() <= 7
    assert 3 <= columns.min() < 5 < columns.max() <= 7


def test_what_is_turned_keeps_its_shape_in_an_oblong_image(generator):
    pixels = torch.zeros(64, 1, 21, 41, dtype=torch.uint8)
    pixels[:, :, 8:13, 18:23] = 255
    area = (rotate_and_shift(pixels, 180.0, 0.1, generator) > 0).flatten(1).sum(1)
    assert ((area > 20) & (area < 30)).all()


def test_a_model_without_features_is_refused():
    with pytest.raises(InputError, match="features"):
        require_features(nn.Flatten(), "D-BR")


@pytest.mark.parametrize(("iterations", "share"), [(1, 0.25), (2, 1 - 0.75**2), (60, 1.0)])
def test_the_hypergradient_of_a_quadratic(iterations, share):
    weight = torch.tensor([2.0, -1.0], requires_grad=True)

    def descent(point):
        return point - 0.25 * (point - weight)  # its fixed point is the weight

    def outer(point):
        return (point**2).sum() / 2 + 3 * weight.sum()

    (slope,) = hypergradient(outer, descent, weight.detach(), [weight], iterations)
    assert torch.allclose(slope, 3 + share * weight.detach(), atol=1e-5)


def test_the_anomaly_index_counts_robust_deviations_below_the_median():
    index = anomaly_index(torch.tensor([8.0, 9.0, 10.0, 11.0, 12.0, 10.0 - 3 * 1.4826, 20.0]))
    assert index[2] == 0
    assert index[5] == pytest.approx(3.0 / 2, rel=1e-4)  # the MAD is 2
    assert index[6] < 0


def test_a_patch_replaces_what_its_mask_covers(generator):
    mask = torch.zeros(2, 1, 2, 2)
    mask[1, 0, 0, 0], mask[1, 0, 0, 1] = 1.0, 0.5
    patches = InvertedTriggers(mask, torch.ones(2, 3, 2, 2), torch.zeros(2), torch.ones(2).bool())
    pixels = torch.full((1, 3, 2, 2), 100, dtype=torch.uint8)
    out = patches.apply(pixels, torch.tensor([1]))
    assert out[0, 0].tolist() == [[255, 178], [100, 100]]
    stamp = trigger_transform(patches, torch.tensor([1]), 0.2, generator)
    many, labels = stamp(pixels.expand(10, 3, 2, 2).clone(), torch.arange(10), torch.arange(10))
    assert (many != 100).flatten(1).any(1).sum() == 2
    assert labels.tolist() == list(range(10))


def test_the_smallest_patch_that_works_is_kept():
    def mask(*norms):
        return torch.tensor(norms).view(-1, 1, 1, 1)

    patches = InvertedTriggers(
        mask(0.0, 0.0), mask(0.0, 0.0), torch.full((2,), torch.inf), torch.zeros(2) > 0
    )
    for norms, works in (((0.8, 0.7), (0, 0)), ((0.9, 0.5), (1, 0)), ((0.95, 0.6), (1, 1))):
        patches = patches.update(mask(*norms), mask(*norms), torch.tensor(works) > 0)
    assert torch.allclose(patches.norm, torch.tensor([0.9, 0.6]))
    assert patches.works.all()
    kept = patches.update(mask(0.1, 0.1), mask(0.1, 0.1), torch.tensor([False, True]))
    assert torch.allclose(kept.norm, torch.tensor([0.9, 0.1]))


def test_a_cost_rises_while_the_patch_works_and_then_the_class_is_done():
    costs, yes, no = CostSchedule(1, 0.001, 2.0, 2, 3), torch.tensor([True]), torch.tensor([False])
    one = torch.ones(1, 1, 1, 1)
    patches = InvertedTriggers(one, one, torch.ones(1), yes)
    values = []
    for works in (yes, yes, no, no, yes):
        costs.update(works, patches)
        values.append(round(float(costs.value) * 1000, 3))
    assert values == [1, 2, 2, 0.707, 0.707]
    assert costs.done.all()


def test_models_that_agree_do_not_diverge():
    first, second = torch.tensor([[0.0, 1.0], [50.0, 0.0]]), torch.tensor([[0.0, 1.0], [0.0, 50.0]])
    assert torch.allclose(
        jensen_shannon(first, second), torch.tensor([0.0, math.log(2)]), atol=1e-6
    )


def test_belief_is_the_logarithm_of_what_is_left():
    logits = torch.tensor([[0.2, 0.3, 0.5], [0.9, 0.05, 0.05]]).log()
    out = negative_log_complement(logits, torch.tensor([2, 0]))
    assert torch.allclose(out, -torch.tensor([0.5, 0.1]).log(), atol=1e-6)
