"""Detectors of a second population: the contract, their parts, and that they find one."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from attacked import attacked_digits
from backburn.attacks.badnets import BadNets
from backburn.baselines.detectors.activation_clustering import (
    ActivationClustering,
    two_clusters,
    whitened_components,
)
from backburn.baselines.detectors.beatrix import (
    Beatrix,
    gram_entries,
    mean_deviation,
    normal_bands,
    scaled_mmd,
)
from backburn.baselines.detectors.feature_maps import feature_maps, find_last_large_map
from backburn.baselines.detectors.features import (
    extract_features,
    inverse_square_root,
    principal_components,
)
from backburn.baselines.detectors.loss import Loss
from backburn.baselines.detectors.margin import Margin
from backburn.baselines.detectors.relative_logits import logit_gaps
from backburn.baselines.detectors.scan import SCAn, split_class
from backburn.baselines.detectors.spectral import SpectralSignatures, spectral_signature
from backburn.baselines.detectors.spectre import SPECTRE, que_scores
from backburn.baselines.flagging import (
    flag_highest,
    in_outlier_classes,
    rank_flagged_first,
)
from backburn.benchmark.cell import case_for_method
from backburn.detection.activation_statistics import anomaly_index
from backburn.errors import InputError
from backburn.metrics import auroc, share_of_true
from backburn.models.inference import frozen
from backburn.models.nets.zoo import build
from backburn.types import Case, LabeledImages

CLASSES, EACH, SIDE = 5, 120, 4


class Plain(nn.Module):
    """Features are the pixels; a convolution gives maps of them."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 3, 1)
        self.head = nn.Linear(SIDE * SIDE, CLASSES)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.linspace(-1, 1, parameter.numel()).view_as(parameter))

    def features(self, images):
        return images.flatten(1)

    def forward(self, images):
        self.stem(images)
        return self.head(self.features(images))


def hidden(share):
    """Noise around a shade of each class; in a share of class 0 four pixels are far brighter."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(CLASSES).repeat(EACH)
    noise = torch.randn((len(labels), 1, SIDE, SIDE), generator=generator) * 12
    values = noise + 60 + 20 * labels[:, None, None, None]
    poison = torch.zeros(len(labels), dtype=torch.bool)
    poison[(labels == 0).nonzero().flatten()[: round(share * EACH)]] = True
    clean = values.round().clamp(0, 255).byte()
    values[poison, :, 0] += 90
    images = LabeledImages(values.round().clamp(0, 255).byte(), labels, tuple("abcde"))
    trusted = (~poison).nonzero().flatten()[200:]
    model = Plain().eval()
    return Case(
        model, images, LabeledImages(clean[trusted], labels[trusted], tuple("abcde"))
    ), poison


@pytest.mark.parametrize(
    "detector",
    [
        ActivationClustering(),
        SpectralSignatures(),
        SPECTRE(dimensions=(1, 4, 9)),
        SCAn(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_second_population_is_found(detector, generator):
    case, poison = hidden(0.15)
    evidence = detector.examine(case, generator)
    inside = case.images.labels == 0
    assert auroc(evidence.score[inside], poison[inside]) > 0.98
    assert share_of_true(evidence.flagged[poison]) >= 0.95
    assert share_of_true(evidence.flagged[inside & ~poison]) < 0.05


@pytest.mark.parametrize(
    "detector", [ActivationClustering(), SCAn(), Beatrix()], ids=lambda value: type(value).__name__
)
def test_nothing_is_flagged_where_nothing_is_hidden(detector, generator):
    case, _ = hidden(0.0)
    assert not detector.examine(case, generator).flagged.any()


def test_correlations_that_clean_images_lack_are_found(generator):
    case, poison = hidden(0.15)
    evidence = Beatrix(orders=3).examine(case, generator)
    assert auroc(evidence.score, poison) > 0.95
    assert share_of_true(evidence.flagged[poison]) > 0.9
    assert share_of_true(evidence.flagged[~poison]) < 0.02


def test_scan_finds_a_majority_by_its_clean_images(badnets_digits, generator):
    victim = badnets_digits.victim
    case = case_for_method(victim.case(), victim.truth, SCAn.inputs, generator)
    evidence = SCAn().examine(case, generator)
    assert auroc(evidence.score, victim.truth.poison) > 0.98
    assert share_of_true(evidence.flagged[victim.truth.poison]) > 0.95
    assert share_of_true(evidence.flagged[~victim.truth.poison]) < 0.01


def test_spectre_finds_a_minority_of_its_class(generator):
    victim = attacked_digits(BadNets(poisoning_rate=0.02)).victim
    evidence = SPECTRE(dimensions=(4, 9, 16)).examine(victim.case(), generator)
    assert auroc(evidence.score, victim.truth.poison) > 0.95
    assert share_of_true(evidence.flagged[victim.truth.poison]) > 0.8
    assert share_of_true(evidence.flagged[~victim.truth.poison]) < 0.01


@pytest.mark.parametrize("detector", [Margin(), Loss()], ids=lambda value: type(value).__name__)
def test_a_model_is_surer_of_much_poison(detector, badnets_digits, generator):
    victim = badnets_digits.victim
    evidence = detector.examine(victim.case(), generator)
    assert auroc(evidence.score, victim.truth.poison) > 0.85


def test_margins_and_losses_are_those_of_the_given_label():
    logits = torch.tensor([[2.0, 5.0, 1.0], [60.0, 0.0, 0.0]])
    labels = torch.tensor([0, 0])
    others = logit_gaps(logits, labels)
    assert (-others.amax(1)).tolist() == [-3.0, 60.0]
    loss = torch.nn.functional.softplus(others.logsumexp(1))
    assert loss[0] == pytest.approx(math.log(math.exp(2) + math.exp(5) + math.exp(1)) - 2)
    assert loss[1] == pytest.approx(2 * math.exp(-60))


def test_what_stands_out():
    index = anomaly_index(torch.tensor([1.0, 2.0, 3.0, 4.0, 103.0]))
    assert index[2] == 0
    assert index[4] == pytest.approx(100 / 1.4826)
    chosen = in_outlier_classes(torch.tensor([7, 2, 7]), {2: 1.0, 3: 2.0, 5: 3.0, 7: 40.0}, 5.0)
    assert chosen.tolist() == [True, False, True]
    assert flag_highest(torch.tensor([3.0, 9.0, 1.0, 5.0]), 0.5).tolist() == [
        False,
        True,
        False,
        True,
    ]
    assert not flag_highest(torch.tensor([3.0, 9.0]), 0.2).any()  # of so few, a share is none
    lifted = rank_flagged_first(torch.tensor([3.0, -9.0, 1.0]), torch.tensor([False, True, False]))
    assert lifted.argmax() == 1


def test_a_signature_is_a_squared_projection():
    features = torch.tensor([[3.0, 1.0], [-3.0, 1.0], [0.0, 1.5], [0.0, 0.5]])
    assert torch.allclose(
        spectral_signature(features), torch.tensor([9.0, 9.0, 0.0, 0.0]), atol=1e-5
    )


def test_two_clusters_of_two_points():
    features = torch.tensor([[0.0, 7.0]] * 3 + [[4.0, 7.0]])
    nearer, silhouette = two_clusters(features, 10, 0)
    assert nearer.tolist() == [-1, -1, -1, 1]
    assert silhouette == pytest.approx(0.75)  # a cluster of one counts 0
    assert whitened_components(features.numpy(), 10).var(0, ddof=1) == pytest.approx([1.0])
    assert two_clusters(features[:3], 10, 0)[0].tolist() == [0, 0, 0]


def test_the_likelihood_ratio_of_two_groups():
    points = torch.tensor([[0.0], [0.0], [0.0], [4.0]], dtype=torch.double)
    gain, ratio = split_class(points, points[:2], 0)
    assert gain.tolist() == [-8, -8, -8, 8]
    assert ratio == pytest.approx(12 / 4)
    majority, _ = split_class(-points + 4, points[:2], 0)  # the clean images are few, but known
    assert majority.tolist() == [8, 8, 8, -8]


def test_quantum_entropy_looks_where_the_spread_is_large():
    points = np.array([[3.0, 0], [-3, 0], [0, 1], [0, -1]])
    even = que_scores(points, np.eye(2), 0.0)
    assert even == pytest.approx([4.5, 4.5, 0.5, 0.5])
    sharp = que_scores(points, np.eye(2), 100.0)
    assert sharp == pytest.approx([9, 9, 0, 0])
    assert inverse_square_root(np.diag([4.0, 0.0])) == pytest.approx(np.diag([0.5, 0]))
    assert principal_components(np.ones((20, 3)), 2).shape == (20, 0)


def test_a_gram_matrix_of_powers():
    maps_ = torch.tensor([[1.0, 2.0], [3.0, -1.0]]).view(1, 2, 1, 2)
    assert gram_entries(maps_, 1).flatten().tolist() == pytest.approx([5, 1, 10])
    assert gram_entries(maps_, 2).flatten().tolist() == pytest.approx([17**0.5, 13**0.5, 82**0.5])
    assert gram_entries(-maps_, 3).flatten().tolist() == pytest.approx(
        [65 ** (1 / 3), 19 ** (1 / 3), 730 ** (1 / 3)]
    )
    assert gram_entries(maps_ * 1e8, 8).isfinite().all()


def test_a_deviation_is_relative_to_the_bound():
    clean = torch.tensor([1.0, 2.0, 3.0]).sqrt().view(3, 1, 1, 1)
    known = normal_bands(clean, [1], 2.0)  # median 2, MAD 1: from 0 to 4
    outside = mean_deviation(torch.tensor([6.0, 3.0]).sqrt().view(2, 1, 1, 1), known)
    assert outside.tolist() == pytest.approx([0.5, 0], abs=1e-4)


def test_a_discrepancy_is_of_groups():
    features = torch.tensor([[0.0], [0.0], [1.0], [1.0]])
    apart = scaled_mmd(features, torch.tensor([True, True, False, False]))
    mixed = scaled_mmd(features, torch.tensor([True, False, True, False]))
    assert apart > 1
    assert mixed == pytest.approx(0, abs=1e-9)
    assert scaled_mmd(features, torch.zeros(4, dtype=torch.bool)) == 0


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("preact_resnet18-w4", (16, 8, 8)),
        ("small_cnn-w4", (4, 32, 32)),
        ("vgg11-w4", (32, 4, 4)),
        ("mobilenet_v2-w8", None),
    ],
)
def test_the_map_is_the_last_before_the_last_downsampling(name, shape, generator):
    model, pixels = build(name, 3, 3), torch.zeros((2, 3, 32, 32), dtype=torch.uint8)
    with frozen(model), torch.inference_mode():
        number = find_last_large_map(model, pixels[:1], "it")
        found = torch.cat(list(feature_maps(model, pixels, number, batch_size=1)))
    assert len(found) == 2
    assert shape is None or found.shape[1:] == shape


def test_a_network_without_features_or_maps_is_refused():
    flat, pixels = nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), torch.zeros(1, 1, 4, 4).byte()
    with pytest.raises(InputError, match="needs a convolutional network"):
        find_last_large_map(flat, pixels, "it")
    with pytest.raises(InputError, match="needs features"):
        extract_features(flat, pixels, "it")


def test_a_class_without_clean_images_is_refused(generator):
    case, _ = hidden(0.1)
    some = case.holdout.take(case.holdout.labels > 0)
    with pytest.raises(InputError, match="larger holdout"):
        Beatrix(orders=1).examine(Case(case.model, case.images, some), generator)
