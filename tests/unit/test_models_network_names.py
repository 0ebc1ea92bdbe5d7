import numpy as np
import pytest
import torch

from backburn.errors import InputError
from backburn.models.nets.zoo import build, channel_statistics, parse_architecture
from backburn.models.open.open_model import load_model


@pytest.fixture
def images(generator) -> torch.Tensor:
    return torch.rand(2, 3, 8, 8, generator=generator)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("name", "size", "features"),
    [
        ("small_cnn-w4", 8, 16),
        ("small_cnn-w4", 28, 16),
        ("small_cnn-w3", 13, 12),
        ("preact_resnet18-w2", 8, 16),
        ("preact_resnet18-w2", 32, 16),
        ("preact_resnet18-w3", 40, 24),
    ],
)
def test_logits_and_features_have_the_promised_shapes(name, size, features, channels, generator):
    model = build(name, 7, channels).eval()
    images = torch.rand(2, channels, size, size, generator=generator)
    with torch.no_grad():
        assert model(images).shape == (2, 7)
        assert model.features(images).shape == (2, features)


@pytest.mark.parametrize("name", ["small_cnn-w4", "preact_resnet18-w2"])
def test_the_head_turns_features_into_logits(name, images):
    model = build(name, 5, 3).eval()
    with torch.no_grad():
        by_hand = model.features(images) @ model.head.weight.T + model.head.bias
        assert torch.allclose(by_hand, model(images), atol=1e-6)


def test_the_full_network_has_as_many_parameters_as_the_literature_says():
    with torch.device("meta"):
        model = parse_architecture("preact_resnet18")[0](10)
    # the widespread CIFAR variant, plus scale and shift of a last batch norm
    assert sum(p.numel() for p in model.parameters()) == 11_171_146 + 2 * 512


@pytest.mark.parametrize(
    ("name", "width"),
    [("small_cnn", 32), ("small_cnn-w5", 5), ("preact_resnet18-w6", 6)],
)
def test_the_width_is_read_off_the_name(name, width):
    assert build(name, 2, 1).conv1.weight.shape[0] == width


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("small_cn", "small_cnn"),
        ("smallcnn-w4", "small_cnn"),
        ("resnet18", "preact_resnet18"),
        ("preact_resnet18-16", "preact_resnet18"),
    ],
)
def test_an_unknown_architecture_is_answered_with_the_nearest(name, near):
    with pytest.raises(InputError, match=f"did you mean '{near}'"):
        parse_architecture(name)


@pytest.mark.parametrize("name", ["", "vit", "-w4"])
def test_an_architecture_unlike_all_others_is_answered_with_the_list(name):
    with pytest.raises(InputError, match=r"known: .*preact_resnet18, small_cnn"):
        parse_architecture(name)


@pytest.mark.parametrize("name", ["small_cnn-w0", "preact_resnet18-w00"])
def test_a_network_without_channels_is_refused(name):
    with pytest.raises(InputError, match="give a width of 1 or more"):
        parse_architecture(name)


def test_the_generator_decides_the_initial_weights():
    def weights(seed):
        return build(
            "small_cnn-w4", 3, 1, generator=torch.Generator().manual_seed(seed)
        ).state_dict()

    first, again, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])


def test_building_touches_no_global_generator(generator, monkeypatch):
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    before = torch.get_rng_state()
    build("small_cnn-w4", 3, 1, generator=generator)
    assert torch.equal(torch.get_rng_state(), before)
    assert seeded == [], "the GPU's global generator was seeded"


def test_channel_statistics_are_those_of_the_pixels_in_unit_range(generator):
    pixels = torch.randint(256, (10, 3, 4, 5), generator=generator).to(torch.uint8)
    mean, std = channel_statistics(pixels)
    units = pixels.numpy() / 255.0
    assert mean == pytest.approx(units.mean((0, 2, 3)).tolist(), rel=1e-5)
    assert std == pytest.approx(units.std((0, 2, 3), ddof=1).tolist(), rel=1e-5)


def test_a_constant_channel_has_no_zero_deviation():
    mean, std = channel_statistics(torch.full((4, 1, 2, 2), 51, dtype=torch.uint8))
    assert mean == pytest.approx((0.2,))
    assert std == pytest.approx((1e-3,))


def test_a_network_normalizes_with_the_statistics_that_it_was_built_with(generator):
    pixels = torch.randint(256, (10, 3, 8, 8), generator=generator).to(torch.uint8)
    units = torch.from_numpy(np.float32(pixels.numpy() / 255.0))
    own = build("small_cnn-w4", 3, 3, pixels=pixels).eval()
    plain = build("small_cnn-w4", 3, 3).eval()
    standard = (units - units.mean((0, 2, 3), keepdim=True)) / units.std((0, 2, 3), keepdim=True)
    with torch.no_grad():
        # without pixels a network takes 0.5 and 0.25
        assert torch.allclose(own(units), plain(standard * 0.25 + 0.5), atol=1e-5)


def test_a_factory_may_insist_on_the_number_of_classes(tmp_path, monkeypatch):
    (tmp_path / "insisting.py").write_text(
        "from torch import nn\n"
        "def build(num_classes):\n"
        "    last = nn.Linear(12, num_classes)\n"
        "    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), last)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    torch.save({"2.weight": torch.ones(4, 12), "2.bias": torch.zeros(4)}, tmp_path / "model.pt")
    model = load_model(tmp_path / "model.pt", "insisting:build", (0.5,) * 3, (0.25,) * 3)
    assert model(torch.zeros(2, 3, 2, 2)).shape == (2, 4)
