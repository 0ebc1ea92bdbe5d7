"""Auxiliary networks: trained once, kept by what they were made from, made again when damaged."""

from dataclasses import replace

import pytest
import torch

from backburn.attacks.surrogates import Surrogates, draw_seed
from backburn.data.augmentation import Augmentation
from backburn.executor.interface import LocalExecutor
from backburn.models.nets.zoo import build
from backburn.training import Training, fit
from backburn.types import LabeledImages

PLAIN = Training(1, 20, augmentation=Augmentation(0.0))


@pytest.fixture
def images(generator) -> LabeledImages:
    pixels = torch.randint(256, (40, 1, 8, 8), generator=generator).to(torch.uint8)
    return LabeledImages(pixels, torch.arange(40) % 2)


def network(seed: int = 0):
    return build("small_cnn-w4", 2, 1, generator=torch.Generator().manual_seed(seed))


class Counted(LocalExecutor):
    """Notes the phases that were really trained."""

    def __init__(self):
        self.trained = []

    def fit(self, model, task, generator, **options) -> list[float]:
        self.trained.append(task.phase)
        return fit(model, task, generator, **options)


@pytest.fixture
def executor() -> Counted:
    return Counted()


def weights(model) -> torch.Tensor:
    return torch.cat([value.flatten().float() for value in model.state_dict().values()])


def test_what_was_trained_once_is_taken_from_the_folder(tmp_path, images, executor):
    kept = Surrogates(tmp_path / "deep" / "kept", executor=executor)
    first, second = (kept.fit(network(), images, PLAIN, 1, "train: this") for _ in range(2))
    assert executor.trained == ["train"]
    assert torch.equal(weights(first), weights(second))
    assert not torch.equal(weights(first), weights(network()))
    assert not second.training
    assert [path.suffix for path in (tmp_path / "deep" / "kept").iterdir()] == [".safetensors"]


def test_without_a_folder_it_is_trained_every_time_to_the_same_weights(images, executor):
    first, second = (
        Surrogates(executor=executor).fit(network(), images, PLAIN, 1, "train") for _ in range(2)
    )
    assert len(executor.trained) == 2
    assert torch.equal(weights(first), weights(second))


@pytest.mark.parametrize("other", ["weights", "pixels", "labels", "training", "seed", "purpose"])
def test_anything_else_is_trained_anew(tmp_path, images, executor, other):
    kept = Surrogates(tmp_path, executor=executor)
    kept.fit(network(), images, PLAIN, 1, "train: 8")
    changed = {
        "pixels": images.relabeled(images.pixels + 1, images.labels),
        "labels": images.relabeled(images.pixels, 1 - images.labels),
    }.get(other, images)
    training = replace(PLAIN, learning_rate=0.2) if other == "training" else PLAIN
    kept.fit(
        network(1 if other == "weights" else 0),
        changed,
        training,
        2 if other == "seed" else 1,
        "train: 9" if other == "purpose" else "train: 8",
    )
    assert len(executor.trained) == 2


@pytest.mark.parametrize("content", [b"", b"junk", None])
def test_a_damaged_file_is_made_again(tmp_path, images, executor, content):
    kept = Surrogates(tmp_path, executor=executor)
    first = kept.fit(network(), images, PLAIN, 1, "train")
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-9] if content is None else content)
    second = kept.fit(network(), images, PLAIN, 1, "train")
    assert len(executor.trained) == 2
    assert torch.equal(weights(first), weights(second))
    assert file.read_bytes() == whole


def test_a_file_of_another_network_is_made_again(tmp_path, images, executor):
    from safetensors.torch import save

    kept = Surrogates(tmp_path, executor=executor)
    kept.fit(network(), images, PLAIN, 1, "train")
    (file,) = tmp_path.iterdir()
    file.write_bytes(save({"other": torch.zeros(2)}))
    kept.fit(network(), images, PLAIN, 1, "train")
    assert len(executor.trained) == 2


def test_a_seed_for_a_part_leaves_the_rest_the_same(generator):
    twin = torch.Generator().manual_seed(0)
    part = torch.Generator().manual_seed(draw_seed(generator))
    torch.rand(100, generator=part)
    draw_seed(twin)
    assert torch.equal(torch.rand(5, generator=generator), torch.rand(5, generator=twin))
