import math
from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from backburn.metrics import (
    Scores,
    auroc,
    der,
    evaluate_model,
    score_detection,
    share_of_true,
    stealth,
)
from backburn.results import Evidence, Suspects
from backburn.types import EvaluationSet, LabeledImages, State, Truth


class SaysItsPixel(nn.Module):
    """Takes an image of the constant k for class k."""

    def forward(self, images):
        said = (images[:, 0, 0, 0] * 255).round().long()
        return nn.functional.one_hot(said, 4).float()


def labeled(said: list[int], labels: list[int]) -> LabeledImages:
    pixels = torch.tensor(said, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 2)
    return LabeledImages(pixels.clone(), torch.tensor(labels, dtype=torch.int64))


def truth(state: list[State], labels: list[int]) -> Truth:
    return Truth(torch.tensor(state, dtype=torch.int8), torch.tensor(labels))


def suspects(index: list[int], restored: list[int]) -> Suspects:
    rows = torch.tensor(index, dtype=torch.int64)
    return Suspects(
        rows,
        torch.zeros_like(rows),
        torch.tensor(restored, dtype=torch.int64),
        torch.ones(len(index)),
    )


def evidence(score: list[float]) -> Evidence:
    scores = torch.tensor(score)
    return Evidence(scores, scores > 0.5)


def test_a_rate_is_the_share_of_true():
    assert share_of_true(torch.tensor([True, False, False, True, True])) == pytest.approx(0.6)


def test_a_rate_of_nothing_is_no_number():
    assert math.isnan(share_of_true(torch.tensor([], dtype=torch.bool)))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((0.9, 1.0), (0.9, 0.0), 1.0),
        ((0.9, 1.0), (0.8, 0.0), 0.95),
        ((0.9, 1.0), (0.9, 1.0), 0.5),
        ((0.9, 0.5), (0.95, 0.5), 0.5),
        ((0.9, 0.5), (0.9, 0.8), 0.5),
        ((1.0, 0.5), (0.0, 0.9), 0.0),
    ],
    ids=["perfect", "costly", "nothing", "acc rises", "asr rises", "ruined"],
)
def test_der_rewards_a_fall_of_asr_and_punishes_a_fall_of_acc(before, after, expected):
    scores = [Scores(acc, asr, 0.0) for acc, asr in (before, after)]
    assert der(*scores) == pytest.approx(expected)


def test_auroc_is_the_share_of_pairs_in_order_with_ties_as_halves():
    score = torch.tensor([0.9, 0.4, 0.5, 0.4, 0.1])
    positive = torch.tensor([True, True, False, False, False])
    # of 6 pairs, 0.9 wins three; 0.4 loses one, ties one and wins one
    assert auroc(score, positive) == pytest.approx(4.5 / 6)


@pytest.mark.parametrize("kind", [True, False])
def test_auroc_of_one_kind_only_is_no_number(kind):
    assert math.isnan(auroc(torch.tensor([0.1, 0.9]), torch.tensor([kind, kind])))


def test_a_model_is_judged_on_clean_and_on_triggered_images():
    clean = labeled([0, 1, 2, 3], [0, 1, 2, 0])
    triggered = labeled([3, 3, 1, 2, 0], [0, 1, 1, 0, 0])
    scores = evaluate_model(SaysItsPixel(), EvaluationSet(clean, triggered, torch.full((5,), 3)))
    assert scores == Scores(acc=3 / 4, asr=2 / 5, ra=2 / 5)


def test_without_triggered_images_asr_and_ra_are_no_numbers():
    clean, nothing = labeled([0, 1], [0, 0]), torch.tensor([], dtype=torch.int64)
    scores = evaluate_model(SaysItsPixel(), EvaluationSet(clean, clean.take(nothing), nothing))
    assert scores.acc == 0.5
    assert math.isnan(scores.asr)
    assert math.isnan(scores.ra)


def test_suspects_are_matched_with_the_truth():
    clean, poison = State.CLEAN, State.POISON
    found = score_detection(
        evidence([0.9, 0.2, 0.8, 0.1, 0.3, 0.7]),
        suspects([0, 2, 5], [1, 2, 3]),
        truth([poison, poison, clean, clean, clean, poison], [1, 0, 2, 0, 0, 0]),
    )
    assert found.tpr == pytest.approx(2 / 3)
    assert found.fpr == pytest.approx(1 / 3)
    assert found.restored == pytest.approx(1 / 2), "0 is restored to 1 rightly, 5 to 3 wrongly"
    assert found.auroc == pytest.approx(6 / 9), "0.9 wins 3 pairs, 0.7 two, 0.2 one"
    assert found.count == 3


def test_cover_images_count_neither_as_poison_nor_as_clean():
    clean, cover, poison = State
    labels = [0, 0, 0, 0]
    with_cover = score_detection(
        evidence([0.1, 0.8, 0.9, 0.95]),
        suspects([1, 3], [0, 0]),
        truth([clean, poison, cover, cover], labels),
    )
    assert (with_cover.tpr, with_cover.fpr, with_cover.restored) == (1.0, 0.0, 1.0)
    assert with_cover.auroc == 1.0


def test_no_suspects_find_nothing_and_restore_nothing():
    found = score_detection(
        evidence([0.1, 0.2]), suspects([], []), truth([State.CLEAN, State.POISON], [0, 0])
    )
    assert (found.tpr, found.fpr, found.count) == (0.0, 0.0, 0)
    assert math.isnan(found.restored)


def test_a_clean_case_has_no_tpr_but_an_fpr():
    found = score_detection(
        evidence([0.9, 0.2]), suspects([0], [1]), truth([State.CLEAN, State.CLEAN], [0, 0])
    )
    assert found.fpr == 0.5
    assert math.isnan(found.tpr)
    assert math.isnan(found.auroc)
    assert math.isnan(found.restored)


@pytest.mark.parametrize("channels", [1, 3])
def test_psnr_is_the_mean_over_images_in_decibels(channels):
    plain = torch.full((4, channels, 16, 16), 100, dtype=torch.uint8)
    marked = plain.clone()
    marked[0] += 10
    marked[1] += 20
    found = stealth(plain, marked)  # two images stay as they are and do not count
    expected = [10 * math.log10(255**2 / change**2) for change in (10, 20)]
    assert found.psnr == pytest.approx(sum(expected) / 2, abs=1e-3)


def test_ssim_falls_with_the_noise_and_is_that_of_the_paper(generator):
    plain = torch.randint(256, (3, 1, 24, 24), generator=generator).to(torch.uint8)
    noise = torch.randn(3, 1, 24, 24, generator=generator)
    few, many = (
        stealth(plain, (plain + scale * noise).clamp(0, 255).round().to(torch.uint8)).ssim
        for scale in (10, 60)
    )
    assert 0 < many < few < 1
    # of two flat images only the means count: (2 a b + c) / (a^2 + b^2 + c)
    flat = torch.full((1, 1, 24, 24), 100, dtype=torch.uint8)
    c = (0.01 * 255) ** 2
    luminance = (2 * 100 * 150 + c) / (100**2 + 150**2 + c)
    assert stealth(flat, flat + 50).ssim == pytest.approx(luminance, abs=1e-3)


def test_a_trigger_that_does_nothing_has_no_stealth():
    plain = torch.zeros((2, 3, 16, 16), dtype=torch.uint8)
    found = stealth(plain, plain)
    assert math.isnan(found.psnr)
    assert math.isnan(found.ssim)


FRACTIONS = st.floats(0, 1)
SCORES = st.builds(Scores, FRACTIONS, FRACTIONS, FRACTIONS)


@given(SCORES, SCORES, FRACTIONS)
def test_der_is_a_fraction_that_a_better_repair_does_not_lower(before, after, other):
    assert 0 <= der(before, after) <= 1
    assert der(before, before) == 0.5
    low, high = sorted([after.asr, other])
    assert der(before, replace(after, asr=low)) >= der(before, replace(after, asr=high))
    low, high = sorted([after.acc, other])
    assert der(before, replace(after, acc=low)) <= der(before, replace(after, acc=high))


RANKED = st.lists(st.tuples(st.integers(-20, 20), st.booleans()), min_size=2, max_size=40)
"""Scores, which may be tied, and whether they are of positives."""


def columns(ranked: list[tuple[int, bool]]) -> tuple[torch.Tensor, torch.Tensor]:
    score, positive = (torch.tensor(column) for column in zip(*ranked, strict=True))
    assume(0 < int(positive.sum()) < len(positive))
    return score.float(), positive


@settings(deadline=None, max_examples=40)
@given(RANKED)
def test_auroc_is_the_same_by_any_increasing_map_of_the_scores(ranked):
    score, positive = columns(ranked)
    expected = auroc(score, positive)
    for mapped in (3 * score - 7, score**3, (score / 8).exp(), score.atan()):
        assert auroc(mapped, positive) == pytest.approx(expected)


@settings(deadline=None, max_examples=40)
@given(RANKED)
def test_auroc_counts_pairs_and_its_complement_those_in_the_wrong_order(ranked):
    score, positive = columns(ranked)
    gaps = score[positive][:, None] - score[~positive]
    pairs = ((gaps > 0).double() + (gaps == 0).double() / 2).mean()
    assert auroc(score, positive) == pytest.approx(float(pairs))
    assert auroc(-score, positive) == pytest.approx(1 - float(pairs))
    assert auroc(score, ~positive) == pytest.approx(1 - float(pairs))


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from(State), FRACTIONS, st.booleans()), min_size=1, max_size=30)
)
def test_rates_are_fractions_or_no_number_and_rise_with_the_suspects(rows):
    states, score, flags = (list(column) for column in zip(*rows, strict=True))
    named = [row for row, flag in enumerate(flags) if flag]
    found, everything = (
        score_detection(
            evidence(score),
            suspects(index, [0] * len(index)),
            truth(states, [0] * len(rows)),
        )
        for index in (named, list(range(len(rows))))
    )
    assert found.count == len(named)
    for kind, rate, most in (
        (State.POISON, found.tpr, everything.tpr),
        (State.CLEAN, found.fpr, everything.fpr),
    ):
        assert (kind not in states) == math.isnan(rate)
        assert math.isnan(rate) or 0 <= rate <= most == 1
    known = {State.POISON, State.CLEAN} <= set(states)
    assert 0 <= found.auroc <= 1 if known else math.isnan(found.auroc)
