"""Which images a repair is trained on, under which labels, and whether mirrored."""

import math

import pytest
import torch
from torch import Tensor, nn

from backburn.burn.burn import BURN
from backburn.burn.fine_tuning import FineTuner, labels_and_weights
from backburn.data.augmentation import Augmentation
from backburn.results import Suspects
from backburn.training import Training
from backburn.types import Case, LabeledImages, no_progress


@pytest.fixture
def images() -> LabeledImages:
    labels = torch.tensor([0, 0, 0, 1, 2, 0])
    return LabeledImages(torch.zeros(6, 1, 2, 2, dtype=torch.uint8), labels)


@pytest.fixture
def suspects() -> Suspects:
    """Confident, doubtful, exactly at the bound, and clean-label."""
    return Suspects(
        index=torch.tensor([0, 1, 2, 5]),
        given_label=torch.tensor([0, 0, 0, 0]),
        restored_label=torch.tensor([2, 1, 1, 0]),
        confidence=torch.tensor([0.9, 0.4, 0.5, 0.99]),
    )


def test_suspects_are_trained_on_under_restored_labels_by_their_confidence(images, suspects):
    labels, weights = labels_and_weights(images, suspects, 0.5)
    assert labels.tolist() == [2, 1, 1, 1, 2, 0]
    assert weights.tolist() == pytest.approx([0.9, 0, 0.5, 1, 1, 0])


def test_any_confidence_is_enough_where_none_is_asked_for(images, suspects):
    _, weights = labels_and_weights(images, suspects, 0.0)
    assert weights.tolist() == pytest.approx([0.9, 0.4, 0.5, 1, 1, 0])


def test_no_suspect_is_trained_on_where_certainty_is_out_of_reach(images, suspects):
    _, weights = labels_and_weights(images, suspects, math.inf)
    assert weights.tolist() == [0, 0, 0, 1, 1, 0]


def test_without_suspects_every_image_counts_under_its_own_label(images):
    nobody = torch.zeros(0, dtype=torch.int64)
    labels, weights = labels_and_weights(
        images, Suspects(nobody, nobody, nobody, torch.zeros(0)), 0.5
    )
    assert torch.equal(labels, images.labels)
    assert weights.tolist() == [1] * 6


def test_the_given_labels_stay_as_they_are(images, suspects):
    labels_and_weights(images, suspects, 0.5)
    assert images.labels.tolist() == [0, 0, 0, 1, 2, 0]


class Brightness(nn.Module):
    """Says class 0 of dark images and class 1 of bright ones; counts what it is trained on."""

    def __init__(self):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(4.0))
        self.seen: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        if self.training:
            self.seen += (images[:, 0, 0, 0] * 255).round().long().tolist()
        bright = self.slope * (images[:, 0, 0, 0] - 0.5)
        return torch.stack([-bright, bright, bright * 0 - 9], 1)


def bench(
    images: LabeledImages, left_out: list[int], generator, holdout: LabeledImages | None = None
) -> FineTuner:
    training = Training(epochs=1, batch_size=2, augmentation=Augmentation(shift=0))
    out = torch.zeros(len(images), dtype=torch.bool)
    out[left_out] = True
    return FineTuner(images, holdout, training, out, generator, no_progress)


def test_what_is_left_out_is_never_trained_on_and_the_model_stays_as_it_was(
    images, suspects, generator
):
    levels = torch.arange(6, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 2, 2)
    images, model = images.relabeled(levels, images.labels), Brightness()
    tuned = bench(images, [4], generator).fine_tune(model, suspects, 0.5, "test")
    assert sorted(tuned.seen) == [0, 2, 3]  # 1 is doubtful, 5 keeps its label, 4 is left out
    assert model.seen == []
    assert model.slope.item() == 4
    assert tuned.slope.item() != 4


def test_answers_are_probabilities_of_the_models_own_where_nothing_moves(images, generator):
    pixels = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(2, 1, 2, 2)
    model = Brightness().eval()
    said = bench(images, [], generator).predict_probabilities(model, pixels)
    assert torch.allclose(said, model(pixels / 255).softmax(1), atol=1e-5)


def test_a_holdout_is_trained_on_too(images, suspects, generator):
    levels = torch.arange(6, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 2, 2)
    images = images.relabeled(levels, images.labels)
    trusted = LabeledImages(levels[:2] + 200, torch.tensor([1, 1]))
    tuned = bench(images, [], generator, trusted).fine_tune(Brightness(), suspects, 0.5, "test")
    assert sorted(tuned.seen) == [0, 2, 3, 4, 200, 201]


class Bare(nn.Module):
    """A body of a hundred weights, which needs no gradient, and a head of four."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 25, bias=False), nn.Linear(25, 3, bias=False)

    def forward(self, given: Tensor) -> Tensor:
        return self.head(self.body(given.flatten(1)))


@pytest.mark.parametrize(("frozen", "rate"), [(False, 3e-4), (True, 5e-3)])
def test_from_a_base_fewer_steps_are_taken_and_larger_ones_of_a_head_alone(images, frozen, rate):
    base = Bare()
    base.head = nn.Linear(25, 3, bias=False) if not frozen else nn.Linear(1, 3, bias=False)
    base.body.requires_grad_(not frozen)
    training, steps = BURN()._training_settings(Case(Bare(), images, base=base))
    assert (training.optimizer, training.learning_rate, steps) == ("adam", rate, 150)
    assert BURN()._training_settings(Case(Bare(), images)) == (BURN().training, 300)


@pytest.mark.parametrize("whole", [True, False])
def test_what_needs_no_gradient_stays_unless_the_whole_is_trained(images, suspects, whole):
    model = Bare()
    model.body.requires_grad_(False)
    before = model.body.weight.clone()
    training = Training(epochs=2, batch_size=2, learning_rate=0.5)
    nothing = torch.zeros(6, dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)
    given = (images.relabeled(images.pixels + 100, images.labels), None, training, nothing)
    bench = FineTuner(*given, generator, no_progress, train_all=whole)
    tuned = bench.fine_tune(model, suspects, 0.5, "decoupling")
    assert torch.equal(tuned.body.weight, before) != whole
    assert not torch.equal(tuned.head.weight, model.head.weight)
    assert torch.equal(model.body.weight, before)
