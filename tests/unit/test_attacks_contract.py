"""Every attack under the public contract suite, and that the suite sees what is wrong."""

from dataclasses import dataclass, replace

import pytest
import torch

from attack_suite import SUITE
from backburn.attacks.base import Attack, PoisonedData
from backburn.attacks.poisoning import dirty_label, draw_states, poison_images
from backburn.registry import ATTACKS
from backburn.testing.attacks import CHECKS, check_attack
from backburn.testing.contract_error import ContractError


def test_no_attack_is_left_out():
    assert {type(attack) for attack in SUITE} == set(ATTACKS.values()) - {ATTACKS["none"]}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__[6:])
@pytest.mark.parametrize("attack", SUITE, ids=lambda attack: type(attack).__name__)
def test_the_contract_is_kept(attack, check):
    check(attack)


@dataclass(frozen=True)
class Stamp(Attack):
    """What a third party might write; `fault` breaks it."""

    poisoning_rate: float = 0.25
    fault: str = ""

    def poison(self, images, generator, surrogates):
        if self.fault == "inputs":
            images.pixels[5] = 9
        if self.fault == "seed":
            generator = torch.Generator().manual_seed(torch.seed())
        if self.fault == "stuck":
            generator = torch.Generator().manual_seed(0)
        others = images.labels != self.target_label
        if self.fault == "rate":
            asked = replace(self, poisoning_rate=self.poisoning_rate * 0.75)
            return dirty_label(asked, images, self.trigger, generator)
        state = draw_states(self, images, others, generator)
        out = poison_images(self, images, state, self.trigger)
        labels, pixels = out.images.labels.clone(), out.images.pixels.clone()
        clean = (~out.truth.poison).nonzero().flatten()
        if self.fault == "labels":
            labels[clean[0]] = (labels[clean[0]] + 1) % 4
        if self.fault == "goal":
            labels[out.truth.poison] = 1
        if self.fault == "pixels":
            pixels[clean[2]] = 7
        return PoisonedData(images.relabeled(pixels, labels), out.truth, self.trigger)

    def trigger(self, pixels):
        if self.fault == "size" and pixels.shape[-1] > 200:
            return pixels[..., :200]
        if self.fault == "wrap":
            return pixels + 30
        if self.fault == "float":
            return pixels.float()
        if self.fault == "nothing":
            return pixels.clone()
        out = pixels if self.fault == "in place" else pixels.clone()
        out[..., -2:, -2:] = 255
        if self.fault == "batch" and len(out):
            out[..., 0, 0] = out.float().mean().to(torch.uint8)
        if self.fault == "chance":
            out[..., 0, 0] = torch.randint(256, ())
        return out


def test_an_attack_of_a_third_party_passes():
    check_attack(Stamp())


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("inputs", "changed the pixels"),
        ("in place", "changed the pixels"),
        ("rate", "where the rate asks for"),
        ("labels", "clean images or cover samples have other labels"),
        ("pixels", "not marked have other pixels"),
        ("goal", "another label than its goal"),
        ("seed", "differ between two runs with one seed|other images were taken"),
        ("stuck", "two seeds take the same images"),
        ("batch", "the batch that it comes in"),
        ("chance", "differ"),
        ("wrap", "wrap around"),
        ("float", "returns torch.float32|dtypes match"),
        ("nothing", "changes 0% of the images"),
        ("size", "poisoned|shape"),
    ],
)
def test_a_broken_contract_is_said(fault, message):
    with pytest.raises((ContractError, RuntimeError), match=message):
        check_attack(Stamp(fault=fault))
