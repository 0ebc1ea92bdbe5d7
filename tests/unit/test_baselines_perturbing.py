"""Detectors that change the input or the model, or look at gradients: STRIP to AGPD."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from backburn.baselines.detectors.agpd import AGPD, activation_gradients
from backburn.baselines.detectors.altered_images import agreement
from backburn.baselines.detectors.gradient_circles import (
    dispersion_of,
    joining_rounds,
    stopping_round,
    target_classes,
)
from backburn.baselines.detectors.ibd_psc import IBDPSC, amplify, batch_norm_layers
from backburn.baselines.detectors.mspc import MSPC
from backburn.baselines.detectors.scale_up import ScaleUp, class_statistics
from backburn.baselines.detectors.strip import STRIP, entropy
from backburn.benchmark.cell import case_for_method
from backburn.errors import InputError
from backburn.interfaces import Detector
from backburn.metrics import auroc, share_of_true
from backburn.models.nets.zoo import build
from backburn.testing.cases import contract_case
from backburn.types import Case, LabeledImages, no_progress


class Brightness(nn.Module):
    """Says 1 where an image is brighter than half, 0 elsewhere."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(10.0))

    def forward(self, images):
        score = self.weight * (images.mean((1, 2, 3)) - 0.5)
        return torch.stack([-score, score], 1)


class Corner(nn.Module):
    """Looks at the first pixel only."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(10.0))

    def forward(self, images):
        score = self.weight * images[:, 0, 0, 0]
        return torch.stack([torch.zeros_like(score), score], 1)


def test_entropy_is_in_bits():
    logits = torch.tensor([[0.0, 0.0, 0.0, 0.0], [50.0, 0.0, 0.0, 0.0]])
    assert entropy(logits).tolist() == pytest.approx([2.0, 0.0], abs=1e-6)


def test_agreement_counts_the_scales_that_keep_the_class():
    images = torch.full((2, 1, 4, 4), 0.2)
    images[1] = 0.6
    said = torch.tensor([0, 1])
    assert agreement(Brightness(), images, said, (2.0, 3.0, 4.0, 5.0)).tolist() == [0.25, 1.0]


def test_scale_up_takes_off_the_mean_of_each_class():
    values, labels = torch.tensor([0.0, 1.0, 0.6, 0.4]), torch.tensor([0, 0, 1, 2])
    center, spread = class_statistics(values, labels, 3)
    assert center.tolist() == [0.5, 0.5, 0.5]
    assert spread[0] == 0.5
    assert spread[1] == spread[2] == values.std(correction=0)


def test_scale_up_without_clean_images_compares_the_consistency_itself(generator):
    pixels = torch.tensor([20, 60, 100, 200], dtype=torch.uint8)[:, None, None, None]
    images = LabeledImages(pixels.expand(-1, 1, 8, 8).clone(), torch.tensor([0, 0, 0, 1]))
    found = ScaleUp(data_limited=False).examine(Case(Brightness(), images), generator)
    assert found.flagged.tolist() == [False, False, False, True]
    assert found.score.argmax() == 3


def test_ibd_psc_amplifies_the_last_layers_of_a_copy():
    model = build("small_cnn-w4", 4, 1, generator=torch.Generator().manual_seed(0)).eval()
    louder = amplify(model, 2, 1.5)
    for before, after, factor in zip(
        batch_norm_layers(model), batch_norm_layers(louder), (1.0, 1.5, 1.5), strict=True
    ):
        assert torch.equal(after.weight, before.weight * factor)
        assert torch.equal(after.bias, before.bias * factor)
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize(
    ("detector", "needed"), [(IBDPSC(), "batch norm"), (AGPD(), "convolutions")]
)
def test_a_model_without_the_layers_is_refused(detector, needed, generator):
    case = contract_case(detector.inputs)
    plain = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4)).eval()
    with pytest.raises(InputError, match=needed):
        detector.examine(replace(case, model=plain), generator)


def test_mspc_learns_to_mask_what_is_not_needed(generator):
    model, pixels = Corner().eval(), torch.full((40, 1, 8, 8), 128, dtype=torch.uint8)
    mask = torch.ones(8, 8, requires_grad=True)
    suspected = torch.ones(40, dtype=torch.bool)
    plain = model(pixels.float() / 255).detach()
    method = MSPC(scales=(2.0, 3.0), epochs=80, batch_size=20)
    optimizer = torch.optim.SGD([mask], lr=0.1, momentum=0.9)
    method._learn_mask(model, pixels, plain, suspected, mask, optimizer, generator)
    assert mask[0, 0] > 0.3
    assert mask.sum() == mask[0, 0]


def test_activation_gradients_are_those_of_the_labels_logit():
    torch.manual_seed(0)
    first, last = nn.Conv2d(1, 2, 1), nn.Conv2d(2, 3, 1)
    model = nn.Sequential(first, nn.ReLU(inplace=True), last, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    pixels = torch.randint(256, (5, 1, 4, 4)).byte()
    labels = torch.tensor([0, 1, 2, 0, 1])
    early, late = activation_gradients(model, pixels, labels)
    assert late.allclose(torch.eye(3)[labels] / 16)
    active = (first(pixels.float() / 255) > 0).float().mean((2, 3))
    assert early.allclose(active * last.weight[labels, :, 0, 0] / 16, atol=1e-6)


def test_dispersion_is_that_of_directions():
    basis = torch.tensor([1.0, 0.0])
    alike = torch.tensor([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])
    assert dispersion_of(alike, basis) == pytest.approx(0)
    spread = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    assert dispersion_of(spread, basis) == pytest.approx((2 / 3) ** 0.5)


def test_a_class_that_spreads_stands_out():
    spread = torch.tensor([[0.10, 0.11, 0.12, 0.11], [0.10, 0.11, 0.12, 0.90]])
    assert target_classes(spread, 7.4, 0.3) == (1, [3])
    assert target_classes(spread[:1], 7.4, 0.3) == (0, [])
    alike = torch.full((6, 4), 0.5)
    assert target_classes(alike, 7.4, 0.3) == (2, [0, 1, 2, 3])


def test_poison_joins_before_clean_images(generator):
    noise = 0.02 * torch.randn((60, 2), generator=generator)
    gradients = torch.tensor([[1.0, 0.0]] * 50 + [[0.0, 1.0]] * 10) + noise
    joined, changes = joining_rounds(gradients, torch.tensor([1.0, 0.0]), 0.05)
    assert joined[50:].max() < joined[:50].min()
    assert len(changes) == joined.max()


def test_the_steadiest_window_is_found():
    assert stopping_round([0.9, 0.8, 0.1, 0.1, 0.1, 0.7], 3, 5.0) == 2
    assert stopping_round([0.5], 10, 5.0) == 1


def shown(attacked, detector):
    """The case as the detector is to see it."""
    victim, generator = attacked.victim, torch.Generator().manual_seed(0)
    return case_for_method(victim.case(), victim.truth, detector.inputs, generator)


@pytest.mark.parametrize(
    ("detector", "victim", "flagged"),
    [
        (STRIP(superpositions=20), "badnets_digits", 0.05),
        # digits have nothing but black to be amplified: many stay what they are
        (ScaleUp(), "blended_digits", 0.4),
        (AGPD(), "badnets_digits", 0.05),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Detector) else str(value),
)
def test_poison_among_digits_is_found(detector, victim, flagged, request, generator):
    attacked = request.getfixturevalue(victim)
    found = detector.examine(shown(attacked, detector), generator)
    poison = attacked.victim.truth.poison
    assert auroc(found.score, poison) > 0.95
    assert share_of_true(found.flagged[poison]) > 0.8
    assert share_of_true(found.flagged[~poison]) < flagged


class Checkered(nn.Module):
    """Says 1 where the first pixels are a checkerboard, else 2, 0, 3: bright, dark, black."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.0))

    def forward(self, images):
        first = images[:, 0, :2, :2]
        contrast = (first[:, 0, 0] + first[:, 1, 1] - first[:, 0, 1] - first[:, 1, 0]) / 2
        bright = images.mean((1, 2, 3)) - 0.5
        scores = torch.stack([0 * bright, 30 * contrast - 10, 20 * bright, -20 * bright - 5], 1)
        return self.weight * scores


def test_mspc_clears_clean_images_that_stay_bright(generator):
    pixels = torch.randint(60, 90, (200, 1, 16, 16), generator=generator).byte()
    pixels[:3] += 150
    pixels[180:, 0, :2, :2] = torch.tensor([[255, 0], [0, 255]], dtype=torch.uint8)
    labels = torch.zeros(200, dtype=torch.int64)
    labels[:3], labels[180:] = 2, 1
    case = Case(Checkered().eval(), LabeledImages(pixels, labels, tuple("abcd")))
    method = MSPC(rounds=1, epochs=75, batch_size=100)
    mask = torch.ones(16, 16)
    plain = method._consistency(case.model, pixels, mask, no_progress)
    assert (plain > 0).nonzero().flatten().tolist() == [*range(3), *range(180, 200)]
    found = method.examine(case, generator)
    assert found.flagged.nonzero().flatten().tolist() == list(range(180, 200))


class Stacked(nn.Module):
    """Says 2 of white images; else 0, by a margin that amplified layers turn into one for 1."""

    def __init__(self):
        super().__init__()
        self.norms = nn.Sequential(*(nn.BatchNorm1d(2, eps=0) for _ in range(6)))
        self.norms[0].bias.data[0] = 0.9

    def forward(self, images):
        white = 6 * (images.amin((1, 2, 3)) > 0.9).float()
        scores = self.norms(torch.stack([0 * white, white], 1))
        return torch.cat([torch.ones(len(images), 1), scores], 1)


def test_ibd_psc_finds_what_outlives_amplified_layers(generator):
    pixels = torch.randint(200, (60, 1, 8, 8), generator=generator).byte()
    pixels[50:] = 255
    labels = torch.zeros(60, dtype=torch.int64)
    clean = LabeledImages(pixels[:20], labels[:20], tuple("abc"))
    labels[50:] = 2
    case = Case(Stacked().eval(), LabeledImages(pixels, labels, tuple("abc")), clean)
    assert IBDPSC()._first_count(case.model, clean, 6) == 1
    found = IBDPSC().examine(case, generator)
    assert found.flagged.nonzero().flatten().tolist() == list(range(50, 60))
