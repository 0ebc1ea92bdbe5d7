"""Images, triggers, poison and counts of the study of ordinary PyTorch scripts."""

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from backburn.types import LabeledImages

BENCHMARK = str(Path(__file__).resolve().parents[1] / "benchmark")
sys.path.insert(0, BENCHMARK)  # its modules import each other by name
try:
    import script_images
    import script_models
    import script_triggers as triggers
    from kinds import EVERY, Poison, plant
    from script_case import Case, clean_label, cover, mark, poison
    from script_cases import CASES
    from script_networks import NETWORKS
    from script_table import table
    from script_training import train
finally:
    sys.path.remove(BENCHMARK)

LABELS = torch.arange(200) % 10
SETTINGS = {"data": "digits", "images": 200, "network": "MLP", "epochs": 1}


@pytest.fixture
def pixels(generator):
    """Color images of random pixels."""
    return torch.randint(0, 256, (200, 3, 32, 32), generator=generator, dtype=torch.uint8)


def test_names_are_unique_and_a_third_of_the_cases_are_clean():
    assert max(Counter(case.name for case in CASES).values()) == 1
    assert sum(not case.attacked for case in CASES) >= 14
    assert 3 * sum(not case.attacked for case in CASES) >= len(CASES)


def test_every_network_is_used_on_attacked_and_clean_images():
    for attacked in (True, False):
        used = {case.network for case in CASES if case.attacked == attacked}
        assert used <= set(NETWORKS)
        assert len(used) >= 6
    assert {case.network for case in CASES} == set(NETWORKS)


def test_no_case_plants_more_than_its_classes_hold():
    for case in CASES:
        each = script_images.class_sizes(case.images, len(case.classes) or 10, case.imbalance)
        if case.data == "gtsrb" and not case.classes:
            continue  # all sources are used, and they hold 4,200 images
        for planted in case.planted:
            sources = planted.sources or tuple(k for k in range(len(each)) if k != planted.target)
            assert planted.images <= sum(each[k] for k in sources), case.name


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(("channels", "side"), [(1, 32), (3, 48)])
def test_networks_give_a_logit_for_each_class(network, channels, side):
    model = NETWORKS[network](channels, 7, side)
    assert model(torch.rand(2, channels, side, side)).shape == (2, 7)


EVERYWHERE = {
    "noise": triggers.noise(0.15),
    "smooth pattern": triggers.smooth_pattern(0.2),
    "sinusoid": triggers.sinusoid(20),
    "warp": triggers.warp,
    "random warps": triggers.random_warps,
    "tint": triggers.tint,
    "brighter": triggers.brighter,
    "gray": triggers.gray,
}
"""Triggers of whole images; tint and gray are for color alone."""
SQUARES = {triggers.patch: 16, triggers.second_patch: 16, triggers.sticker: 36}


@pytest.mark.parametrize("name", EVERYWHERE)
def test_triggers_keep_shape_and_type_and_change_every_image(name, pixels):
    before = pixels.clone()
    changed = EVERYWHERE[name](pixels)
    assert changed.shape == pixels.shape
    assert changed.dtype == torch.uint8
    assert torch.equal(pixels, before)
    assert (changed != pixels).flatten(1).any(1).all()


@pytest.mark.parametrize("trigger", SQUARES)
@pytest.mark.parametrize("channels", [1, 3])
def test_squares_change_no_pixel_outside(trigger, channels, pixels):
    before = pixels[:, :channels].clone()
    changed = (trigger(pixels[:, :channels]) != pixels[:, :channels]).any(1)
    assert torch.equal(pixels[:, :channels], before)
    assert (changed.sum((1, 2)) <= SQUARES[trigger]).all()
    for image in changed[:20]:
        rows, columns = image.nonzero().unbind(1)
        side = SQUARES[trigger] ** 0.5
        assert max(rows.max() - rows.min(), columns.max() - columns.min()) < side


def test_stickers_lie_at_many_places(pixels):
    changed = (triggers.sticker(pixels) != pixels).any(1)
    assert len({tuple(image.nonzero()[0].tolist()) for image in changed}) > 100


def test_a_border_and_a_watermark_leave_the_rest_alone(pixels):
    framed, marked = triggers.border(pixels), triggers.watermark(pixels)
    assert torch.equal(framed[..., 1:-1, 1:-1], pixels[..., 1:-1, 1:-1])
    assert (framed[..., 0, :] == 128).all()
    assert torch.equal(marked[..., :20, :], pixels[..., :20, :])
    assert (marked >= pixels).all()


def test_a_small_noise_opacity_changes_values_a_little(pixels):
    changed = triggers.noise(0.1)(pixels).int() - pixels.int()
    assert changed.abs().max() <= 26


POISONS = {  # poisons, images with a trigger, labels that change
    "others": ((poison(triggers.patch, 20, 3),), 20, 20),
    "clean label": ((clean_label(triggers.patch, 15, 3),), 15, 0),
    "two targets": ((poison(triggers.patch, 9, 3), poison(triggers.second_patch, 8, 7)), 17, 17),
    "one source with cover": (
        (Poison(triggers.patch, 12, (1,), 5), cover(triggers.patch, 11, (0, 2))),
        12,
        12,
    ),
    "all-to-all": ((Poison(triggers.patch, 30, EVERY, None),), 30, 30),
    "mark": ((mark(triggers.border, 6, 4),), 0, 0),
}


@pytest.mark.parametrize("kind", POISONS)
def test_poison_has_its_count_its_labels_and_its_trigger(kind, pixels, generator):
    poisons, count, relabeled = POISONS[kind]
    changed, labels = plant(pixels, LABELS, poisons, generator)
    altered = (changed != pixels).flatten(1).any(1)
    assert int(altered.sum()) == sum(each.images for each in poisons)
    assert int(labels.poisoned.sum()) == count
    assert int((labels.given != LABELS).sum()) == relabeled
    assert torch.equal(labels.true, LABELS)
    assert altered[labels.poisoned].all()
    assert (labels.given == LABELS)[~labels.poisoned].all()


def test_poison_comes_from_its_sources_and_goes_to_its_target(pixels, generator):
    _, one = plant(pixels, LABELS, POISONS["one source with cover"][0], generator)
    assert set(LABELS[one.poisoned].tolist()) == {1}
    assert set(one.given[one.poisoned].tolist()) == {5}
    _, every = plant(pixels, LABELS, POISONS["all-to-all"][0], generator)
    assert torch.equal(every.given[every.poisoned], (LABELS[every.poisoned] + 1) % 10)


def test_triggers_are_measured_on_images_whose_label_they_are_to_change():
    def aimed_at(planted):
        return set(LABELS[script_models.is_aimed_at(planted, LABELS, 10)].tolist())

    every = set(range(10))
    assert aimed_at(poison(triggers.patch, 1, 3)) == every - {3}
    assert aimed_at(clean_label(triggers.patch, 1, 3)) == every - {3}
    assert aimed_at(Poison(triggers.patch, 1, (1,), 5)) == {1}
    assert aimed_at(Poison(triggers.patch, 1, EVERY, 0)) == every - {0}
    assert aimed_at(Poison(triggers.patch, 1, EVERY, None)) == every


def hits(triggered, plain):
    """Of 100 images, so many reach the goal with the trigger, and so many without."""
    numbers = torch.arange(100)
    return torch.stack([numbers < triggered, numbers < plain])


def test_a_victim_counts_if_its_trigger_works_and_images_without_do_not():
    case = Case("", **SETTINGS, planted=(poison(triggers.patch, 5, 3),))
    assert script_models.working_targets(case, [hits(50, 20)], 10) == {3}
    assert script_models.working_targets(case, [hits(49, 0)], 10) == set()
    assert script_models.working_targets(case, [hits(90, 61)], 10) == set()


def test_of_several_triggers_each_target_needs_one_that_works():
    two = Case("", **SETTINGS, planted=POISONS["two targets"][0])
    assert script_models.working_targets(two, [hits(99, 0), hits(9, 0)], 10) == set()
    assert script_models.working_targets(two, [hits(99, 0), hits(98, 0)], 10) == {3, 7}
    same = Case("", **SETTINGS, planted=(poison(triggers.patch, 5, 3),) * 2)
    assert script_models.working_targets(same, [hits(9, 0), hits(99, 0)], 10) == {3}
    every = Case("", **SETTINGS, planted=POISONS["all-to-all"][0])
    assert script_models.working_targets(every, [hits(99, 0)], 4) == {0, 1, 2, 3}
    marked = Case("", **SETTINGS, planted=POISONS["mark"][0])
    assert script_models.working_targets(marked, [hits(99, 0)], 10) == set()


def test_right_is_the_verdict_with_exactly_the_targets():
    def said(state, *targets):
        return SimpleNamespace(state=state, target_labels=targets)

    assert script_models.is_right(said("backdoored", 3), {3}) == "yes"
    assert script_models.is_right(said("backdoored", 3, 4), {3}) == "no"
    assert script_models.is_right(said("suspicious", 3), {3}) == "no"
    assert script_models.is_right(said("clean"), set()) == ""


def test_classes_are_merged_and_left_out(pixels):
    images = script_images.grouped(LabeledImages(pixels, LABELS), ((2, 9), (5,)))
    assert images.labels.bincount().tolist() == [40, 20]
    assert torch.equal(images.pixels[images.labels == 1], pixels[LABELS == 5])


def test_sizes_of_a_long_tail_fall_twentyfold():
    sizes = script_images.class_sizes(3000, 10, 20)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] / sizes[-1] == pytest.approx(20, rel=0.02)
    assert script_images.class_sizes(100, 10) == [10] * 10


def test_copies_are_a_quarter_more_and_two_images_often(pixels, generator):
    images = script_images.with_copies(LabeledImages(pixels, LABELS), generator, copies=30)
    counts = Counter(image.numpy().tobytes() for image in images.pixels)
    assert len(images) == 200 + 50 + 60
    assert sorted(counts.values())[-2] >= 31
    assert len(counts) == 200


def test_wrong_labels_are_as_many_as_asked_and_only_where_they_may_be(generator):
    eligible = LABELS < 5
    labels = script_images.mislabeled(LABELS, eligible, 0.1, 10, generator)
    assert int((labels != LABELS).sum()) == 20
    assert torch.equal(labels[~eligible], LABELS[~eligible])


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_training_fits_its_images_and_ends_in_evaluation_mode(optimizer, generator):
    digits, _ = script_images.read("digits", Path())
    pixels, labels = digits.pixels[:257], digits.labels[:257]  # one image is left over
    case = replace(CASES[0], optimizer=optimizer, epochs=8, augmented=True)
    torch.manual_seed(0)
    model = NETWORKS["MLP"](1, 10, 32)
    train(model, case, pixels, labels, generator)
    assert not model.training
    assert (script_models.predicted(model, pixels) == labels).double().mean() > 0.5


def test_the_table_counts_victims_and_clean_models():
    row = dict.fromkeys(("case", "network", "targets", "labels_right", "p_value"), "")
    row |= {"seed": "101", "training_accuracy": "0.99", "accuracy": "0.9", "poison": "5"}
    row |= {"found": "4", "clean_flagged": "0", "asr": "", "asr_without_trigger": ""}
    clean = row | {"attacked": "no", "right": ""}
    victim = row | {"attacked": "yes", "asr": "0.950", "asr_without_trigger": "0.010"}
    rows = [clean | {"verdict": state} for state in ("clean", "suspicious", "abstained")]
    rows += [victim | {"verdict": "backdoored", "right": right} for right in ("yes", "no", "")]
    text = table(rows)
    assert "| 101 | 2 | 1 | 3 | 1 | 1 |" in text
    assert "95 (1)" in text
