"""Is a low accuracy all there is to be had? Told by what a last layer learns of half the images."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from backburn.fit import FitCheck
from backburn.fit.fine_tuned_accuracy import _halves, resolve_low_accuracy
from backburn.results import Verdict
from backburn.types import Case, LabeledImages

CLASSES, COUNT = 4, 1200


class Shades(nn.Module):
    """The shade of each quarter of an image, and a last layer that calls the brightest one."""

    def __init__(self, turned: int = 0, scale: float = 8):
        super().__init__()
        self.head = nn.Linear(CLASSES, CLASSES, bias=False)
        with torch.no_grad():
            eye = torch.eye(CLASSES)
            self.head.weight.copy_(scale * (eye + turned * 0.45 * eye.roll(1, 0)))

    def features(self, images: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(images, 2).flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


class Closed(nn.Module):
    """The same, of which nobody knows what comes before the logits."""

    def __init__(self, turned: int = 0):
        super().__init__()
        self.inner = Shades(turned, scale=1)

    def forward(self, images: Tensor) -> Tensor:
        return self.inner(images)


@pytest.fixture(scope="module")
def images() -> LabeledImages:
    """One quarter is brighter than the others, but for noise: of some it is not the brightest."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(COUNT) % CLASSES
    shades = 110 + 30 * torch.randn(COUNT, CLASSES, generator=generator)
    shades += 60 * nn.functional.one_hot(labels, CLASSES)
    pixels = shades.clamp(0, 255).byte().view(-1, 1, 2, 2).repeat_interleave(2, 2)
    return LabeledImages(pixels.repeat_interleave(2, 3), labels)


def judged(model: nn.Module, images: LabeledImages) -> Verdict:
    """What becomes of a verdict that the fit withheld."""
    check = FitCheck()
    fit = check.measure(model, images)
    assert check.least < fit.accuracy < check.accuracy
    verdict = Verdict("abstained", (), 1.0, reason=fit.reason)
    return resolve_low_accuracy(verdict, fit, check, Case(model, images))


@pytest.mark.parametrize("kind", [Shades, Closed])
def test_a_model_that_does_as_well_as_can_be_is_called_clean(images, kind):
    verdict = judged(kind(), images)
    assert (verdict.state, verdict.reason) == ("clean", "")


@pytest.mark.parametrize("kind", [Shades, Closed])
def test_a_model_that_could_do_better_is_not(images, kind):
    verdict = judged(kind(turned=1), images)
    assert verdict.state == "abstained"
    assert "Fine-tuned on half of them, it calls" in verdict.reason


def test_what_was_not_withheld_for_its_accuracy_stays(images):
    found = Verdict("backdoored", (1,), 0.001)
    fit = replace(FitCheck().measure(Shades(), images), reason="")
    assert resolve_low_accuracy(found, fit, FitCheck(), Case(Shades(), images)) is found


def test_the_model_is_left_as_it_was(images):
    model = Shades(turned=1)
    before = model.head.weight.clone()
    judged(model, images)
    assert torch.equal(model.head.weight, before)
    assert model.head.weight.grad is None


def test_no_copy_of_a_learnt_image_is_held_out(generator):
    pixels = torch.randint(256, (40, 1, 4, 4), generator=generator).byte()
    trained, held_out = _halves(pixels)
    assert sorted([*trained.tolist(), *held_out.tolist()]) == list(range(40))
    pixels[held_out[0]] = pixels[trained[0]]
    assert _halves(pixels)[1].tolist() == held_out[1:].tolist()
    alike = torch.zeros(10, 1, 4, 4, dtype=torch.uint8)
    assert len(_halves(alike)[1]) == 5  # nothing else could be measured
