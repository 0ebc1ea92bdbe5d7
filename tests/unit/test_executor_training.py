"""A training that was stopped goes on where it was, to the same weights to the bit."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from backburn.attacks.base import Attack, Recipe
from backburn.attacks.bpp import BPP
from backburn.attacks.grond import Grond
from backburn.attacks.grond_training import AdversarialBackdoorInjection
from backburn.attacks.input_aware import InputAware
from backburn.attacks.wanet import WaNet
from backburn.data.augmentation import Augmentation
from backburn.executor.interface import LOCAL, Executor
from backburn.executor.resumable import ResumableExecutor
from backburn.models.nets.zoo import build
from backburn.training import Training, TrainingTask
from backburn.types import LabeledImages, no_progress

SGD = Training(epochs=2, batch_size=8, learning_rate=0.05, augmentation=Augmentation(flip=True))
ADAM = replace(SGD, optimizer="adam", learning_rate=1e-3)
STEPS = 6


class StoppedError(Exception):
    pass


def stop_at(step: int):
    """Progress that stops a training of 24 images once so many steps are done."""

    def tell(_: str, done: int, __: int) -> None:
        if done >= 8 * step:
            raise StoppedError

    return tell


@pytest.fixture
def images(generator) -> LabeledImages:
    pixels = torch.randint(256, (24, 1, 8, 8), generator=generator).to(torch.uint8)
    return LabeledImages(pixels, torch.arange(24) % 3)


@pytest.fixture
def model(generator) -> nn.Module:
    """Batch norm has statistics, dropout draws."""
    net = build("small_cnn-w2", 3, 1, generator=generator)
    return nn.Sequential(net, nn.Dropout(0.3))


class Ended:
    """How a training ended."""

    def __init__(
        self,
        executor: Executor,
        model: nn.Module,
        images: LabeledImages,
        training,
        progress=no_progress,
        **more,
    ):
        self.model, self.generator = copy.deepcopy(model), torch.Generator().manual_seed(5)
        task = TrainingTask(images.pixels, images.labels, training, **more)
        self.losses = executor.fit(self.model, task, self.generator, progress=progress)

    __hash__ = None

    def __eq__(self, other: object) -> bool:
        ours, theirs = self.model.state_dict(), other.model.state_dict()
        return (
            self.losses == other.losses
            and all(torch.equal(ours[name], theirs[name]) for name in ours)
            and torch.equal(self.generator.get_state(), other.generator.get_state())
        )


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("training/*"))


@pytest.mark.parametrize("step", range(1, STEPS))
@pytest.mark.parametrize("training", [SGD, ADAM], ids=["sgd", "adam"])
def test_it_goes_on_from_every_step(training, step, model, images, tmp_path):
    weights = torch.linspace(0.5, 1, 24)
    executor = ResumableExecutor(tmp_path, min_interval=0)
    with pytest.raises(StoppedError):
        Ended(executor, model, images, training, weights=weights, progress=stop_at(step + 1))
    told = []
    resumed = Ended(
        executor, model, images, training, weights=weights, progress=lambda *x: told.append(x[1])
    )
    assert told == [8 * k for k in range(step + 1, STEPS + 1)]
    assert resumed == Ended(LOCAL, model, images, training, weights=weights)
    assert resumed != Ended(LOCAL, model, images, replace(training, epochs=1), weights=weights)


def test_what_is_finished_is_taken_whole(model, images, tmp_path):
    executor, told = ResumableExecutor(tmp_path, min_interval=0), []
    first = Ended(executor, model, images, SGD)
    before = {path: path.stat().st_mtime_ns for path in kept(tmp_path)}
    again = Ended(executor, model, images, SGD, progress=lambda *x: told.append(x))
    assert again == first
    assert not again.model.training
    assert told == []
    assert {path: path.stat().st_mtime_ns for path in kept(tmp_path)} == before


@pytest.mark.parametrize(
    "changed",
    ["weights", "pixels", "labels", "training", "rows", "phase", "model", "frozen", "after_epoch"],
)
def test_what_was_made_from_something_else_is_not_taken(changed, model, images, tmp_path):
    executor = ResumableExecutor(tmp_path, min_interval=0)
    Ended(executor, model, images, SGD)
    training, more = SGD, {}
    if changed in ("pixels", "labels"):
        columns = {"pixels": images.pixels, "labels": images.labels}
        columns[changed] = columns[changed].flip(0)
        images = images.relabeled(columns["pixels"], columns["labels"])
    elif changed == "training":
        training = replace(SGD, momentum=0.5)
    elif changed == "model":
        nn.init.constant_(model[0].head.bias, 0.1)
    elif changed == "frozen":
        model[0].head.bias.requires_grad_(False)
    else:
        more = {
            "weights": {"weights": torch.ones(24)},
            "rows": {"rows": torch.arange(23)},
            "phase": {"phase": "x"},
            "after_epoch": {"after_epoch": AdversarialBackdoorInjection(0.5, (1, 8, 8))},
        }[changed]
    assert Ended(executor, model, images, training, **more) == Ended(
        LOCAL, model, images, training, **more
    )
    assert len(kept(tmp_path)) == 2


def test_a_damaged_checkpoint_is_said_and_not_used(model, images, tmp_path):
    executor = ResumableExecutor(tmp_path, min_interval=0)
    with pytest.raises(StoppedError):
        Ended(executor, model, images, SGD, progress=stop_at(4))
    (path,) = kept(tmp_path)
    whole = bytearray(path.read_bytes())
    whole[-1] ^= 1
    path.write_bytes(whole)
    with pytest.warns(UserWarning, match="is damaged: what it kept is done again"):
        resumed = Ended(executor, model, images, SGD)
    assert resumed == Ended(LOCAL, model, images, SGD)


def test_a_training_that_is_soon_over_is_worth_no_file(model, images, tmp_path):
    Ended(ResumableExecutor(tmp_path), model, images, SGD)
    assert kept(tmp_path) == []


def test_a_batch_transform_that_cannot_be_kept_begins_anew(model, images, tmp_path):
    def brighter(pixels, labels, index):
        return pixels // 2 + 128, labels

    executor = ResumableExecutor(tmp_path, min_interval=0)
    with pytest.raises(StoppedError):
        Ended(executor, model, images, SGD, batch_transform=brighter, progress=stop_at(3))
    assert kept(tmp_path) == []
    resumed = Ended(executor, model, images, SGD, batch_transform=brighter)
    assert resumed == Ended(LOCAL, model, images, SGD, batch_transform=brighter)


class Drifting:
    """An objective that is no number once the bias has drifted far; it may be stopped at a call."""

    def __init__(self, far: float = float("inf"), stop: int = 0):
        self.far, self.stop, self.drifts = far, stop, []

    def __call__(self, model, images, labels) -> torch.Tensor:
        drift = model[0].head.bias.sum()
        self.drifts.append(float(drift.detach()))
        if len(self.drifts) == self.stop:
            raise StoppedError
        loss = nn.functional.cross_entropy(model(images).float(), labels, reduction="none")
        return (loss - drift) * (float("nan") if self.drifts[-1] > self.far else 1)


@pytest.mark.filterwarnings("ignore:the loss became nan")
@pytest.mark.parametrize("stop", range(2, 9))
def test_one_that_diverges_ends_as_if_it_had_not_been_stopped(stop, model, images, tmp_path):
    calm = Drifting()
    Ended(LOCAL, model, images, SGD, objective=calm)
    far = calm.drifts[4] - 1e-6  # no number in the middle of the second epoch
    whole = Drifting(far)
    expected = Ended(LOCAL, model, images, SGD, objective=whole)
    assert len(whole.drifts) == STEPS + 2
    executor = ResumableExecutor(tmp_path, min_interval=0)
    with pytest.raises(StoppedError):
        Ended(executor, model, images, SGD, objective=Drifting(far, stop))
    assert Ended(executor, model, images, SGD, objective=Drifting(far)) == expected


BRIEF = replace(ADAM, epochs=1)
GROND = Grond(0.1, steps=2, u=0.5, surrogate=Recipe("small_cnn-w2", BRIEF))
CONTROLLING = [BPP(), GROND, InputAware(mask_training=BRIEF, width=4), WaNet()]


@pytest.mark.parametrize("attack", CONTROLLING, ids=lambda attack: type(attack).__name__)
def test_an_attacker_who_controls_the_training_goes_on_too(attack: Attack, images, tmp_path):
    recipe = Recipe("small_cnn-w2", replace(SGD, epochs=3))

    def mounted(executor: Executor, **more):
        generator = torch.Generator().manual_seed(1)
        victim = attack.train_victim(images, recipe, generator, executor=executor, **more)
        weights = list(victim.model.state_dict().values())
        return [*weights, victim.images.pixels, victim.trigger(images.pixels)]

    def tell(phase: str, done: int, _: int) -> None:
        if phase == "train the victim" and done >= 24 * 2 - 8:
            raise StoppedError

    expected, executor = mounted(LOCAL), ResumableExecutor(tmp_path, min_interval=0)
    with pytest.raises(StoppedError):
        mounted(executor, progress=tell)
    told = []
    for _ in range(2):
        told.append([])
        ours = mounted(executor, progress=lambda *x: told[-1].append(x))
        assert all(map(torch.equal, ours, expected))
    steps = [done for phase, done, _ in told[0] if phase == "train the victim"]
    assert min(steps) == 24 * 2 - 8
    assert told[1] == []  # nothing is trained once more
