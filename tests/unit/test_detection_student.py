"""What a student forgets, and what it leaves alone."""

import copy

import pytest
import torch
from torch import nn

from backburn.detection.student import LEAST_STEPS, Student, forget, lasting
from backburn.errors import InputError
from backburn.models.inference import predict
from backburn.models.zoo import build
from backburn.training import Training
from backburn.types import Case, LabeledImages


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
    forget(model, share, generator)
    assert changed(before, model) == forgotten


def test_forgetting_depends_on_the_generator_only():
    def after(seed: int, elsewhere: int) -> torch.Tensor:
        torch.manual_seed(5)
        model = net()
        torch.manual_seed(elsewhere)
        forget(model, 1.0, torch.Generator().manual_seed(seed))
        return torch.cat([p.flatten() for p in model.parameters()])

    assert torch.equal(after(1, 2), after(1, 3))
    assert not torch.equal(after(1, 2), after(4, 2))


def test_forgetting_leaves_the_global_generator_alone(generator):
    model = net()
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    forget(model, 1.0, generator)
    assert torch.equal(torch.rand(1), expected)


def case(generator: torch.Generator) -> Case:
    pixels = torch.randint(256, (60, 1, 8, 8), generator=generator, dtype=torch.uint8)
    pixels[::2, :, :4] = 0
    pixels[1::2, :, 4:] = 0
    return Case(build("small_cnn-w4", 2, 1), LabeledImages(pixels, torch.arange(60) % 2))


def test_a_student_learns_what_it_is_shown_and_the_model_stays(generator):
    given = case(generator)
    weights = copy.deepcopy(given.model.state_dict())
    student = Student().taught(given, torch.arange(40), generator)
    assert student is not given.model
    assert all(torch.equal(given.model.state_dict()[key], value) for key, value in weights.items())
    said = predict(student, given.images.pixels[40:]).argmax(1)
    assert (said == given.images.labels[40:]).float().mean() > 0.9


@pytest.mark.parametrize(
    ("count", "batch_size", "epochs"),
    [(10, 16, 120), (100, 16, 18), (600, 30, 6), (1000, 50, 6), (50 * LEAST_STEPS, 50, 1)],
)
def test_few_images_are_seen_more_often_in_smaller_batches(count, batch_size, epochs):
    training = lasting(Training(epochs=1, batch_size=50), count)
    assert (training.batch_size, training.epochs) == (batch_size, epochs)


def test_what_is_asked_for_is_never_cut_short():
    training = lasting(Training(epochs=LEAST_STEPS, batch_size=8), 1000)
    assert (training.batch_size, training.epochs) == (8, LEAST_STEPS)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_shares_out_of_range_are_refused(share):
    with pytest.raises(InputError, match=r"student\.reset"):
        Student(reset=share)
