"""What a model forgets, how long it is trained, and whether mirror images are seen."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from backburn.data.augmentation import Augmentation
from backburn.models.inference import predict
from backburn.training import Training
from backburn.training.adapt_settings import (
    adapt_augmentation,
    adapt_shift,
    extend_to_steps,
    freeze_before,
    reset_last_layers,
)
from backburn.types import Case, LabeledImages

STEPS = 120
TRAINING = Training(epochs=2, augmentation=Augmentation(shift=0.25))


def net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 8), nn.Linear(8, 3)
    )


def changed(before: nn.Module, after: nn.Module) -> list[bool]:
    pairs = zip(before.children(), after.children(), strict=True)
    return [
        any(not torch.equal(a, b) for a, b in zip(x.parameters(), y.parameters(), strict=True))
        for x, y in pairs
    ]


@pytest.mark.parametrize(
    ("share", "forgotten"),
    [
        (0.0, [False, False, False, False, False]),
        (0.1, [False, False, False, False, True]),
        (0.5, [False, False, False, True, True]),
        (1.0, [True, False, False, True, True]),  # batch norm starts as it did
    ],
)
def test_the_last_layers_forget_until_they_hold_the_share(share, forgotten, generator):
    model = net()
    before = copy.deepcopy(model)
    reset_last_layers(model, share, generator)
    assert changed(before, model) == forgotten


def test_forgetting_depends_on_the_generator_only():
    def after(seed: int, elsewhere: int) -> torch.Tensor:
        torch.manual_seed(5)
        model = net()
        torch.manual_seed(elsewhere)
        reset_last_layers(model, 1.0, torch.Generator().manual_seed(seed))
        return torch.cat([p.flatten() for p in model.parameters()])

    assert torch.equal(after(1, 2), after(1, 3))
    assert not torch.equal(after(1, 2), after(4, 2))


def test_forgetting_leaves_the_global_generator_alone(generator):
    model = net()
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    reset_last_layers(model, 1.0, generator)
    assert torch.equal(torch.rand(1), expected)


def test_what_comes_before_the_first_layer_that_forgot_stays_as_it_is(generator):
    model = net()
    names = reset_last_layers(model, 0.5, generator)
    assert names == ("4", "3")
    freeze_before(model, names)
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {"3.weight", "3.bias", "4.weight", "4.bias"}


def test_a_model_without_layers_that_can_forget_is_trained_whole(generator):
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3), requires_grad=False)

    model = Bare()
    assert reset_last_layers(model, 1.0, generator) == ()
    freeze_before(model, ())
    assert model.scale.requires_grad


@pytest.mark.parametrize(
    ("count", "batch_size", "epochs"),
    [(10, 16, 120), (100, 16, 18), (600, 30, 6), (1000, 50, 6), (50 * STEPS, 50, 1)],
)
def test_few_images_are_seen_more_often_in_smaller_batches(count, batch_size, epochs):
    training = extend_to_steps(Training(epochs=1, batch_size=50), count, STEPS)
    assert (training.batch_size, training.epochs) == (batch_size, epochs)


def test_what_is_asked_for_is_never_cut_short():
    training = extend_to_steps(Training(epochs=STEPS, batch_size=8), 1000, STEPS)
    assert (training.batch_size, training.epochs) == (8, STEPS)


class Side(nn.Module):
    """Class 1 where the right half is brighter than the left one."""

    def forward(self, images: Tensor) -> Tensor:
        left, right = images.chunk(2, -1)
        return torch.stack([left.flatten(1).mean(1), right.flatten(1).mean(1)], 1)


class Top(nn.Module):
    """Class 1 where the lower half is brighter than the upper one."""

    def forward(self, images: Tensor) -> Tensor:
        return Side()(images.mT)


def case(model: nn.Module, generator: torch.Generator, agree: float = 1.0) -> Case:
    pixels = torch.randint(256, (1500, 1, 4, 4), generator=generator).to(torch.uint8)
    labels = model(pixels.float()).argmax(1)
    wrong = torch.rand(1500, generator=generator) > agree
    return Case(model, LabeledImages(pixels, labels.where(~wrong, 1 - labels)))


def test_mirror_images_are_used_where_the_model_takes_them_for_the_same(generator):
    found = adapt_augmentation(TRAINING, case(Top(), generator))
    assert found.augmentation == Augmentation(shift=0.25, flip=True)
    assert (found.epochs, found.learning_rate) == (TRAINING.epochs, TRAINING.learning_rate)


def test_mirror_images_are_not_used_where_the_model_tells_them_apart(generator):
    assert adapt_augmentation(TRAINING, case(Side(), generator)) == TRAINING


def test_predictions_that_are_known_are_not_asked_again(generator):
    for model in (Top(), Side()):
        given = case(model, generator, agree=0.6)
        said = predict(model, given.images.pixels).argmax(1)
        assert adapt_augmentation(TRAINING, given, said) == adapt_augmentation(TRAINING, given)
    nowhere = torch.full((len(given.images),), -1)  # as if the model were never right
    assert adapt_augmentation(TRAINING, given, nowhere).augmentation.flip


def test_it_is_the_loss_that_counts_not_how_good_the_model_is(generator):
    assert adapt_augmentation(TRAINING, case(Top(), generator, agree=0.6)).augmentation.flip


def test_a_few_images_are_enough(generator):
    few = case(Side(), generator)
    rows = torch.arange(40)
    assert adapt_augmentation(TRAINING, Case(few.model, few.images.take(rows))) == TRAINING


def test_classes_that_come_one_after_the_other_are_all_looked_at(generator):
    # the first class is the same in the mirror; only the second one tells
    class Corner(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.stack([torch.full_like(images[:, 0, 0, 0], 0.5), images[:, 0, 0, 0]], 1)

    pixels = torch.zeros(3000, 1, 2, 2, dtype=torch.uint8)
    pixels[1500:, 0, 0, 0] = 255
    labels = (torch.arange(3000) >= 1500).long()
    assert adapt_augmentation(TRAINING, Case(Corner(), LabeledImages(pixels, labels))) == TRAINING


class Brighter(nn.Module):
    """Class 1 where the image is bright; shifts hardly change that."""

    def forward(self, images: Tensor) -> Tensor:
        bright = images.flatten(1).mean(1) - 0.5
        return torch.stack([-bright, bright], 1)


def test_shifted_images_are_used_where_the_model_takes_them_for_the_same(generator):
    even = torch.randint(256, (400, 1, 1, 1), generator=generator).to(torch.uint8)
    pixels = even.expand(-1, -1, 4, 4).contiguous()
    labels = Brighter()(pixels.float() / 255).argmax(1)
    given = Case(Brighter(), LabeledImages(pixels, labels))
    assert adapt_shift(TRAINING, given) == TRAINING


def test_shifted_images_are_not_used_where_they_cost_accuracy(generator):
    adapted = adapt_shift(TRAINING, case(Side(), generator))
    assert adapted.augmentation == replace(TRAINING.augmentation, shift=0.0)
    assert adapted.epochs == TRAINING.epochs
