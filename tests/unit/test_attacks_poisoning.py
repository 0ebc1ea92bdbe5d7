"""Which images are poisoned, and what the referee is told about them."""

import pytest
import torch
from torch import nn

from backburn.attacks.badnets import BadNets
from backburn.attacks.base import Recipe, make_evaluation_set
from backburn.attacks.blended import Blended
from backburn.attacks.none import NoAttack
from backburn.attacks.sig import SIG
from backburn.attacks.surrogates import Surrogates
from backburn.data.augmentation import Augmentation
from backburn.errors import InputError
from backburn.training import Training
from backburn.types import LabeledImages, State, Truth, Victim

QUICK = Recipe("small_cnn-w2", Training(1, 20, augmentation=Augmentation(0.0, False)))


@pytest.fixture
def images() -> LabeledImages:
    """Forty noisy images, ten of each of four classes."""
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(256, (40, 3, 8, 8), generator=generator).to(torch.uint8)
    return LabeledImages(pixels, torch.arange(40) % 4, tuple("abcd"), tuple(map(str, range(40))))


@pytest.mark.parametrize("kind", [BadNets, Blended])
@pytest.mark.parametrize(("rate", "count"), [(0.1, 4), (0.13, 5), (0.02, 1), (0.75, 30)])
def test_a_dirty_label_attack_poisons_a_share_of_the_whole_set(
    kind, rate, count, images, generator
):
    planted = kind(rate, 2).poison(images, generator, Surrogates())
    poison = planted.truth.poison
    assert int(poison.sum()) == count
    assert bool((images.labels[poison] != 2).all())
    assert bool((planted.images.labels[poison] == 2).all())
    assert torch.equal(planted.images.labels[~poison], images.labels[~poison])


@pytest.mark.parametrize(("rate", "count"), [(0.1, 4), (0.13, 5), (0.25, 10)])
def test_a_clean_label_attack_poisons_the_target_class_and_changes_no_label(
    rate, count, images, generator
):
    planted = SIG(rate, 2).poison(images, generator, Surrogates())
    poison = planted.truth.poison
    assert int(poison.sum()) == count
    assert bool((images.labels[poison] == 2).all())
    assert torch.equal(planted.images.labels, images.labels)


@pytest.mark.parametrize("attack", [BadNets(0.2, 1), Blended(0.2, 1), SIG(0.2, 1)], ids=str)
def test_poisoned_images_carry_the_trigger_and_all_others_stay(attack, images, generator):
    before = images.pixels.clone(), images.labels.clone()
    planted = attack.poison(images, generator, Surrogates())
    poison = planted.truth.poison
    assert torch.equal(planted.images.pixels[poison], planted.trigger(images.pixels[poison]))
    assert torch.equal(planted.images.pixels[~poison], images.pixels[~poison])
    assert planted.images.names == images.names
    assert torch.equal(images.pixels, before[0])
    assert torch.equal(images.labels, before[1])


@pytest.mark.parametrize("attack", [BadNets(0.2, 1), SIG(0.2, 1), NoAttack()], ids=str)
def test_the_truth_holds_true_labels_and_states(attack, images, generator):
    truth = attack.poison(images, generator, Surrogates()).truth
    assert torch.equal(truth.labels, images.labels)
    poisoned = 0 if isinstance(attack, NoAttack) else 8
    assert truth.state.tolist().count(State.POISON) == poisoned
    assert truth.state.tolist().count(State.CLEAN) == 40 - poisoned


def test_the_generator_decides_which_images_are_poisoned(images):
    chosen = [
        BadNets(0.2).poison(images, torch.Generator().manual_seed(seed), Surrogates()).truth.state
        for seed in (1, 1, 2)
    ]
    assert torch.equal(chosen[0], chosen[1])
    assert not torch.equal(chosen[0], chosen[2])


def test_no_attack_leaves_everything(images, generator):
    planted = NoAttack().poison(images, generator, Surrogates())
    assert torch.equal(planted.images.pixels, images.pixels)
    assert torch.equal(planted.images.labels, images.labels)
    assert torch.equal(planted.trigger(images.pixels), images.pixels)


@pytest.mark.parametrize(
    ("attack", "wanted", "pool"),
    [(BadNets(0.8), 32, 30), (Blended(0.8), 32, 30), (SIG(0.3), 12, 10), (BadNets(0.01), 0, 30)],
    ids=str,
)
def test_a_rate_that_the_set_cannot_serve_is_refused(attack, wanted, pool, images, generator):
    with pytest.raises(InputError, match=f"asks for {wanted} of 40 images, but {pool} can"):
        attack.poison(images, generator, Surrogates())


def test_a_target_beyond_the_classes_is_refused(images, generator):
    with pytest.raises(InputError, match="target_label is 4, but the images have 4 classes"):
        BadNets(0.1, 4).train_victim(images, QUICK, generator)


def test_mounting_trains_a_victim_on_the_poisoned_images(images, generator):
    victim = BadNets(0.2, 1).train_victim(images, QUICK, generator)
    assert victim.goal == (1, -1, 1, 1)
    assert victim.target_labels == (1,)
    assert not victim.model.training
    assert torch.equal(victim.images.labels != images.labels, victim.truth.poison)
    assert victim.case().images is victim.images


def test_mounting_twice_with_one_seed_gives_one_victim(images):
    first, second = (
        SIG(0.2, 1).train_victim(images, QUICK, torch.Generator().manual_seed(3)).model.state_dict()
        for _ in range(2)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_clean_victim_has_no_target_and_nothing_triggered_to_be_judged_on(images, generator):
    victim = NoAttack().train_victim(images, QUICK, generator)
    exam = make_evaluation_set(victim, images)
    assert victim.goal == (-1,) * 4
    assert victim.target_labels == ()
    assert (len(exam.clean), len(exam.triggered), len(exam.wanted)) == (40, 0, 0)


def test_an_exam_triggers_every_image_that_is_not_of_the_target_class(images):
    def darken(pixels):
        return pixels // 2

    truth = Truth(torch.zeros(40, dtype=torch.int8), images.labels)
    exam = make_evaluation_set(Victim(nn.Identity(), images, truth, darken, (3, 3, 3, -1)), images)
    others = [row for row in range(40) if row % 4 != 3]
    assert exam.triggered.names == tuple(map(str, others))
    assert exam.triggered.labels.tolist() == [row % 4 for row in others]
    assert torch.equal(exam.triggered.pixels, images.pixels[others] // 2)
    assert exam.wanted.tolist() == [3] * 30
    assert exam.clean is images
