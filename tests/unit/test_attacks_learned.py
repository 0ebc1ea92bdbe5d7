"""Attacks that train something first: what was trained does what it is for."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from backburn.attacks.base import Recipe
from backburn.attacks.combat import Combat
from backburn.attacks.combat_training import combat_loss, low_pass
from backburn.attacks.input_aware import InputAware
from backburn.attacks.issba import ISSBA
from backburn.attacks.label_consistent import LabelConsistent
from backburn.attacks.narcissus import Narcissus
from backburn.attacks.pgd import linf_pgd
from backburn.attacks.steganography import change_similarity
from backburn.attacks.surrogates import Surrogates
from backburn.attacks.trigger_generator import soft_threshold
from backburn.attacks.trojannn import TrojanNN
from backburn.data.augmentation import Augmentation
from backburn.data.sources.digits import digits
from backburn.models.inference import as_images, predict
from backburn.models.nets.unet import UNet, build_seeded
from backburn.training import Training
from backburn.types import LabeledImages, State

PLAIN = Augmentation(0.0)
SHORT = Recipe("small_cnn-w8", Training(4, 64, 0.05, augmentation=PLAIN))


@pytest.fixture(scope="module")
def images() -> LabeledImages:
    return digits("train").take(torch.arange(600))


def plant(attack, images, seed=0):
    return attack.poison(images, torch.Generator().manual_seed(seed), Surrogates())


@pytest.fixture(scope="module")
def robust(images):
    return LabelConsistent(surrogate=SHORT).train_robust_model(images, 3, Surrogates())


def test_pgd_stays_in_its_box_and_is_taken_less_for_the_label(robust, images, generator):
    pixels, labels = images.pixels[:50], images.labels[:50]
    moved = linf_pgd(robust, pixels, labels, 24.0, 6.0, 10, generator)
    assert moved.dtype == torch.uint8
    assert int((moved.short() - pixels.short()).abs().max()) <= 24
    before, after = (
        predict(robust, some).softmax(1).gather(1, labels[:, None]).mean()
        for some in (pixels, moved)
    )
    assert float(after) < float(before) - 0.1


def test_pgd_leaves_the_model_as_it_was(robust, images, generator):
    robust.train().zero_grad()
    linf_pgd(robust, images.pixels[:4], images.labels[:4], 8.0, 2.0, 2, generator)
    assert robust.training
    assert all(weight.requires_grad and weight.grad is None for weight in robust.parameters())
    robust.eval()


def test_adversarial_training_makes_a_network_that_withstands_more(images, generator):
    attack = LabelConsistent(epsilon=32.0, surrogate=SHORT)
    robust = attack.train_robust_model(images, 3, Surrogates())
    draw = torch.Generator().manual_seed(3)
    plain = SHORT.network(images, 10, draw)
    Surrogates().fit(plain, images, SHORT.training, 3, "plain")
    right = [
        float((predict(model, moved).argmax(1) == images.labels[:200]).float().mean())
        for model in (plain, robust)
        for moved in [
            linf_pgd(model, images.pixels[:200], images.labels[:200], 32.0, 8.0, 10, generator)
        ]
    ]
    assert right[1] > right[0] + 0.1, right


def test_label_consistent_poison_is_perturbed_and_marked_and_the_trigger_marks_only(images):
    attack = LabelConsistent(0.05, steps=5, surrogate=SHORT)
    out = plant(attack, images)
    poison = out.truth.poison
    clean, dirty = images.pixels[poison], out.images.pixels[poison]
    marked = out.trigger(clean)
    assert torch.equal(dirty[..., :2, :2], marked[..., :2, :2])
    inside = (slice(None), slice(None), slice(2, -2), slice(None))
    assert torch.equal(marked[inside], clean[inside])
    apart = (dirty[inside].short() - clean[inside].short()).abs()
    assert 0 < int(apart.max()) <= 8
    assert torch.equal(out.images.labels, images.labels)
    corners = marked[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert bool((corners == corners[:1]).all())


def test_a_trojan_patch_excites_its_neurons(images, generator):
    attack = TrojanNN(0.05, steps=60, surrogate=SHORT)
    draw = torch.Generator().manual_seed(3)
    model = Surrogates().fit(SHORT.network(images, 10, draw), images, SHORT.training, 3, "clean")
    driven = model.head.weight.abs().sum(0).topk(2).indices
    patch = attack.optimize_patch(model, images, 3, generator)
    assert patch.dtype == torch.uint8

    def excited(square) -> float:
        pixels = images.pixels[:100].clone()
        pixels[..., -3:, -3:] = square
        with torch.no_grad():
            return float(model.features(as_images(pixels))[:, driven].mean())

    other = torch.randint(256, patch.shape, generator=generator).to(torch.uint8)
    assert excited(patch) > 1.2 * excited(other)


def test_a_narcissus_pattern_is_small_and_says_the_class(images, generator):
    attack = Narcissus(0.02, epsilon=24.0, steps=100, learning_rate=0.02, surrogate=SHORT)
    model = SHORT.network(images, 10, torch.Generator().manual_seed(3))
    model = Surrogates().fit(model, images, SHORT.training, 3, "clean")
    pattern = attack.optimize_pattern(model, images, generator)
    assert 12 < float(pattern.abs().max()) <= 24
    others = as_images(images.pixels[images.labels != 0])
    noise = 24 * torch.randn(pattern.shape, generator=generator).sign()
    shares = []
    for added in (noise, pattern):
        with torch.no_grad():
            logits = model((others + 3 * added / 255).clamp(0, 1))
        shares.append(float((logits.argmax(1) == 0).float().mean()))
    assert shares[1] > shares[0] + 0.3


def test_all_that_combat_trains_is_on_the_device_of_the_images(images, monkeypatch):
    elsewhere = images.on(torch.device("meta"))
    monkeypatch.setattr(Recipe, "network", lambda *_: nn.Conv2d(1, 10, 3))
    monkeypatch.setattr(Surrogates, "fit", lambda _, model, *__, **___: model)
    networks = Combat(width=4).train_generator(elsewhere, 0, Surrogates())
    assert {value.device.type for value in networks.state_dict().values()} == {"meta"}


def test_narcissus_poisons_with_the_pattern_and_triggers_three_times_as_strongly(images):
    out = plant(Narcissus(0.02, steps=40, learning_rate=0.02, surrogate=SHORT), images)
    poison = out.truth.poison
    assert set(images.labels[poison].tolist()) == {0}
    assert torch.equal(out.images.labels, images.labels)
    gray = torch.full_like(images.pixels[:1], 128)
    strong = out.trigger(gray).float() - 128
    added = out.images.pixels[poison].float() - images.pixels[poison]
    assert 16 < float(strong.abs().max()) <= 48
    inside = (images.pixels[poison] > 16) & (images.pixels[poison] < 239)
    expected = (strong / 3).expand_as(added)
    assert float((added - expected)[inside].abs().max()) <= 1


def test_low_pass_keeps_smooth_lines_and_removes_fine_ones():
    project = low_pass(8, 0.5)
    assert torch.allclose(project @ project, project, atol=1e-5)
    assert torch.allclose(project @ torch.ones(8), torch.ones(8), atol=1e-5)
    fine = torch.tensor([1.0, -1.0] * 4)
    assert float((project @ fine).norm()) < 0.4 * float(fine.norm())


@pytest.fixture(scope="module")
def combat(images):
    attack = Combat(0.05, strength=60.0, clean_weight=0.0, width=8, surrogate=SHORT)
    return attack.train_generator(images, 5, Surrogates())


def test_combat_noise_makes_its_surrogate_say_the_target_class(combat, images):
    others = as_images(images.pixels[images.labels != 0])
    with torch.no_grad():
        triggered = combat.triggered(others)
        before, after = (
            float((combat(some).argmax(1) == 0).float().mean()) for some in (others, triggered)
        )
    assert before < 0.1
    assert after > before + 0.25
    assert 0 <= float(triggered.min()) <= float(triggered.max()) <= 1


def test_neither_network_of_combat_learns_from_the_other_one_s_loss(combat, images):
    some, labels = as_images(images.pixels[:40]), images.labels[:40]
    clean = SHORT.network(images, 10, torch.Generator().manual_seed(1))
    generator, surrogate = (list(part.parameters()) for part in (combat.noise, combat.surrogate))
    quiet = combat_loss(combat, clean, 0, 0.0, 0.0, 0.0)(combat, some, labels).mean()
    plain = torch.nn.functional.cross_entropy(combat(some), labels)
    expected = torch.autograd.grad(plain, surrogate)
    found = torch.autograd.grad(quiet, surrogate, retain_graph=True)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(found, expected, strict=True))
    assert any(bool(each.any()) for each in torch.autograd.grad(quiet, generator))


def test_a_hidden_message_can_be_read_and_differs_from_image_to_image(images):
    training = Training(16, 32, 1e-2, weight_decay=0.0, optimizer="adam", augmentation=PLAIN)
    later = replace(training, epochs=8, learning_rate=3e-3)
    attack = ISSBA(0.05, bits=4, strength=40.0, width=8, training=training, specializing=later)
    stego = attack.train_encoder(images, 5, Surrogates())
    bits = torch.randint(2, (200, 4), generator=torch.Generator().manual_seed(1)).float()
    plain = as_images(images.pixels[:200])
    with torch.no_grad():
        change = stego.residual(plain, bits)
        seen = ((plain + 40 / 255 * change).clamp(0, 1) * 255).round() / 255
        right = ((stego.read(seen) > 0) == (bits > 0)).float().mean()
        same = stego.residual(plain, bits[:1].expand(200, -1))
    assert float(right) > 0.85
    assert float(change.abs().max()) <= 1
    pairs = change_similarity(same)
    assert float(pairs.mean()) < 0.5, "the same change in every image"


@pytest.fixture(scope="module")
def aware(images):
    training = Training(4, 32, 3e-3, weight_decay=0.0, optimizer="adam", augmentation=PLAIN)
    return plant(InputAware(width=8, mask_training=training), images)


def test_a_mask_covers_few_pixels(aware, images):
    with torch.no_grad():
        masks = soft_threshold(aware.control.mask(as_images(images.pixels[:200])))
    assert float(masks.mean()) < 0.2


def test_iad_learns_its_pattern_with_the_victim(images):
    training = Training(4, 32, 3e-3, weight_decay=0.0, optimizer="adam", augmentation=PLAIN)
    attack = InputAware(width=8, mask_training=training, density=0.15)
    out = plant(attack, images)
    model = replace(SHORT, training=replace(SHORT.training, epochs=1)).network(
        images, 10, torch.Generator().manual_seed(0)
    )
    before = [weight.clone() for weight in out.control.pattern.parameters()]
    masks = [weight.clone() for weight in out.control.mask.parameters()]
    transform = out.control.batch_transform(model.train())
    rows = torch.arange(200)
    pixels, labels = transform(images.pixels[rows], images.labels[rows], rows)
    after = list(out.control.pattern.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(masks, out.control.mask.parameters(), strict=True))
    assert model.training
    assert all(weight.grad is None for weight in model.parameters())
    state = out.truth.state[rows]
    assert bool((labels[state == State.POISON] == 0).all())
    kept = state != State.POISON
    assert torch.equal(labels[kept], images.labels[rows][kept])
    clean = state == State.CLEAN
    assert torch.equal(pixels[clean], images.pixels[rows][clean])


def test_iad_cover_samples_carry_the_trigger_of_another_image(aware, images):
    cover = aware.truth.state == State.COVER
    own = aware.trigger(images.pixels[cover])
    crossed = aware.images.pixels[cover]
    assert not torch.equal(own, crossed)


def test_a_batch_without_poison_teaches_nothing(aware, images):
    control = aware.control
    rows = (aware.truth.state == State.CLEAN).nonzero().flatten()[:20]
    before = [weight.clone() for weight in control.pattern.parameters()]
    transform = control.batch_transform(torch.nn.Identity())
    pixels, _ = transform(images.pixels[rows], images.labels[rows], rows)
    assert torch.equal(pixels, images.pixels[rows])
    same = zip(before, control.pattern.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in same)


@pytest.mark.parametrize("size", [(4, 4), (5, 7), (28, 28), (33, 40)])
def test_a_u_net_keeps_any_size(size):
    net = build_seeded(3, UNet, 3, 2, 4)
    assert net(torch.zeros(2, 3, *size)).shape == (2, 2, *size)
    again = build_seeded(3, UNet, 3, 2, 4)
    pairs = zip(net.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
