"""What every attack must keep to.

In a test module of your own:

    import pytest
    from backburn.testing.attacks import CHECKS

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_my_attack(check):
        check(MyAttack(poisoning_rate=0.1))

An attack that trains auxiliary networks is best given small ones here.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..attacks.base import Attack, Planted, Recipe
from ..attacks.poisoning import relabeled
from ..attacks.surrogates import Surrogates
from ..data.augmentation import Augmentation
from ..training import Training
from ..types import LabeledImages, Pixels, State, Trigger
from .contract import hold

SIZES = ((1, 28), (3, 32), (3, 64), (3, 224))
"""Channels and side of the images that an attack must be able to poison."""

CLASSES = 4
TINY = Recipe("small_cnn-w4", Training(1, 32, augmentation=Augmentation(0.0)))


def contract_images(attack: Attack, channels: int = 3, side: int = 32) -> LabeledImages:
    """Noise, smooth shades, black and white: enough images for the attack's rates."""
    rates = [attack.poisoning_rate, getattr(attack, "cover_rate", 1.0)]
    count = max(24, math.ceil(2 / min(rates)))
    generator = torch.Generator().manual_seed(7)
    pixels = torch.randint(256, (count, channels, side, side), generator=generator)
    pixels[::2] = (pixels[::2, :, :1, :1] + torch.arange(side)).clamp(0, 255)
    pixels[0], pixels[1] = 0, 255
    return LabeledImages(pixels.to(torch.uint8), torch.arange(count) % CLASSES)


def plant(attack: Attack, images: LabeledImages, seed: int = 0) -> Planted:
    """The attack on these images, with nothing kept from earlier."""
    attack.check(images)
    return attack.plant(images, torch.Generator().manual_seed(seed), Surrogates())


def check_inputs_are_left_alone(attack: Attack) -> None:
    """Planting and triggering change neither the images nor the labels that were given."""
    images = contract_images(attack)
    pixels, labels = images.pixels.clone(), images.labels.clone()
    planted = plant(attack, images)
    planted.trigger(images.pixels)
    hold(torch.equal(images.pixels, pixels), "the attack changed the pixels that it was given")
    hold(torch.equal(images.labels, labels), "the attack changed the labels that it was given")


def check_the_rate_is_of_the_whole_set(attack: Attack) -> None:
    """Exactly `round(poisoning_rate * n)` images are poison, however many are eligible."""
    images = contract_images(attack)
    found = int(plant(attack, images).truth.poison.sum())
    wanted = round(attack.poisoning_rate * len(images))
    hold(found == wanted, f"{found} images are poison where the rate asks for {wanted}")


def check_the_truth_is_true(attack: Attack) -> None:
    """The truth has the given labels; clean images stay, and cover samples keep their label."""
    images = contract_images(attack)
    planted = plant(attack, images)
    state = planted.truth.state
    hold(torch.equal(planted.truth.labels, images.labels), "the truth has other labels")
    untouched = state == State.CLEAN
    same = torch.equal(planted.images.pixels[untouched], images.pixels[untouched])
    hold(same, "images that are not marked have other pixels")
    kept = state != State.POISON
    same = torch.equal(planted.images.labels[kept], images.labels[kept])
    hold(same, "clean images or cover samples have other labels")


def check_poison_goes_where_the_goal_says(attack: Attack) -> None:
    """Poison has the label that its class is sent to; in the target class it keeps its own."""
    images = contract_images(attack)
    planted, goal = plant(attack, images), attack.goal(CLASSES)
    hold(len(goal) == CLASSES, f"the goal has {len(goal)} entries for {CLASSES} classes")
    hold(all(-1 <= label < CLASSES for label in goal), f"the goal {goal} names no class")
    poison = planted.truth.poison
    true, given = images.labels[poison], planted.images.labels[poison]
    hold(torch.equal(given, relabeled(true, goal)), "poison has another label than its goal")
    sources = {label for label, wanted in enumerate(goal) if wanted >= 0} | set(goal)
    strangers = set(true.tolist()) - sources
    hold(not strangers, f"poison of class {strangers}, which is neither source nor target")


def check_one_seed_gives_the_same_bytes(attack: Attack) -> None:
    """Images, labels, states and the trigger repeat; another seed takes other images."""
    images = contract_images(attack)
    first, second, other = (plant(attack, images, seed) for seed in (1, 1, 2))
    for part in ("pixels", "labels"):
        same = torch.equal(getattr(first.images, part), getattr(second.images, part))
        hold(same, f"the {part} differ between two runs with one seed")
    hold(torch.equal(first.truth.state, second.truth.state), "other images were taken")
    same = torch.equal(first.trigger(images.pixels), second.trigger(images.pixels))
    hold(same, "the trigger differs between two runs with one seed")
    moved = not torch.equal(first.truth.state, other.truth.state)
    hold(moved, "two seeds take the same images: draw from the generator")


def check_the_trigger_is_a_function_of_each_image(attack: Attack) -> None:
    """Same bytes every time, uint8 of the same shape; a batch changes nothing but rounding."""
    images = contract_images(attack)
    trigger = plant(attack, images).trigger
    out = _triggered(trigger, images.pixels)
    hold(torch.equal(trigger(images.pixels), out), "the trigger differs from call to call")
    alone = torch.cat([trigger(images.pixels[row : row + 1]) for row in range(8)])
    apart = (alone.short() - out[:8].short()).abs()
    hold(int(apart.max()) <= 1, "an image's trigger depends on the batch that it comes in")
    hold(float((apart > 0).float().mean()) < 0.001, "the batch changes more than rounding")
    backwards = _triggered(trigger, images.pixels.flip(0)).flip(0)
    apart = (backwards.short() - out.short()).abs()
    hold(int(apart.max()) <= 1, "an image's trigger depends on its place in the batch")
    _triggered(trigger, images.pixels[:0])


def check_the_trigger_does_something(attack: Attack) -> None:
    """On many images some pixel changes; a warp leaves smooth shades as they are."""
    images = contract_images(attack)
    out = plant(attack, images).trigger(images.pixels)
    changed = (out != images.pixels).flatten(1).any(1).float().mean()
    hold(float(changed) > 0.4, f"the trigger changes {changed:.0%} of the images")


def check_nothing_wraps_around(attack: Attack) -> None:
    """Where an image gets one shade brighter, pixels do not jump from white to black."""
    images = contract_images(attack)
    trigger = plant(attack, images).trigger
    shades = torch.arange(256, dtype=torch.uint8)[:, None, None, None]
    out = trigger(shades.expand(-1, *images.pixels.shape[1:]).contiguous()).short()
    jumps = ((out[1:] - out[:-1]).abs() > 160).any(0).float().mean()
    hold(float(jumps) < 0.05, f"{jumps:.0%} of the pixels wrap around: clip before the cast")


def check_every_size_works(attack: Attack) -> None:
    """28, 32, 64 and 224 pixels, one channel and three."""
    for channels, side in SIZES:
        images = contract_images(attack, channels, side)
        planted = plant(attack, images)
        hold(planted.images.pixels.dtype == torch.uint8, "the poisoned images are not uint8")
        same = planted.images.pixels.shape == images.pixels.shape
        hold(same, f"poisoned images of another shape at {channels}x{side}x{side}")
        _triggered(planted.trigger, images.pixels[:4])


def check_a_victim_can_be_trained(attack: Attack) -> None:
    """`mount` keeps the drawn states, and the victim's images are what the truth says."""
    images = contract_images(attack)
    victim = attack.mount(images, TINY, torch.Generator().manual_seed(0))
    hold(not victim.model.training, "the victim is left in training mode")
    hold(victim.images.pixels.dtype == torch.uint8, "the victim's images are not uint8")
    wanted = round(attack.poisoning_rate * len(images))
    hold(int(victim.truth.poison.sum()) == wanted, "training changed how many images are poison")
    clean = victim.truth.state == State.CLEAN
    same = torch.equal(victim.images.pixels[clean], images.pixels[clean])
    hold(same, "training changed clean images")


CHECKS: tuple[Callable[[Attack], None], ...] = (
    check_inputs_are_left_alone,
    check_the_rate_is_of_the_whole_set,
    check_the_truth_is_true,
    check_poison_goes_where_the_goal_says,
    check_one_seed_gives_the_same_bytes,
    check_the_trigger_is_a_function_of_each_image,
    check_the_trigger_does_something,
    check_nothing_wraps_around,
    check_every_size_works,
    check_a_victim_can_be_trained,
)


def check_attack(attack: Attack) -> None:
    """Every check in turn.

    Raises:
        ContractError: a rule that the attack breaks, in words.
    """
    for check in CHECKS:
        check(attack)


def _triggered(trigger: Trigger, pixels: Pixels) -> Tensor:
    before = pixels.clone()
    out = trigger(pixels)
    hold(out.dtype == torch.uint8, f"the trigger returns {out.dtype}: round, clip, then cast")
    hold(out.shape == pixels.shape, f"the trigger returns shape {tuple(out.shape)}")
    hold(torch.equal(pixels, before), "the trigger changed the pixels that it was given")
    return out
