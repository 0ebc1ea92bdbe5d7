"""Defences that fine-tune on few clean images, prune neurons, or train anew."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from backburn.baselines.defenses.anp import ANP
from backburn.baselines.defenses.anp_oracle import ANPOracle
from backburn.baselines.defenses.clp import CLP
from backburn.baselines.defenses.fine_pruning import FinePruning, prunable_channels
from backburn.baselines.defenses.fine_tuning import FineTuning
from backburn.baselines.defenses.fst import FST, feature_shift_loss
from backburn.baselines.defenses.ft_sam import FTSAM, perturbation, sharpness_aware_loss
from backburn.baselines.defenses.nad import NAD, attention_map, distillation_loss
from backburn.baselines.defenses.retrain import Retraining
from backburn.baselines.defenses.stage_maps import record_stages
from backburn.benchmark.cell import case_for_method
from backburn.errors import InputError
from backburn.metrics import evaluate_model
from backburn.models.channel_lipschitz import (
    above_mean,
    convolutions_before_norms,
    lipschitz_bounds,
)
from backburn.models.inference import predict
from backburn.models.nets.zoo import build
from backburn.results import Scores
from backburn.training import Training
from backburn.training.adapt_settings import reset_last_layers
from backburn.types import Case, EvaluationSet, LabeledImages

SHORT = Training(epochs=2, batch_size=16, learning_rate=0.01, warmup=0.0)


@pytest.fixture
def plain_case(generator) -> Case:
    """A linear model: no convolution, no batch norm, no features."""
    pixels = torch.randint(256, (24, 1, 4, 4), generator=generator).to(torch.uint8)
    images = LabeledImages(pixels, torch.arange(24) % 3)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).eval()
    return Case(model, images.take(torch.arange(0)), images)


@pytest.mark.parametrize(
    ("defense", "lacking"),
    [
        (FinePruning(), "features"),
        (FST(), "linear head"),
        (NAD(), "feature maps"),
        (ANP(), "batch norm"),
        (CLP(), "batch norm"),
    ],
    ids=["fp", "fst", "nad", "anp", "clp"],
)
def test_a_model_without_what_it_takes_is_refused(plain_case, generator, defense, lacking):
    with pytest.raises(InputError, match=lacking):
        defense.repair(plain_case, generator)


# --- pure parts, by hand ---------------------------------------------------------------------


def test_idle_features_are_dispensable_until_accuracy_falls():
    head = nn.Linear(4, 2)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[9.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]))
        head.bias.zero_()
    # feature 0 idles, feature 1 says nothing, features 2 and 3 tell the classes apart
    features = torch.tensor([[0.0, 0.1, 2.0, 0.0], [0.0, 0.1, 0.0, 3.0]])
    labels = torch.tensor([0, 1])
    assert prunable_channels(features, head, labels, 0.1).tolist() == [0, 1, 2]  # ties are class 0
    assert prunable_channels(features, head, labels.flip(0) * 0, 0.1).tolist() == [0, 1, 2]
    with torch.no_grad():
        head.bias[1] = 0.5
    assert prunable_channels(features, head, labels, 0.1).tolist() == [0, 1]
    assert prunable_channels(features, head, labels, 0.6).tolist() == [0, 1, 2]


def test_pruned_features_stay_without_weight_while_the_rest_is_tuned(badnets_digits):
    case = few_clean(badnets_digits, FinePruning())
    model = FinePruning(training=SHORT).repair(case, torch.Generator().manual_seed(0)).model
    silent = (model.head.weight == 0).all(0)
    assert 0 < int(silent.sum()) < len(silent)
    assert not torch.equal(model.head.weight[:, ~silent], case.model.head.weight[:, ~silent])
    assert all(not p._backward_hooks for p in model.parameters())


def test_attention_is_where_channels_are_strong():
    maps = torch.tensor([[[[1.0, 0.0]], [[-1.0, 2.0]]]])
    expected = torch.tensor([[2.0, 4.0]]) / 20**0.5
    assert torch.allclose(attention_map(maps, 2.0), expected)
    assert torch.allclose(attention_map(3 * maps, 2.0), expected)


def test_stages_are_the_last_maps_of_each_resolution(generator):
    model = build("preact_resnet18-w4", 3, 3, generator=generator).eval()
    with record_stages(model) as seen:
        images = torch.rand(2, 3, 32, 32, generator=generator)
        model(images)
    assert list(seen) == [(32, 32), (16, 16), (8, 8), (4, 4)]
    assert seen[(4, 4)].shape == (2, 32, 4, 4)
    expected = model.bn(model.blocks(model.conv1((images - model.mean) / model.std)))
    assert torch.equal(seen[(4, 4)], expected)
    assert not any(part._forward_hooks for part in model.modules())


def test_a_student_like_its_teacher_has_the_cross_entropy_alone(generator):
    teacher = build("small_cnn-w4", 3, 1, generator=generator).eval()
    other = build("small_cnn-w4", 3, 1, generator=generator).eval()
    images, labels = torch.rand(5, 1, 8, 8, generator=generator), torch.tensor([0, 1, 2, 0, 1])
    loss = distillation_loss(teacher, (1.0, 5.0, 7.0), 2.0)
    entropy = nn.functional.cross_entropy(teacher(images), labels, reduction="none")
    assert torch.allclose(loss(teacher, images, labels), entropy)
    entropy = nn.functional.cross_entropy(other(images), labels, reduction="none")
    gap = torch.zeros(5)
    with record_stages(teacher) as theirs, record_stages(other) as mine:
        teacher(images), other(images)
    for beta, size in ((5.0, (8, 8)), (7.0, (4, 4))):  # two resolutions: the last two betas
        apart = attention_map(theirs[size], 2.0) - attention_map(mine[size], 2.0)
        gap += beta * apart.square().mean(1)
    assert torch.allclose(loss(other, images, labels), entropy + gap)


def conv_and_norm() -> nn.Sequential:
    """Twelve channels of 1x2 kernels over two channels; the last can answer ten times as much."""
    model = nn.Sequential(
        nn.Conv2d(2, 12, (1, 2), bias=False),
        nn.BatchNorm2d(12, eps=0.0),
        nn.Flatten(),
        nn.Linear(36, 2),
    )
    with torch.no_grad():
        model[0].weight.zero_()
        model[0].weight[:, 0, 0, 0] = 3.0  # singular values 3 and 2
        model[0].weight[:, 1, 0, 1] = -2.0
        model[1].running_var.fill_(4.0)
        model[1].weight.fill_(1.0)
        model[1].weight[11] = -10.0
        model[1].bias.fill_(0.7)
    return model.eval()


def test_channels_with_an_outlying_lipschitz_bound_are_cut(generator):
    model = conv_and_norm()
    bounds = lipschitz_bounds(model[0], model[1])
    assert torch.allclose(bounds, torch.tensor([1.5] * 11 + [15.0]))
    assert above_mean(bounds, 3.0).nonzero().flatten().tolist() == [11]
    images = LabeledImages(torch.zeros(0, 2, 1, 4, dtype=torch.uint8), torch.zeros(0).long())
    repaired = CLP().repair(Case(model, images), generator).model
    assert repaired[1].weight.tolist() == [1.0] * 11 + [0.0]
    assert repaired[1].bias.tolist() == pytest.approx([0.7] * 11 + [0.0])


def test_a_batch_norm_goes_with_the_convolution_that_ran_before_it(generator):
    model = build("preact_resnet18-w4", 3, 3, generator=generator).eval()
    pairs = convolutions_before_norms(model, (3, 32, 32))
    first, second = model.blocks[0], model.blocks[1]
    assert len(pairs) == 17
    assert pairs[first.bn1] is model.conv1
    assert pairs[first.bn2] is first.conv1
    assert pairs[second.bn1] is first.conv2
    assert pairs[model.bn] is model.blocks[-1].conv2


def test_the_sharpest_direction_is_in_units_of_the_weights():
    weights = [torch.tensor([2.0, -1.0]), torch.tensor([0.0])]
    slopes = [torch.tensor([1.5, 4.0]), torch.tensor([9.0])]
    # T g = (3, 4, 0) of length 5; T^2 g = (6, 4, 0)
    moves = perturbation(weights, slopes, 0.5)
    assert torch.allclose(torch.cat(moves), torch.tensor([0.6, 0.4, 0.0]))


def test_the_gradient_of_ft_sam_is_that_at_the_worst_weights(generator):
    model = build("small_cnn-w4", 3, 1, generator=generator).train()
    images, labels = torch.rand(6, 1, 8, 8, generator=generator), torch.arange(6) % 3
    started = {name: buffer.clone() for name, buffer in model.named_buffers()}
    sharpness_aware_loss(0.5)(model, images, labels).mean().backward()
    found = [p.grad.clone() for p in model.parameters()]
    assert int(model.bn1.num_batches_tracked) == 1, "the perturbed pass is not counted"
    model.load_state_dict(started, strict=False)
    model.zero_grad()
    nn.functional.cross_entropy(model(images), labels).backward()
    weights = list(model.parameters())
    moves = perturbation(weights, [p.grad for p in weights], 0.5)
    model.zero_grad()
    with torch.no_grad():
        for weight, move in zip(weights, moves, strict=True):
            weight.add_(move)
    nn.functional.cross_entropy(model(images), labels).backward()
    for weight, gradient in zip(weights, found, strict=True):
        assert torch.allclose(weight.grad, gradient, atol=1e-5)


def test_a_new_head_is_drawn_within_the_bound_of_linear_layers():
    head = nn.Linear(16, 50)
    given = head.weight.detach().clone()
    reset_last_layers(head, 1.0, torch.Generator().manual_seed(3))
    largest = max(float(each.detach().abs().max()) for each in head.parameters())
    assert 0.24 < largest <= 0.25
    assert abs(head.weight.detach().mean().item()) < 0.02
    assert not torch.equal(head.weight, given)


def test_feature_shift_is_the_inner_product_of_heads_of_one_norm(generator):
    model = build("small_cnn-w4", 3, 1, generator=generator).eval()
    given = torch.zeros_like(model.head.weight)
    given[0, 0] = 2.0
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.weight[0, 0], model.head.weight[1, 1] = 3.0, 4.0
    images, labels = torch.rand(5, 1, 8, 8, generator=generator), torch.tensor([0, 1, 2, 0, 1])
    found = feature_shift_loss(model.head, given, 0.5)(model, images, labels)
    assert model.head.weight[0, 0].item() == pytest.approx(3.0 * 2.0 / 5.0)
    entropy = nn.functional.cross_entropy(model(images), labels, reduction="none")
    assert torch.allclose(found, entropy + 0.5 * 2.0 * 1.2)


def test_a_head_of_fst_has_the_given_norm_and_another_direction(badnets_digits):
    case = few_clean(badnets_digits, FST())
    given = case.model.head.weight.detach()

    def direction(alpha: float) -> float:
        defense = FST(alpha, replace(SHORT, epochs=10, learning_rate=0.05))
        head = defense.repair(case, torch.Generator().manual_seed(0)).model.head.weight.detach()
        assert head.norm().item() == pytest.approx(given.norm().item(), rel=1e-4)
        return float((head * given).sum() / given.norm() ** 2)

    assert direction(0.2) < min(direction(0.0), 0.0)


def test_the_worst_perturbation_of_anp_is_at_its_bound():
    defense = ANP(epsilon=0.3)
    noise = defense._worst_perturbation(
        lambda scale, shift: 2 * scale.sum() - shift.sum(),
        torch.ones(4),
        torch.Generator().manual_seed(0),
    )
    start = torch.rand((2, 4), generator=torch.Generator().manual_seed(0)) * 0.6 - 0.3
    step = torch.tensor([[0.3], [-0.3]])
    assert torch.allclose(noise, (start + step).clamp(-0.3, 0.3))


# --- the papers' effects ---------------------------------------------------------------------


def few_clean(attacked, defense) -> Case:
    """The case as a benchmark hands it, but with a tenth of the few digits for clean images."""
    victim = attacked.victim
    given = replace(defense.inputs, holdout=0.1 if defense.inputs.holdout else 0.0)
    return case_for_method(victim.case(), victim.truth, given, torch.Generator().manual_seed(0))


class Columns(nn.Module):
    """Which third of a 4x6 image is bright; a lone bright pixel in the corner says class 0.

    Four channels tell each class; the last one, idle on clean images, tells the trigger.
    """

    def __init__(self, clean: torch.Tensor):
        super().__init__()
        self.conv = nn.Conv2d(1, 13, (4, 6), bias=False)
        self.bn = nn.BatchNorm2d(13, momentum=None)
        self.head = nn.Linear(13, 3)
        with torch.no_grad():
            self.conv.weight.zero_()
            for label in range(3):
                self.conv.weight[4 * label : 4 * label + 4, :, :, 2 * label : 2 * label + 2] = 1
            self.conv.weight[12, 0, 0, :2] = torch.tensor([1.0, -1.0])
            self.bn.bias[12] = -3
            self.head.bias.zero_()
            self.head.weight.zero_()
            for label in range(3):
                self.head.weight[label, 4 * label : 4 * label + 4] = 1
            self.head.weight[0, 12] = 20
            self.train()(clean.float() / 255)  # the statistics of clean images
        self.eval()

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return self.bn(self.conv(images)).relu().flatten(1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(images))


@pytest.fixture
def planted(generator) -> tuple[Case, LabeledImages]:
    """A case whose trigger has one neuron of its own, and triggered images of classes 1 and 2."""
    labels = torch.arange(3).repeat(40)
    pixels = torch.randint(30, (120, 1, 4, 6), generator=generator)
    for label in range(3):
        pixels[labels == label, :, :, 2 * label : 2 * label + 2] += 200
    clean = LabeledImages(pixels.byte(), labels)
    triggered = clean.take(labels > 0)
    triggered.pixels[:, :, 0, 0] = 255
    return Case(Columns(clean.pixels), clean.take(torch.arange(0)), clean), triggered


@pytest.mark.parametrize(
    "defense",
    [
        FinePruning(training=replace(SHORT, learning_rate=1e-4)),
        ANP(iterations=300, batch_size=32),
        CLP(),
    ],
    ids=["fp", "anp", "clp"],
)
def test_the_neuron_of_a_trigger_is_pruned(planted, generator, defense):
    case, triggered = planted
    clean = case.holdout

    def rates(model):
        said = predict(model, triggered.pixels).argmax(1)
        right = predict(model, clean.pixels).argmax(1) == clean.labels
        return float((said == 0).float().mean()), float(right.float().mean())

    assert rates(case.model) == (1.0, 1.0)
    if not defense.inputs.holdout:
        case = replace(case, holdout=None)
    success, accuracy = rates(defense.repair(case, generator).model)
    assert success < 0.2
    assert accuracy > 0.95


def test_the_test_images_choose_the_threshold_of_an_oracle(planted, generator):
    case, triggered = planted
    oracle = ANPOracle(ANP(iterations=300, batch_size=32), step=0.3)
    exam = EvaluationSet(case.holdout, triggered, torch.zeros_like(triggered.labels))
    models = list(oracle.candidates(case, generator))
    scores = [evaluate_model(model, exam) for model in models]
    assert len(models) == 4
    assert [int((m.bn.weight == 0).sum()) for m in models] == sorted(
        int((m.bn.weight == 0).sum()) for m in models
    )
    given = best = evaluate_model(case.model, exam)
    for each in scores:
        best = each if oracle.prefers(given, best, each) else best
    assert given.asr == 1.0
    assert best.asr == min(each.asr for each in scores if each.acc > 0.9) < 0.2


@pytest.mark.parametrize(
    ("new", "preferred"),
    [
        (Scores(0.85, 0.3, 0.6), True),
        (Scores(0.85, 0.5, 0.6), False),  # no better than the best
        (Scores(0.8, 0.0, 0.8), False),  # a tenth of the accuracy is lost
        (Scores(0.9, float("nan"), float("nan")), False),  # no trigger to choose by
    ],
)
def test_an_oracle_prefers_less_asr_at_the_given_accuracy(new, preferred):
    given, best = Scores(0.9, 1.0, 0.0), Scores(0.85, 0.5, 0.4)
    assert ANPOracle().prefers(given, best, new) is preferred


def test_a_network_retrained_on_clean_images_has_no_backdoor(badnets_digits):
    case = few_clean(badnets_digits, Retraining())
    defense = Retraining(Training(epochs=15, batch_size=64, learning_rate=0.05))
    repaired = defense.repair(case, torch.Generator().manual_seed(0)).model
    before, after = (evaluate_model(model, badnets_digits.exam) for model in (case.model, repaired))
    assert before.asr > 0.95
    assert after.asr < 0.05
    assert before.acc - after.acc < 0.03


LIVELY = Training(epochs=40, batch_size=32, learning_rate=0.1, warmup=0.0)
SMOOTHED = replace(LIVELY, learning_rate=0.05, label_smoothing=0.1)


@pytest.mark.parametrize(
    "defense",
    [
        FineTuning(LIVELY),
        FinePruning(training=LIVELY),
        NAD(training=LIVELY),
        FTSAM(training=SMOOTHED),
        FST(training=LIVELY),
    ],
    ids=["ft", "fp", "nad", "ft_sam", "fst"],
)
def test_fine_tuning_on_fresh_images_removes_a_patch(badnets_digits, defense):
    """Half of the test digits is the holdout, the other half the exam."""
    victim, exam = badnets_digits
    rows = torch.arange(len(exam.clean))
    attacked = rows[exam.clean.labels != victim.target_labels[0]]
    assert len(attacked) == len(exam.triggered)
    fresh = exam.clean.take(rows % 2 == 0)
    case = Case(victim.model, victim.images.take(rows[:0]), fresh)
    odd = attacked % 2 == 1
    held = EvaluationSet(exam.clean.take(rows % 2 == 1), exam.triggered.take(odd), exam.wanted[odd])
    repaired = defense.repair(case, torch.Generator().manual_seed(0)).model
    before, after = evaluate_model(victim.model, held), evaluate_model(repaired, held)
    assert before.asr > 0.95
    assert after.asr < 0.2
    assert before.acc - after.acc < 0.05
