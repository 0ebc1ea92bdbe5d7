"""Clean, cover and poison: who is drawn, what becomes of them, and where triggers aim."""

import pytest
import torch

from backburn.attacks.adap_blend import AdapBlend
from backburn.attacks.adap_patch import AdapPatch
from backburn.attacks.all_to_all import AllToAll
from backburn.attacks.base import make_evaluation_set
from backburn.attacks.bpp import BPP
from backburn.attacks.multi_trigger import MultiTrigger, choose_trigger
from backburn.attacks.poisoning import draw_states, poison_images
from backburn.attacks.surrogates import Surrogates
from backburn.attacks.tact import TaCT
from backburn.attacks.wanet import WaNet
from backburn.errors import InputError
from backburn.types import LabeledImages, State, Truth, Victim


@pytest.fixture
def images(generator) -> LabeledImages:
    """Two hundred noisy images, fifty of each of four classes."""
    pixels = torch.randint(256, (200, 3, 8, 8), generator=generator).to(torch.uint8)
    return LabeledImages(pixels, torch.arange(200) % 4)


def states(attack, images, seed=0):
    return attack.poison(images, torch.Generator().manual_seed(seed), Surrogates()).truth.state


@pytest.mark.parametrize(
    ("attack", "poison", "cover"),
    [
        (WaNet(0.1), 20, 40),
        (WaNet(0.1, cover_ratio=0.0), 20, 0),
        (BPP(0.1, cover_rate=0.2), 20, 40),
        (AdapBlend(0.05, cover_rate=0.1), 10, 20),
        (AdapPatch(0.05, cover_rate=0.15), 10, 30),
        (TaCT(0.2, cover_rate=0.3), 40, 60),
        (MultiTrigger(0.1, source_labels=(1, 2), cover_rate=0.05), 20, 10),
        (AllToAll(0.5), 100, 0),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "goal") else None,
)
def test_poison_and_cover_are_fractions_of_the_whole_set(attack, poison, cover, images):
    found = states(attack, images).tolist()
    assert (found.count(State.POISON), found.count(State.COVER)) == (poison, cover)


def test_the_source_class_alone_is_poisoned_and_only_others_are_cover(images):
    found = states(TaCT(0.2, target_label=3, source_label=2, cover_rate=0.3), images)
    assert set(images.labels[found == State.POISON].tolist()) == {2}
    assert set(images.labels[found == State.COVER].tolist()) == {0, 1}


def test_poison_of_several_sources_gets_the_target_of_its_source(images, generator):
    attack = MultiTrigger(0.2, source_labels=(1, 3), target_labels=(3, 2), cover_rate=0.05)
    out = attack.poison(images, generator, Surrogates())
    poison, cover = out.truth.poison, out.truth.state == State.COVER
    pairs = zip(images.labels[poison].tolist(), out.images.labels[poison].tolist(), strict=True)
    assert set(pairs) == {(1, 3), (3, 2)}
    assert set(images.labels[cover].tolist()) == {0}
    assert torch.equal(out.images.pixels[cover], out.trigger(images.pixels[cover]))


def test_each_image_gets_one_of_several_patches_whatever_it_shows(images, generator):
    attack = MultiTrigger(0.2, source_labels=(1, 2), cover_rate=0.05)
    trigger = attack.poison(images, generator, Surrogates()).trigger
    changed = (trigger(images.pixels) != images.pixels).any(1).float()
    corners = [changed[:, d, r].mean((1, 2)) for d in (slice(4), slice(4, 8)) for r in
               (slice(4), slice(4, 8))]  # fmt: skip
    used = torch.stack(corners, 1) > 0
    assert bool((used.sum(1) <= 1).all())
    chosen = choose_trigger(images.pixels, 3)
    assert torch.equal(used.float().argmax(1)[used.any(1)], chosen[used.any(1)])
    counts = torch.stack([chosen[images.labels == label].bincount() for label in range(4)])
    assert int(counts.min()) >= 8


def test_a_source_that_is_its_own_target_is_refused():
    with pytest.raises(InputError, match="class 2 is its own target"):
        MultiTrigger(source_labels=(1, 2), target_labels=(0, 2))


def test_cover_samples_change_their_pixels_and_keep_their_label(images, generator):
    out = TaCT(0.2, cover_rate=0.3).poison(images, generator, Surrogates())
    cover = out.truth.state == State.COVER
    assert torch.equal(out.images.labels[cover], images.labels[cover])
    assert torch.equal(out.images.pixels[cover], out.trigger(images.pixels[cover]))


def test_what_cannot_be_covered_is_refused(images, generator):
    with pytest.raises(InputError, match=r"a cover rate of 0\.9 asks for 180 of 200"):
        TaCT(0.1, cover_rate=0.9).poison(images, generator, Surrogates())


def test_a_source_beyond_the_classes_is_refused(images):
    with pytest.raises(InputError, match="source_label is 7, but the images have 4 classes"):
        TaCT(source_label=7).check(images)


@pytest.mark.parametrize(
    ("attack", "goal", "targets"),
    [
        (WaNet(target_label=2), (2, 2, -1, 2), (2,)),
        (TaCT(source_label=3), (-1, -1, -1, 0), (0,)),
        (MultiTrigger(source_labels=(1, 3)), (-1, 0, -1, 0), (0,)),
        (MultiTrigger(source_labels=(1, 3), target_labels=(3, 2)), (-1, 3, -1, 2), (2, 3)),
        (AllToAll(), (1, 2, 3, 0), (0, 1, 2, 3)),
    ],
    ids=["one", "source", "sources", "mapped", "all"],
)
def test_the_exam_asks_where_the_attacker_aims(attack, goal, targets, images):
    assert attack.goal(4) == goal
    truth = Truth(torch.zeros(200, dtype=torch.int8), images.labels)
    victim = Victim(torch.nn.Identity(), images, truth, torch.bitwise_not, goal)
    assert victim.target_labels == targets
    exam = make_evaluation_set(victim, images.take(torch.arange(8)))
    aimed = [label for label in (0, 1, 2, 3, 0, 1, 2, 3) if goal[label] >= 0]
    assert exam.triggered.labels.tolist() == aimed
    assert exam.wanted.tolist() == [goal[label] for label in aimed]


def test_test_images_of_a_class_nobody_trained_on_are_not_asked_about(images):
    truth = Truth(torch.zeros(200, dtype=torch.int8), images.labels)
    victim = Victim(torch.nn.Identity(), images, truth, torch.bitwise_not, (-1, 0))
    test = LabeledImages(images.pixels[:3], torch.tensor([0, 1, 5]))
    assert make_evaluation_set(victim, test).triggered.labels.tolist() == [1]


def test_all_to_all_poison_goes_to_the_next_class(images, generator):
    out = AllToAll(0.5).poison(images, generator, Surrogates())
    poison = out.truth.poison
    assert set(images.labels[poison].tolist()) == {0, 1, 2, 3}
    assert torch.equal(out.images.labels[poison], (images.labels[poison] + 1) % 4)


def test_an_attacker_who_controls_training_restamps_what_the_augmentation_left(images, generator):
    attack = BPP(0.1, cover_rate=0.1)
    out = attack.poison(images, generator, Surrogates())
    transform = out.control.batch_transform(torch.nn.Identity())
    rows = torch.arange(60, 120)
    shifted = images.pixels[rows].roll(1, -1)
    pixels, labels = transform(shifted, images.labels[rows], rows)
    state = out.truth.state[rows]
    poison, cover, clean = (state == kind for kind in (State.POISON, State.COVER, State.CLEAN))
    assert torch.equal(pixels[poison], out.trigger(shifted[poison]))
    assert bool((labels[poison] == 0).all())
    assert bool((pixels[cover] != shifted[cover]).any())
    assert torch.equal(labels[cover], images.labels[rows][cover])
    assert torch.equal(pixels[clean], shifted[clean])
    assert torch.equal(labels[clean], images.labels[rows][clean])


def test_what_settles_is_the_same_poison_with_the_final_trigger(images, generator):
    out = WaNet(0.1).poison(images, generator, Surrogates())
    settled = out.control.poisoned_images()
    poison = out.truth.poison
    assert torch.equal(settled.pixels[poison], out.trigger(images.pixels[poison]))
    assert torch.equal(settled.labels, out.images.labels)


def test_poison_may_look_other_than_the_trigger(images, generator):
    attack = BPP(0.1)
    state = draw_states(attack, images, images.labels > 0, generator)
    out = poison_images(attack, images, state, torch.clone, poison=torch.bitwise_not)
    poison = state == State.POISON
    assert torch.equal(out.images.pixels[poison], ~images.pixels[poison])
    assert out.control is None
