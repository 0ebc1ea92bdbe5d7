"""A training that goes wrong: a loss that is no number, memory that does not suffice."""

import copy

import pytest
import torch
from torch import nn

from backburn.data.augmentation import Augmentation
from backburn.errors import BackburnError
from backburn.models.inference import predict
from backburn.models.nets.zoo import build
from backburn.training import Training, TrainingTask, fit

PLAIN = Augmentation(0.0)
TRAINING = Training(epochs=3, batch_size=8, learning_rate=0.05, augmentation=PLAIN)


@pytest.fixture
def rows(generator) -> tuple[torch.Tensor, torch.Tensor]:
    pixels = torch.randint(256, (24, 1, 4, 4), generator=generator).to(torch.uint8)
    return pixels, torch.arange(24) % 3


def linear() -> nn.Module:
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.1)
    return model


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def poisoned_at(*steps: int):
    """An objective that is no number at these steps, counted over everything that is tried."""
    done = []

    def objective(model, images, labels):
        done.append(len(images))
        loss = nn.functional.cross_entropy(model(images).float(), labels, reduction="none")
        return loss * float("nan") if len(done) - 1 in steps else loss

    return objective


def test_a_training_that_diverges_goes_back_to_the_last_good_epoch_with_a_smaller_rate(rows):
    told, model = [], linear()
    task = TrainingTask(*rows, TRAINING, objective=poisoned_at(4), phase="burn")
    with pytest.warns(UserWarning, match="nan in burn: epoch 2 begins again with 0.1 of the"):
        losses = fit(model, task, seeded(), progress=lambda _, done, __: told.append(done))
    # the second epoch is told of again, from its beginning
    assert told == [8, 16, 24, 32, 32, 40, 48, 56, 64, 72]
    assert len(losses) == 3
    assert bool(weights(model).isfinite().all())


def test_after_it_diverged_it_learns_slowly_from_where_it_was(rows):
    short = Training(epochs=1, batch_size=8, learning_rate=0.05, augmentation=PLAIN)
    calm, wild, start = linear(), linear(), weights(linear())
    fit(calm, TrainingTask(*rows, short, objective=poisoned_at()), seeded())
    with pytest.warns(UserWarning, match="epoch 1 begins again"):
        fit(wild, TrainingTask(*rows, short, objective=poisoned_at(2)), seeded())
    moved = (weights(wild) - start).norm() / (weights(calm) - start).norm()
    assert 0.05 < float(moved) < 0.2


@pytest.mark.filterwarnings("ignore:the loss became")
def test_a_training_that_diverges_twice_is_an_error_that_says_what_to_do(rows):
    model = linear()
    nn.init.constant_(model[1].bias, float("nan"))
    with pytest.raises(BackburnError, match=r"loss became nan in burn.*: lower learning_rate"):
        fit(model, TrainingTask(*rows, TRAINING, phase="burn"), seeded())


def test_weights_that_the_last_step_made_infinite_are_noticed(rows):
    class Exploding(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(1.0))

        def forward(self, images):
            return images.flatten(1)[:, :3] * self.scale

    model = Exploding()
    once = Training(epochs=1, batch_size=24, learning_rate=1e12, augmentation=PLAIN)
    task = TrainingTask(*rows, once, objective=lambda m, x, y: m(x).float().sum(1) * 1e30)
    with (
        pytest.warns(UserWarning, match="a weight became infinite"),
        pytest.raises(BackburnError, match="a weight became infinite or no number in train"),
    ):
        fit(model, task, seeded())


class Cramped(nn.Module):
    """A model that has room for so many images at a time."""

    def __init__(self, inner: nn.Module, room: int):
        super().__init__()
        self.inner, self.room = inner, room

    def forward(self, images):
        if len(images) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.inner(images)


@pytest.mark.parametrize("room", [7, 3, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_where_memory_is_short_gradients_of_parts_add_up_to_those_of_the_whole(
    rows, room, weighted
):
    weight = torch.linspace(0.1, 1, 24) if weighted else None
    whole, cramped = linear(), Cramped(linear(), room)
    first = fit(whole, TrainingTask(*rows, TRAINING, weights=weight), seeded())
    with pytest.warns(UserWarning, match=r"memory is short: training on \d images at a time"):
        second = fit(cramped, TrainingTask(*rows, TRAINING, weights=weight), seeded())
    assert torch.allclose(weights(whole), weights(cramped), atol=2e-3)  # bf16
    assert not torch.allclose(weights(whole), weights(linear()), atol=2e-2)
    assert second == pytest.approx(first, abs=2e-3)


def test_batch_norm_is_never_given_one_image_alone(generator):
    pixels, labels = torch.zeros(5, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1, 0, 1, 0])
    model = Cramped(build("small_cnn-w2", 2, 1, generator=generator), 3)
    with pytest.warns(UserWarning, match="training on 2 images"):
        fit(model, TrainingTask(pixels, labels, Training(1, 5, augmentation=PLAIN)), generator)


def test_two_images_that_never_fit_are_an_error(rows, generator):
    with (
        pytest.warns(UserWarning, match="memory is short"),
        pytest.raises(BackburnError, match="not enough memory for training on 2 images"),
    ):
        fit(Cramped(linear(), 0), TrainingTask(*rows, TRAINING), generator)


def test_other_errors_of_a_step_are_passed_on(rows, generator):
    model = nn.Sequential(nn.Flatten(), nn.Linear(9, 3))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        fit(model, TrainingTask(*rows, TRAINING), generator)


def test_a_model_that_is_asked_more_than_fits_is_asked_in_parts(rows):
    inner = linear()
    with pytest.warns(UserWarning, match=r"memory is short: asking about \d+ images at a time"):
        said = predict(Cramped(inner, 6), rows[0])
    assert torch.allclose(said, predict(inner, rows[0]))


def test_layers_that_draw_do_so_by_the_seed_and_leave_torchs_generator_alone(rows):
    plain = linear()

    def trained(seed: int) -> torch.Tensor:
        model = nn.Sequential(copy.deepcopy(plain), nn.Dropout(0.5))
        fit(model, TrainingTask(*rows, TRAINING), torch.Generator().manual_seed(seed))
        return weights(model)

    first, before = trained(1), torch.get_rng_state()
    torch.rand(3)  # whatever else draws
    drawn = torch.get_rng_state()
    assert torch.equal(first, trained(1))
    assert torch.equal(torch.get_rng_state(), drawn)
    assert not torch.equal(before, drawn)
    assert not torch.equal(first, trained(2))
