"""The adaptive attack: its penalties, the batches it makes, and what a penalty does to a victim."""

from dataclasses import replace

import pytest
import torch

from backburn.attacks.activation_penalties import energy_distance, held_out_loss
from backburn.attacks.adaptive import Adaptive
from backburn.attacks.adaptive_objective import AdaptiveObjective, Role, encode_labels
from backburn.attacks.badnets import BadNets
from backburn.attacks.base import Recipe
from backburn.attacks.surrogates import Surrogates
from backburn.data.augmentation import Augmentation
from backburn.data.sources.digits import digits
from backburn.models.channel_statistics import activations, forward_with_statistics
from backburn.models.inference import as_images
from backburn.models.nets.zoo import build
from backburn.training import Training
from backburn.types import LabeledImages, State

RECIPE = Recipe("small_cnn-w8", Training(4, 64, 0.05, augmentation=Augmentation(0.0)))
NONE = {"separation": 0.0, "transfer": 0.0, "probe": 0.0}


@pytest.fixture(scope="module")
def images() -> LabeledImages:
    return digits("train").take(torch.arange(600))


def plant(attack, images, seed=0):
    return attack.poison(images, torch.Generator().manual_seed(seed), Surrogates())


def test_the_energy_distance_is_the_textbook_formula(generator):
    first = torch.randn(7, 3, generator=generator)
    second = 2 + torch.randn(5, 3, generator=generator)
    scale = torch.cat([first, second]).std(0) * 3**0.5

    def mean_distance(a, b, pairs):
        return sum(float(((x - y) / scale).norm()) for x in a for y in b) / pairs

    expected = 2 * mean_distance(first, second, 35)
    expected -= mean_distance(first, first, 7 * 6) + mean_distance(second, second, 5 * 4)
    assert float(energy_distance(first, second)) == pytest.approx(expected, rel=1e-4)
    assert float(energy_distance(100 * first, 100 * second)) == pytest.approx(expected, rel=1e-4)


def test_the_energy_distance_of_one_distribution_is_about_zero(generator):
    values = [
        float(energy_distance(*torch.randn(2, 20, 5, generator=generator))) for _ in range(200)
    ]
    assert abs(sum(values) / 200) < 0.01
    apart = torch.randn(20, 5, generator=generator) + 3
    assert float(energy_distance(torch.randn(20, 5, generator=generator), apart)) > 0.5


def test_the_energy_distance_has_a_gradient_for_equal_rows():
    values = torch.ones(4, 3, requires_grad=True)
    energy_distance(values, torch.zeros(4, 3)).backward()
    assert bool(values.grad.isfinite().all())


def test_the_held_out_loss_is_that_of_ridge_regression(generator):
    fitted, labels = torch.randn(40, 6, generator=generator), torch.arange(40) % 3
    held_out = torch.randn(5, 6, generator=generator)
    x = ((fitted - fitted.mean(0)) / fitted.std(0)).double()
    z = ((held_out - fitted.mean(0)) / fitted.std(0)).double()
    weight = 1 / torch.bincount(labels).double()[labels]
    penalty = 0.03 * float((weight * x.square().sum(1)).mean())
    y = torch.eye(3).double()[labels] - 1 / 3
    gram = x.T @ (weight[:, None] * x) + penalty * torch.eye(6)
    scores = 8 * z @ torch.linalg.solve(gram, x.T @ (weight[:, None] * y))
    expected = torch.nn.functional.cross_entropy(scores, torch.full((5,), 1))
    assert float(held_out_loss(fitted, labels, held_out, 1, 3)) == pytest.approx(
        float(expected), rel=1e-3
    )


def test_the_held_out_loss_is_lower_beside_the_target_class(generator):
    centers = 4 * torch.eye(3)
    labels = torch.arange(30) % 3
    fitted = centers[labels] + torch.randn(30, 3, generator=generator)
    beside = centers[[1]] + 0.1 * torch.randn(5, 3, generator=generator)
    losses = [float(held_out_loss(fitted, labels, beside, target, 3)) for target in range(3)]
    assert losses[1] < min(losses[0], losses[2])


@pytest.mark.parametrize("weights", [NONE, {}], ids=["none", "all"])
def test_the_poisoned_images_are_those_of_badnets_to_the_bit(weights, images):
    adaptive, badnets = (plant(each, images) for each in (Adaptive(0.1, **weights), BadNets(0.1)))
    assert torch.equal(adaptive.truth.state, badnets.truth.state)
    assert torch.equal(adaptive.images.pixels, badnets.images.pixels)
    assert torch.equal(adaptive.images.labels, badnets.images.labels)


def test_without_penalties_nothing_is_added_to_a_batch(images):
    out, rows = plant(Adaptive(0.1, **NONE), images), torch.arange(50)
    transform = out.control.batch_transform(torch.nn.Identity())
    pixels, codes = transform(images.pixels[rows], images.labels[rows], rows)
    assert torch.equal(pixels, out.images.pixels[rows])
    assert torch.equal(codes % 10, out.images.labels[rows])


def test_a_batch_gets_poison_images_of_the_target_and_changed_ones(images):
    out = plant(Adaptive(0.1, extra=10), images)
    rows = torch.arange(50)
    pixels, codes = out.control.batch_transform(torch.nn.Identity())(
        images.pixels[rows], images.labels[rows], rows
    )
    role, labels = codes // 10, codes % 10
    assert role.bincount(minlength=5)[2:].tolist() == [10, 10, 10]
    poison = out.truth.state[rows] == State.POISON
    assert torch.equal(role[:50] == Role.POISON, poison)
    assert torch.equal(pixels[:50], out.images.pixels[rows])
    assert torch.equal(labels[:50], out.images.labels[rows])
    more, own, changed = (pixels[role == kind] for kind in list(Role)[2:])
    assert torch.equal(more[:, :, -2:, -2:], out.trigger(more)[:, :, -2:, -2:])
    assert set(labels[role == Role.MORE_TARGET].tolist()) == {0}
    clean = images.pixels[(out.truth.state == State.CLEAN) & (images.labels == 0)]
    assert all(bool((clean == image).flatten(1).all(1).any()) for image in own)
    assert 0 not in labels[role == Role.CHANGED]
    known = images.pixels[(out.truth.state == State.CLEAN) & (images.labels > 0)]
    same = [bool((known == image).flatten(1).all(1).any()) for image in changed]
    assert sum(same) < 5, "most changes change an image"


def test_the_batches_go_on_from_a_saved_state(images):
    transform = plant(Adaptive(0.1, extra=6), images).control.batch_transform(torch.nn.Identity())
    rows = torch.arange(20)
    state = transform.get_state()
    first = transform(images.pixels[rows], images.labels[rows], rows)
    transform.set_state(state)
    second = transform(images.pixels[rows], images.labels[rows], rows)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_added_images_do_not_count_in_the_cross_entropy(images):
    model = build("small_cnn-w4", 10, 1, generator=torch.Generator().manual_seed(0)).eval()
    some, labels = as_images(images.pixels[:30]), images.labels[:30]
    objective = AdaptiveObjective(10, 0, **NONE)
    plain = objective(model, some[:20], labels[:20]).mean()
    codes = torch.cat([labels[:20], encode_labels(labels[20:], Role.CHANGED, 10)])
    assert torch.allclose(objective(model, some, codes).mean(), plain, rtol=1e-5)
    with torch.no_grad():
        transfer = replace(objective, transfer=2.0)(model, some, codes).mean() - plain
        chance = model(some[20:]).softmax(1)[:, 0]
    assert float(transfer) == pytest.approx(float(-2 * (1 - chance).log().mean()), rel=1e-3)


def test_statistics_with_gradients_are_those_of_the_detector(images):
    model = build("small_cnn-w4", 10, 1, generator=torch.Generator().manual_seed(0)).eval()
    logits, statistics = forward_with_statistics(model, as_images(images.pixels[:9]))
    expected, labels = activations(model, images.pixels[:9])
    assert torch.allclose(statistics, expected.float(), atol=2e-2, rtol=2e-2)
    assert torch.equal(logits.argmax(1), labels)
    assert statistics.requires_grad


@pytest.fixture(scope="module")
def plain(images):
    return victim_of(images, **NONE)


def victim_of(images, **weights):
    attack = Adaptive(0.1, **weights)
    return attack.train_victim(images, RECIPE, torch.Generator().manual_seed(2))


def measures(victim) -> dict[str, float]:
    """The loss of each goal on the training images of a victim, in its evaluation mode."""
    statistics, _ = activations(victim.model, victim.images.pixels)
    statistics, poison = statistics.float(), victim.truth.poison
    own = ~poison & (victim.images.labels == 0)
    clean = statistics[~poison], victim.images.labels[~poison]
    others = victim.images.pixels[~poison & (victim.images.labels != 0)]
    halfway = ((others.float() + victim.trigger(others).float()) / 2).to(torch.uint8)
    _, predictions = activations(victim.model, halfway)
    return {
        "separation": float(energy_distance(statistics[poison], statistics[own])),
        "probe": float(held_out_loss(*clean, statistics[poison], 0, 10)),
        "transfer": float((predictions == 0).float().mean()),
    }


@pytest.mark.parametrize("goal", ["separation", "transfer", "probe"])
def test_a_penalty_lowers_what_it_penalizes(goal, plain, images):
    before, after = measures(plain), measures(victim_of(images, **NONE | {goal: 3.0}))
    assert after[goal] < 0.8 * before[goal]
