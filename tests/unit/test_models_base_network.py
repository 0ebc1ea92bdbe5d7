"""The base of a fine-tuned model: which weights are its own, and which were drawn anew."""

import pytest
import torch
from torch import nn

from backburn.errors import InputError
from backburn.models.base_network import load_base
from backburn.models.open.open_encoder import Encoder
from backburn.models.wrapping import WrappedModel


def network(classes: int, seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(1))
    return nn.Sequential(body, nn.Flatten(), nn.Linear(8, classes))


def wrapped(net: nn.Module) -> WrappedModel:
    return WrappedModel(net, ((0.5,) * 3, (0.5,) * 3)).eval()


def tuned(base: nn.Module, *, body: bool) -> nn.Sequential:
    """A network of two classes with the base's body, which was trained on or not."""
    own = network(2, 9)
    own[0].load_state_dict(base[0].state_dict())
    if body:
        with torch.no_grad():
            own[0][0].weight.add_(0.1)
    return own


@pytest.mark.parametrize("body", [False, True])
def test_a_base_has_its_own_body_and_a_new_head(body):
    base = network(1000, 0)
    model = wrapped(tuned(base, body=body))
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    found = load_base(model, base.state_dict(), "base.pt", 3)
    held = found.network.net
    assert all(torch.equal(w, base[0].state_dict()[n]) for n, w in held[0].state_dict().items())
    assert not torch.equal(held[2].weight, model.net[2].weight)
    assert found.reinitialized == ("net.2.weight", "net.2.bias")
    assert found.head_only == (not body)
    words = "3 of 6 parameters were" if body else "its head alone was"
    assert f"base: base.pt; {words} fine-tuned; drawn anew: 'net.2.weight'" in found.report(
        "base.pt"
    )
    assert all(torch.equal(w, before[n]) for n, w in model.state_dict().items())


def test_what_fine_tuning_left_alone_needs_no_gradient():
    base = network(1000, 0)
    found = load_base(wrapped(tuned(base, body=True)), base.state_dict(), "base.pt", 0)
    trained = {name for name, p in found.network.named_parameters() if p.requires_grad}
    assert trained == {"net.0.0.weight", "net.2.weight", "net.2.bias"}


def test_the_weights_may_be_those_of_the_body_alone_or_have_a_prefix():
    base = network(1000, 0)
    model = wrapped(tuned(base, body=True))
    alone = load_base(model, base[0].state_dict(), "body.pt", 0)
    named = load_base(model, {f"module.{n}": w for n, w in base.state_dict().items()}, "dp.pt", 0)
    assert alone.reinitialized == named.reinitialized == ("net.2.weight", "net.2.bias")


def test_another_network_and_the_model_itself_are_refused():
    base = network(1000, 0)
    model = wrapped(tuned(base, body=True))
    with pytest.raises(InputError, match="is no base of this model"):
        load_base(model, nn.Linear(4, 4).state_dict(), "other.pt", 0)
    with pytest.raises(InputError, match="is the model itself"):
        load_base(model, model.net.state_dict(), "same.pt", 0)


def test_an_encoder_takes_gray_images_of_any_size():
    asked = []
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 5))
    net.register_forward_pre_hook(lambda _, given: asked.append(given[0]))
    encoder = Encoder(net, ((0.5,) * 3, (0.25,) * 3), (8, 8))
    assert encoder(torch.full((2, 1, 20, 12), 0.75)).shape == (2, 5)
    assert asked[0].shape == (2, 3, 8, 8)
    assert torch.allclose(asked[0], torch.ones(()))
