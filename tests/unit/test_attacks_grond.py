"""Grond: its trigger, its poison, what it does to channels, and a victim that learns it."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from backburn.attacks.base import Recipe, make_evaluation_set
from backburn.attacks.grond import Grond
from backburn.attacks.grond_training import AdversarialBackdoorInjection, replace_by_mean
from backburn.attacks.surrogates import Surrogates
from backburn.attacks.triggers import additive_trigger
from backburn.data.augmentation import Augmentation
from backburn.data.sources.digits import digits
from backburn.errors import InputError
from backburn.metrics import evaluate_model
from backburn.models.channel_lipschitz import lipschitz_bounds
from backburn.models.inference import predict
from backburn.models.nets.zoo import build
from backburn.training import Training
from backburn.types import LabeledImages

SHORT = Recipe("small_cnn-w16", Training(6, 64, 0.05, augmentation=Augmentation(0.0)))
SHAPE = (1, 8, 8)


@pytest.fixture(scope="module")
def images() -> LabeledImages:
    return digits("train")


@pytest.fixture(scope="module")
def surrogates(tmp_path_factory) -> Surrogates:
    """Keeps the clean network of all tests."""
    return Surrogates(tmp_path_factory.mktemp("surrogates"))


@pytest.fixture(scope="module")
def attack() -> Grond:
    """Digits have few pixels of high contrast: 8 levels change nothing there."""
    return Grond(0.05, epsilon=128.0, step=25.6, steps=60, surrogate=SHORT)


@pytest.fixture(scope="module")
def clean_model(images, surrogates):
    """A clean network of another seed than the attack's surrogate."""
    model = SHORT.network(images, 10, torch.Generator().manual_seed(3))
    return surrogates.fit(model, images, SHORT.training, 3, "clean")


@pytest.fixture(scope="module")
def poisoned(attack, images, surrogates):
    return attack.poison(images, torch.Generator().manual_seed(0), surrogates)


def test_the_trigger_is_within_the_bound_and_reaches_it(poisoned, images):
    gray = torch.full_like(images.pixels[:1], 128)
    change = (poisoned.trigger(gray).short() - 128).abs()
    assert int(change.max()) == 128
    everywhere = (poisoned.trigger(images.pixels).short() - images.pixels.short()).abs()
    assert int(everywhere.max()) <= 128


def test_only_images_of_the_target_class_are_poisoned_and_keep_their_label(poisoned, images):
    poison = poisoned.truth.poison
    assert set(images.labels[poison].tolist()) == {0}
    assert torch.equal(poisoned.images.labels, images.labels)
    triggered = poisoned.trigger(images.pixels[poison])
    assert torch.equal(poisoned.images.pixels[poison], triggered)
    assert torch.equal(poisoned.images.pixels[~poison], images.pixels[~poison])


def test_the_surrogate_takes_triggered_images_for_the_target_class(
    attack, clean_model, images, generator
):
    pattern = attack.universal_pgd(clean_model, images, generator)
    noise = 128 * torch.randn(pattern.shape, generator=generator).sign()
    others = images.pixels[images.labels != 0]
    shares = [
        float((predict(clean_model, additive_trigger(added)(others)).argmax(1) == 0).float().mean())
        for added in (noise, pattern)
    ]
    assert shares[1] > shares[0] + 0.3, shares


def outlying_network(generator) -> nn.Module:
    """Twelve channels in its second layer, of which the last has a large scale."""
    model = nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1, bias=False),
        nn.BatchNorm2d(12),
        nn.Flatten(),
        nn.Linear(768, 3),
    )
    with torch.no_grad():
        model[0].weight.copy_(model[0].weight[:1].expand(12, -1, -1, -1))
        model[1].weight[11], model[1].bias[11] = 50.0, 24.0
    return model.train()


def test_a_channel_that_stands_out_is_replaced_by_the_mean_of_its_layer(generator):
    model = outlying_network(generator)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    bounds = lipschitz_bounds(model[0], model[1])
    limit = bounds.mean() + 3 * bounds.std()
    assert bounds[11] > limit
    AdversarialBackdoorInjection(3.0, SHAPE)(model)
    assert model[1].weight.tolist() == pytest.approx([1.0] * 11 + [61 / 12])
    assert model[1].bias.tolist() == pytest.approx([0.0] * 11 + [2.0])
    assert bool((lipschitz_bounds(model[0], model[1]) <= limit).all())
    kept = {name for name, value in model.state_dict().items() if torch.equal(value, before[name])}
    assert kept == before.keys() - {"1.weight", "1.bias"}
    assert all(layer.training for layer in model)


def test_channels_within_the_limit_are_left_alone(generator):
    model = outlying_network(generator)
    before = model[1].weight.clone()
    AdversarialBackdoorInjection(4.0, SHAPE)(model)  # of twelve, none can be so far out
    assert torch.equal(model[1].weight, before)


def test_every_layer_has_a_limit_of_its_own(generator):
    model = build("small_cnn-w16", 10, 1, generator=generator)
    with torch.no_grad():
        model.bn1.weight[3], model.bn3.weight[5] = -40.0, 40.0
    AdversarialBackdoorInjection(3.0, SHAPE)(model)
    scales = [norm.weight.detach() for norm in (model.bn1, model.bn2, model.bn3)]
    assert float(scales[0][3]) == pytest.approx((15 - 40) / 16)
    assert float(scales[2][5]) == pytest.approx((31 + 40) / 32)
    assert [int((scale != 1).sum()) for scale in scales] == [1, 0, 1]


def test_several_channels_get_the_same_mean():
    norm = nn.BatchNorm2d(4)
    nn.init.zeros_(norm.weight)
    with torch.no_grad():
        norm.weight[2:] = torch.tensor([4.0, 8.0])
    replace_by_mean(norm, torch.tensor([False, False, True, True]))
    assert norm.weight.tolist() == [0.0, 0.0, 3.0, 3.0]


def test_a_network_without_batch_norm_is_refused(images):
    injection = AdversarialBackdoorInjection(3.0, SHAPE)
    with pytest.raises(InputError, match="batch norm"):
        injection(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 3)))


def test_a_victim_learns_the_trigger_although_its_channels_are_replaced(
    attack, clean_model, images, surrogates, monkeypatch
):
    replaced = []

    def noted(norm, channels):
        replaced.append(int(channels.sum()))
        replace_by_mean(norm, channels)

    monkeypatch.setattr("backburn.attacks.grond_training.replace_by_mean", noted)
    eager = replace(attack, u=2.0)
    draw = torch.Generator().manual_seed(0)
    victim = eager.train_victim(images, SHORT, draw, surrogates=surrogates)
    assert len(replaced) == 3 * SHORT.training.epochs
    assert sum(replaced) > 0
    evaluation = make_evaluation_set(victim, digits("test"))
    scores = evaluate_model(victim.model, evaluation)
    assert scores.acc > 0.95
    assert scores.asr > 0.95
    transferred = evaluate_model(clean_model, evaluation).asr  # without any poison
    assert scores.asr > transferred + 0.1
