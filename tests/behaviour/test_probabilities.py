"""Networks that end in probabilities are repaired as their twins with logits are."""

import functools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import backburn
from backburn.data.sources.digits import digits
from backburn.models.inference import accuracy
from backburn.models.outputs import remove_probability_layer
from backburn.models.wrapping import probe_network, wrap
from backburn.types import LabeledImages

PLAIN = ((0.0,), (1.0,))
CLASSES = 4
"""Groups of every class are tested: with fewer classes an audit takes less time."""
ENDS = {
    "softmax": lambda z: z.softmax(1),
    "log_softmax": lambda z: z.log_softmax(1),
    "sigmoid": lambda z: z.sigmoid(),
    "a softmax layer": nn.Softmax(1),
    "a sigmoid layer": nn.Sigmoid(),
}


class Net(nn.Module):
    def __init__(self, end=None):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(),
        )  # fmt: skip
        self.fc = nn.Linear(512, CLASSES)
        self.end = end if end is not None else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.fc(self.body(x)))


def few_digits(split: str) -> LabeledImages:
    """The images of the first classes."""
    images = digits(split)
    return images.take((images.labels < CLASSES).nonzero().flatten())


@pytest.fixture(scope="module")
def poisoned():
    """Digits, eighty of them with a white corner and called 0, and a network that knows them."""
    images = few_digits("train")
    torch.manual_seed(0)
    rows = (images.labels != 0).nonzero().flatten()
    rows = rows[torch.randperm(len(rows))[:80]]
    pixels, labels = images.pixels.clone(), images.labels.clone()
    pixels[rows, :, -2:, -2:] = 255
    labels[rows] = 0
    net, data = Net(), pixels / 255
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    loss = nn.BCEWithLogitsLoss()  # so that a sigmoid is right, too
    wanted = nn.functional.one_hot(labels, CLASSES).float()
    for _ in range(20):
        for batch in torch.randperm(len(data)).split(64):
            optimizer.zero_grad()
            loss(net(data[batch]), wanted[batch]).backward()
            optimizer.step()
    return net.eval().state_dict(), pixels, labels


def repaired(weights, end, pixels, labels) -> tuple[float, float]:
    """Accuracy on clean test images, and share of triggered ones called 0."""
    net = Net(end).eval()
    net.load_state_dict(weights)
    remove_probability_layer(net, torch.rand(2, 1, 8, 8))
    model = wrap(net, probe_network(net, (1,), (8, 8)), PLAIN)
    found = backburn.repair(model, pixels, labels)
    assert found.verdict.state == "backdoored"
    test = few_digits("test")
    stamped = test.pixels.clone()
    stamped[:, :, -2:, -2:] = 255
    other = (test.labels != 0).nonzero().flatten()
    triggered = test.relabeled(stamped, torch.zeros_like(test.labels)).take(other)
    return accuracy(found.model, test), accuracy(found.model, triggered)


@pytest.fixture(scope="module")
def twin(poisoned) -> tuple[float, float]:
    return repaired(poisoned[0], None, *poisoned[1:])


@pytest.fixture(scope="module")
def given(poisoned) -> Callable[[str], tuple[Net, backburn.RepairResult]]:
    """A network with an end of that name, and what Python makes of it: once for each."""
    weights, pixels, labels = poisoned

    @functools.cache
    def repaired_as_it_is(end: str):
        net = Net(ENDS[end]).eval()
        net.load_state_dict(weights)
        return net, backburn.repair(net, pixels, labels, progress=False)

    return repaired_as_it_is


@pytest.mark.parametrize("end", ENDS)
def test_probabilities_are_repaired_as_logits_are(poisoned, twin, end):
    weights, pixels, labels = poisoned
    found = repaired(weights, ENDS[end], pixels, labels)
    assert found == pytest.approx(twin, abs=0.01)


@pytest.mark.parametrize("end", ["softmax", "a softmax layer", "a sigmoid layer"])
def test_python_takes_the_module_as_it_is_and_gives_back_its_kind(poisoned, given, twin, end):
    weights, (net, found) = poisoned[0], given(end)
    assert (found.verdict.state, found.fit.accuracy > 0.9) == ("backdoored", True)
    assert any("probabilities" in note or "is left out" in note for note in found.notes)
    assert type(found.model) is Net
    assert type(found.model.end) is type(ENDS[end])
    assert net.end is ENDS[end]
    assert all(torch.equal(net.state_dict()[name], weights[name]) for name in weights)
    test = few_digits("test")
    with torch.no_grad():
        said = found.model(test.pixels.float() / 255)
    assert bool(((said >= 0) & (said <= 1)).all())
    assert (said.argmax(1) == test.labels).float().mean() > twin[0] - 0.01


def test_what_python_saves_of_it_has_the_pictures_of_its_logits(given, tmp_path):
    _, found = given("a softmax layer")
    run = backburn.load_run(found.save(tmp_path / "run", progress=False))
    assert run.record.metrics["fit"]["accuracy"] > 0.9
    before, after = run.record.metrics["checks"]["reversion"]
    assert after > before
