"""Estimating a trigger from the suspects, and stamping it on clean images."""

import pytest
import torch

from backburn.burn.apply_trigger import TriggerStamp
from backburn.burn.decoupling import Decoupling
from backburn.burn.restoration import RestoredSuspects
from backburn.burn.trigger_estimate import AffineTrigger, estimate_trigger
from backburn.detection.interventions.quantization import QuantizationChange
from backburn.results import Suspects

SHAPE = (2, 3, 3)
ROWS = torch.arange(400)


@pytest.fixture
def trigger() -> torch.Tensor:
    planted = torch.zeros(SHAPE)
    planted[:, -1, -1], planted[0, 0, 0] = 90, -30
    return planted


def added(values: torch.Tensor) -> AffineTrigger:
    return AffineTrigger(torch.ones(SHAPE), values, torch.zeros(SHAPE))


PATCH = torch.zeros(SHAPE)
PATCH[:, -1, -1] = 1
KINDS = {
    "added": (torch.ones(SHAPE), 30 * PATCH - 10),
    "blended": (torch.full(SHAPE, 0.8), 0.2 * torch.linspace(0, 255, 18).view(SHAPE)),
    "patch": (1 - PATCH, 200 * PATCH),
}


@pytest.fixture
def planted(request, generator) -> tuple[torch.Tensor, torch.Tensor, AffineTrigger]:
    """Images before and after every fifth of them got a trigger, and what is estimated of it."""
    scale, shift = KINDS[request.param]
    before = torch.randint(60, 160, (4000, *SHAPE), generator=generator).float()
    poison = torch.arange(4000) % 5 == 0
    after = torch.where(poison[:, None, None, None], before * scale + shift, before)
    rows = [side.nonzero().flatten() for side in (poison, ~poison)]
    found = estimate_trigger(after.round().to(torch.uint8), rows[0], [(rows[1], 1.0)])
    return before[poison], after[poison], found


@pytest.mark.parametrize("planted", KINDS, indirect=True)
def test_scale_and_shift_of_a_trigger_are_found(planted, request):
    _, _, found = planted
    scale, shift = KINDS[request.node.callspec.params["planted"]]
    assert (found.scale - scale).abs().max() < 0.08
    assert (found.scale * 110 + found.shift - scale * 110 - shift).abs().max() < 5


@pytest.mark.parametrize("planted", KINDS, indirect=True)
def test_a_trigger_is_undone_where_something_is_left_of_the_image(planted):
    before, after, found = planted
    undone = found.invert(after.round().to(torch.uint8)).float()
    legible = found.scale.expand_as(before) >= 0.5
    assert (undone - before)[legible].abs().mean() < 6
    assert torch.equal(undone[~legible], found.mean.round().expand_as(undone)[~legible])
    assert legible.float().mean() > 0.8


def test_a_trigger_is_put_on_in_uint8_without_wrapping_around():
    pixels = torch.tensor([0, 100, 250], dtype=torch.uint8)[:, None, None, None].expand(-1, *SHAPE)
    stamped = added(torch.full(SHAPE, 20.4)).apply(pixels)
    assert stamped[:, 0, 0, 0].tolist() == [20, 120, 255]
    assert stamped.dtype == torch.uint8


def test_groups_of_plain_images_count_by_weight_whatever_their_sizes():
    levels = [180, 220, 0, 10, 10, 10, 50]
    pixels = torch.tensor(levels, dtype=torch.uint8)[:, None, None, None].expand(-1, *SHAPE)
    none = torch.tensor([], dtype=torch.long)
    plain = [(torch.tensor([3, 4, 5]), 0.75), (none, 0.5), (torch.tensor([6]), 0.25)]
    found = estimate_trigger(pixels, torch.tensor([0, 1]), plain)
    assert torch.allclose(found.scale, torch.ones(SHAPE))
    assert torch.allclose(found.shift, torch.full(SHAPE, 200.0 - 20))
    assert torch.allclose(found.mean, torch.full(SHAPE, 20.0))


def test_the_energy_of_a_trigger_is_its_squared_difference_to_the_mean_image():
    shape = torch.Size((1, 2, 2))
    scale, shift = torch.tensor([1.0, 1.0, 0.5, 0.0]), torch.tensor([3.0, 0.0, 0.0, 110.0])
    trigger = AffineTrigger(scale.view(shape), shift.view(shape), torch.full(shape, 100.0))
    assert trigger.energy == pytest.approx(3**2 + 50**2 + 10**2)


def test_less_spread_is_a_smaller_scale():
    pixels = torch.tensor([100, 40, 90, 20], dtype=torch.uint8)[:, None, None, None]
    pixels = pixels.expand(-1, *SHAPE)
    found = estimate_trigger(pixels, torch.tensor([0, 2]), [(torch.tensor([1, 3]), 1.0)])
    assert torch.allclose(found.scale, torch.full(SHAPE, 5 / 10))
    assert torch.allclose(found.shift, torch.full(SHAPE, 95.0 - 5 / 10 * 30))


@pytest.fixture
def batch(generator) -> tuple[torch.Tensor, torch.Tensor]:
    pixels = torch.randint(256, (400, *SHAPE), generator=generator).to(torch.uint8)
    return pixels, torch.arange(400) % 5


def test_a_share_of_nothing_changes_nothing(batch, trigger, generator):
    pixels, labels = TriggerStamp((added(trigger),), 0.0, generator)(*batch, ROWS)
    assert torch.equal(pixels, batch[0])
    assert torch.equal(labels, batch[1])


def test_all_images_get_the_trigger_and_keep_their_labels(batch, trigger, generator):
    pixels, labels = TriggerStamp((added(trigger),), 1.0, generator)(*batch, ROWS)
    expected = (batch[0].int() + trigger.int()).clamp(0, 255)
    assert torch.equal(pixels.int(), expected)
    assert pixels.dtype == torch.uint8
    assert torch.equal(labels, batch[1])


def test_a_stamp_rounds_and_leaves_the_batch_as_it_was(batch, generator):
    before = batch[0].clone()
    pixels, _ = TriggerStamp((added(torch.full(SHAPE, 0.6)),), 1.0, generator)(*batch, ROWS)
    assert torch.equal(pixels.int(), (before.int() + 1).clamp_max(255))
    assert torch.equal(batch[0], before)


def test_a_share_of_the_images_gets_the_whole_trigger_or_nothing(batch, generator):
    pixels = torch.full_like(batch[0], 100)
    stamped, _ = TriggerStamp((added(torch.full(SHAPE, 50.0)),), 0.3, generator)(
        pixels, batch[1], ROWS
    )
    levels = stamped.flatten(1)
    assert bool((levels == levels[:, :1]).all())
    assert set(levels[:, 0].tolist()) == {100, 150}
    assert 80 < int((levels[:, 0] == 150).sum()) < 160  # 120 expected, standard deviation 9


def test_the_generator_says_who_gets_it(batch, trigger):
    def stamped(seed: int) -> torch.Tensor:
        return TriggerStamp((added(trigger),), 0.5, torch.Generator().manual_seed(seed))(
            *batch, ROWS
        )[0]

    assert torch.equal(stamped(1), stamped(1))
    assert not torch.equal(stamped(1), stamped(2))


def test_a_stamp_of_a_quantization_remembers_its_table(batch, generator):
    change = QuantizationChange((torch.arange(256) // 64 * 64).byte().expand(SHAPE[0], -1))
    stamp = TriggerStamp((change,), 1.0, generator)
    assert set(stamp(*batch, ROWS)[0].unique().tolist()) == {0, 64, 128, 192}
    assert torch.equal(stamp.get_state()["table"], change.table)


def test_of_two_triggers_each_stamped_image_gets_one(batch, generator):
    triggers = added(torch.full(SHAPE, 50.0)), added(torch.full(SHAPE, 90.0))
    stamp = TriggerStamp(triggers, 0.6, generator)
    stamped, labels = stamp(torch.full_like(batch[0], 100), batch[1], ROWS)
    levels = stamped.flatten(1)
    assert bool((levels == levels[:, :1]).all())
    counts = {level: int((levels[:, 0] == level).sum()) for level in (100, 150, 190)}
    assert sum(counts.values()) == 400
    # 160 and twice 120 expected, standard deviation 10
    assert all(
        abs(counts[level] - mean) < 50 for level, mean in [(100, 160), (150, 120), (190, 120)]
    )
    assert torch.equal(labels, batch[1])


def test_a_stamp_of_two_triggers_remembers_both_and_draws_on(batch, trigger, generator):
    stamp = TriggerStamp((added(trigger), added(2 * trigger)), 0.5, generator)
    kept = stamp.get_state()
    assert torch.equal(kept["shift"], trigger)
    assert torch.equal(kept["shift1"], 2 * trigger)
    first = stamp(*batch, ROWS)[0]
    assert not torch.equal(stamp(*batch, ROWS)[0], first)
    stamp.set_state(kept)
    assert torch.equal(stamp(*batch, ROWS)[0], first)


def test_every_trigger_that_is_known_is_stamped(trigger, generator):
    nobody = torch.zeros(0, dtype=torch.long)
    suspects = Suspects(nobody, nobody, nobody, torch.zeros(0))
    one, other = added(trigger), added(-trigger)
    stamp = Decoupling().stamp(RestoredSuspects(suspects, (one, None, other)), generator)
    assert stamp is not None
    assert stamp.triggers == (one, other)
    assert Decoupling().stamp(RestoredSuspects(suspects, (None,)), generator) is None
