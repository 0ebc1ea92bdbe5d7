import pytest
import torch
from torch import nn

from backburn.errors import BackburnError, InputError
from backburn.models.channel_statistics import activations
from backburn.models.inference import (
    as_images,
    best_device,
    device_of,
    frozen,
    iter_batches,
    predict,
    predict_labels,
)


@pytest.fixture
def model(generator) -> nn.Module:
    """A net in training mode, with one module in evaluation mode and one frozen parameter."""
    net = nn.Sequential(
        nn.Flatten(), nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 3)
    )
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    net.train()
    net[2].eval()
    net[1].bias.requires_grad_(False)
    return net


@pytest.fixture
def pixels(generator) -> torch.Tensor:
    return torch.randint(256, (7, 1, 2, 2), generator=generator).to(torch.uint8)


def state(model: nn.Module) -> tuple:
    return (
        [module.training for module in model.modules()],
        [parameter.requires_grad for parameter in model.parameters()],
        [parameter.grad for parameter in model.parameters()],
        {name: tensor.tolist() for name, tensor in model.state_dict().items()},
    )


def test_a_frozen_model_is_in_evaluation_mode_and_needs_no_gradients(model):
    with frozen(model) as inside:
        assert inside is model
        assert not any(module.training for module in model.modules())
        assert not any(parameter.requires_grad for parameter in model.parameters())


def test_freezing_is_undone_module_by_module_and_parameter_by_parameter(model):
    before = state(model)
    with frozen(model):
        pass
    assert state(model) == before
    assert before[0] == [True, True, True, False, True, True]
    assert before[1] == [True, False, True, True, True, True]


def test_freezing_is_undone_after_an_exception(model):
    before = state(model)
    with pytest.raises(KeyboardInterrupt), frozen(model):
        raise KeyboardInterrupt
    assert state(model) == before


def test_predictions_are_those_of_the_model_in_evaluation_mode(model, pixels):
    said = predict(model, pixels)
    with torch.no_grad():
        direct = model.eval()(pixels.float() / 255)
    assert torch.allclose(said, direct, atol=1e-6)
    assert said.dtype == torch.float32


@pytest.mark.parametrize("batch_size", [3, 512])
def test_what_images_are_called_is_the_largest_of_the_logits(pixels, batch_size):
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 4, bias=False)).train()
    nn.init.eye_(model[1].weight)  # the brightest pixel; two of an image differ by 2 % or more
    before = state(model)
    said = predict_labels(model, pixels, batch_size=batch_size)
    assert said.dtype == torch.long
    assert torch.equal(said, predict(model, pixels).argmax(1))
    assert len(said.unique()) > 1
    assert state(model) == before


def test_no_images_are_called_nothing(model, pixels):
    assert predict_labels(model, pixels[:0]).tolist() == []


def test_predicting_leaves_the_model_as_it_was(model, pixels):
    before = state(model)
    predict(model, pixels)
    assert state(model) == before


def test_predicting_leaves_the_model_as_it_was_when_interrupted(model, pixels):
    def stop(*_):
        raise KeyboardInterrupt

    before = state(model)
    with pytest.raises(KeyboardInterrupt):
        predict(model, pixels, progress=stop)
    assert state(model) == before


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_the_batch_size_changes_neither_order_nor_values(model, pixels, batch_size):
    assert torch.allclose(predict(model, pixels, batch_size=batch_size), predict(model, pixels))


def test_predictions_can_be_used_in_training(model, pixels):
    weight = torch.ones(3, requires_grad=True)
    (predict(model, pixels) * weight).sum().backward()
    assert weight.grad is not None


def test_progress_is_told_in_images(model, pixels):
    told = []
    predict(model, pixels, batch_size=3, phase="look", progress=lambda *x: told.append(x))
    assert told == [("look", 3, 7), ("look", 6, 7), ("look", 7, 7)]


class Cramped(nn.Module):
    """Has no room for more than two images."""

    def forward(self, images):
        if len(images) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")
        return images.flatten(1)


@pytest.mark.parametrize("ask", [predict, lambda *given: activations(*given)[0].float()])
def test_where_memory_is_short_batches_are_halved_and_it_is_said(ask, pixels):
    with pytest.warns(UserWarning, match="memory is short: asking about [31] images at a time"):
        said = ask(Cramped(), pixels)
    assert torch.allclose(said, pixels.flatten(1) / 255, atol=1e-3)


def test_one_image_that_never_fits_is_an_error():
    class Full(nn.Module):
        def forward(self, images):
            raise MemoryError

    with pytest.raises(BackburnError, match="not enough memory for asking about one image"):
        predict(Full(), torch.zeros(1, 1, 2, 2, dtype=torch.uint8))


def test_pixels_become_fractions_of_255():
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    images = as_images(pixels)
    assert images.flatten().tolist() == pytest.approx([k / 255 for k in range(256)])
    assert (images.min(), images.max()) == (0, 1)
    assert pixels.dtype == torch.uint8


def test_batches_come_in_order_and_the_last_may_be_short(model, pixels):
    sizes = [len(batch) for batch in iter_batches(model, pixels, 3)]
    assert sizes == [3, 3, 1]


def test_a_model_without_parameters_is_on_the_cpu():
    assert device_of(nn.Flatten()) == torch.device("cpu")


def test_a_device_is_found_by_name(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [best_device(name).type for name in ("auto", "cpu", "cuda")] == ["cuda", "cpu", "cuda"]
    assert best_device("cuda:1").index == 1
    for absent in ("cuda:2", "cuda:foo"):
        with pytest.raises(InputError, match=f"no device '{absent}'"):
            best_device(absent)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert best_device("auto").type == "cpu"


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "tpu", ""])
def test_a_device_that_is_not_there_is_refused(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=f"no device '{name}'"):
        best_device(name)
