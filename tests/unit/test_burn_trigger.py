"""Estimating a trigger from the suspects, and stamping it on clean images."""

import pytest
import torch

from backburn.burn.trigger import StampTrigger, estimate_trigger
from backburn.types import LabeledImages, Suspects

SHAPE = (2, 3, 3)


def suspects(index: list[int]) -> Suspects:
    rows = torch.tensor(index)
    zeros = torch.zeros(len(rows), dtype=torch.int64)
    return Suspects(rows, zeros, zeros + 1, torch.ones(len(rows)))


@pytest.fixture
def trigger() -> torch.Tensor:
    planted = torch.zeros(SHAPE)
    planted[:, -1, -1], planted[0, 0, 0] = 90, -30
    return planted


def test_an_added_trigger_is_found(trigger, generator):
    labels = torch.arange(4).repeat(60)
    pixels = torch.randint(60, 160, (240, *SHAPE), generator=generator).float()
    poison = (torch.arange(240) < 40).nonzero().flatten()
    pixels[poison] += trigger
    labels[poison] = 0
    images = LabeledImages(pixels.to(torch.uint8), labels)
    found = estimate_trigger(images, suspects(poison.tolist()), (0,))
    assert (found - trigger).abs().max() < 15  # three standard errors of a mean of 40


def test_the_other_classes_count_equally_and_the_target_not_at_all():
    levels = [200, 200, 0, 10, 10, 10, 50]
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 2])
    pixels = torch.tensor(levels, dtype=torch.uint8)[:, None, None, None].expand(-1, *SHAPE)
    found = estimate_trigger(LabeledImages(pixels, labels), suspects([0, 1]), (0,))
    assert torch.equal(found, torch.full(SHAPE, 200.0 - (10 + 50) / 2))


def test_suspects_of_another_class_do_not_count_as_its_images():
    levels, labels = [100, 40, 90, 20], torch.tensor([0, 1, 1, 2])
    pixels = torch.tensor(levels, dtype=torch.uint8)[:, None, None, None].expand(-1, *SHAPE)
    found = estimate_trigger(LabeledImages(pixels, labels), suspects([0, 2]), (0,))
    assert torch.equal(found, torch.full(SHAPE, 95.0 - (40 + 20) / 2))


@pytest.fixture
def batch(generator) -> tuple[torch.Tensor, torch.Tensor]:
    pixels = torch.randint(256, (400, *SHAPE), generator=generator).to(torch.uint8)
    return pixels, torch.arange(400) % 5


def test_a_share_of_nothing_changes_nothing(batch, trigger, generator):
    pixels, labels = StampTrigger(trigger, 0.0, generator)(*batch)
    assert torch.equal(pixels, batch[0])
    assert torch.equal(labels, batch[1])


def test_all_images_get_the_trigger_and_keep_their_labels(batch, trigger, generator):
    pixels, labels = StampTrigger(trigger, 1.0, generator)(*batch)
    expected = (batch[0].int() + trigger.int()).clamp(0, 255)
    assert torch.equal(pixels.int(), expected)
    assert pixels.dtype == torch.uint8
    assert torch.equal(labels, batch[1])


def test_a_stamp_rounds_and_leaves_the_batch_as_it_was(batch, generator):
    before = batch[0].clone()
    pixels, _ = StampTrigger(torch.full(SHAPE, 0.6), 1.0, generator)(*batch)
    assert torch.equal(pixels.int(), (before.int() + 1).clamp_max(255))
    assert torch.equal(batch[0], before)


def test_a_share_of_the_images_gets_the_whole_trigger_or_nothing(batch, generator):
    pixels = torch.full_like(batch[0], 100)
    stamped, _ = StampTrigger(torch.full(SHAPE, 50.0), 0.3, generator)(pixels, batch[1])
    levels = stamped.flatten(1)
    assert bool((levels == levels[:, :1]).all())
    assert set(levels[:, 0].tolist()) == {100, 150}
    assert 80 < int((levels[:, 0] == 150).sum()) < 160  # 120 expected, standard deviation 9


def test_the_generator_says_who_gets_it(batch, trigger):
    def stamped(seed: int) -> torch.Tensor:
        return StampTrigger(trigger, 0.5, torch.Generator().manual_seed(seed))(*batch)[0]

    assert torch.equal(stamped(1), stamped(1))
    assert not torch.equal(stamped(1), stamped(2))
