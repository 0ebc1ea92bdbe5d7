"""Networks that return probabilities are as their twins that return logits."""

import pytest
import torch
from torch import Tensor, nn

from backburn.errors import InputError
from backburn.fit.fit_check import FitCheck
from backburn.models.inference import predict
from backburn.models.outputs import remove_probability_layer
from backburn.models.wrapping import probe_network, wrap
from backburn.services.python_model import prepare_model, read_user_model
from backburn.types import LabeledImages

PLAIN = ((0.0,) * 3, (1.0,) * 3)
ENDS = {
    "softmax": lambda z: z.softmax(1),
    "log_softmax": lambda z: z.log_softmax(1),
    "sigmoid": lambda z: z.sigmoid(),
}
LAYERS = {"softmax": nn.Softmax(1), "log_softmax": nn.LogSoftmax(1), "sigmoid": nn.Sigmoid()}


class Net(nn.Module):
    def __init__(self, classes: int, end=lambda z: z, layer: nn.Module | None = None):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2))
        self.fc = nn.Linear(32, classes)
        nn.init.normal_(self.fc.weight)
        self.end, self.last = end, layer or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.end(self.fc(self.body(x).flatten(1))))


@pytest.fixture
def images() -> Tensor:
    return torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("end", ENDS)
def test_logits_are_made_of_probabilities(end, images):
    net, twin = Net(4, ENDS[end]).eval(), Net(4).eval()
    model = wrap(net, probe_network(net), PLAIN)
    said, wanted = model(images).log_softmax(1), twin(images).log_softmax(1)
    assert torch.allclose(said, wanted, atol=1e-4)


@pytest.mark.parametrize("end", LAYERS)
def test_a_layer_that_makes_probabilities_is_left_out(end, images):
    net = Net(4, layer=LAYERS[end]).eval()
    before = list(net.state_dict())
    assert "last" in remove_probability_layer(net, images)
    assert torch.equal(net(images), Net(4).eval()(images))
    assert list(net.state_dict()) == before


def test_a_layer_in_the_middle_stays(images):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sigmoid(), nn.Flatten(), nn.Linear(3600, 3)).eval()
    assert remove_probability_layer(net, images) == ""


@pytest.mark.parametrize("end", [lambda z: z, torch.sigmoid, lambda z: z.squeeze(1)])
def test_one_output_is_two_classes(end, images):
    net, twin = Net(1, end).eval(), Net(1).eval()
    signature = probe_network(net)
    assert signature.classes == 2
    model = wrap(net, signature, PLAIN)
    odds = model(images)
    assert torch.allclose(odds[:, 1] - odds[:, 0], twin(images)[:, 0], atol=1e-4)


def test_the_head_of_probabilities_is_known(images):
    net = Net(4, ENDS["softmax"]).eval()
    model = wrap(net, probe_network(net), PLAIN)
    assert model.features(images).shape == (5, 32)


class Several(Net):
    """A network that returns feature maps or features beside its logits."""

    def __init__(self, place: int):
        super().__init__(4)
        self.place = place

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        maps = self.body(x)
        features, logits = maps.flatten(1), self.fc(maps.flatten(1))
        return [(logits, maps), (maps, maps, logits), (logits, features)][self.place]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_logits_are_taken_out_of_a_tuple(place, images):
    net = Several(place).eval()
    model = wrap(net, probe_network(net, classes=4), PLAIN)
    assert torch.equal(model(images), Net(4).eval()(images))
    assert model.features(images).shape == (5, 32)


def test_which_of_two_tables_holds_the_logits_must_be_known():
    with pytest.raises(InputError, match="returns a tuple"):
        probe_network(Several(2).eval())


def test_a_model_that_returns_a_tuple_is_audited_in_memory_and_comes_back_as_it_is(images):
    net = Several(1).eval()
    data = LabeledImages((images * 255).byte(), torch.arange(5) % 4)
    user_model = read_user_model(net, None, None, None, False)
    prepared = prepare_model(user_model, data, None, FitCheck(accuracy=0, least=0))
    expected = Net(4).eval()(data.pixels / 255)
    torch.testing.assert_close(predict(prepared.model, data.pixels), expected)
    assert prepared.restore(prepared.model) is net
