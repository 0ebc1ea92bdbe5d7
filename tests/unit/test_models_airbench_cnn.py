import pytest
import torch
import torch.nn.functional as F

from backburn.errors import InputError
from backburn.models.nets.zoo import build, parse_architecture
from backburn.models.open.open_model import load_model


@pytest.fixture(scope="module")
def pixels():
    """Smooth images, whose neighbouring pixels are alike."""
    coarse = torch.rand(64, 3, 5, 5, generator=torch.Generator().manual_seed(3))
    return (F.interpolate(coarse, 32, mode="bilinear") * 255).to(torch.uint8)


def test_the_full_network_has_as_many_parameters_as_its_source():
    with torch.device("meta"):
        model = parse_architecture("airbench_cnn")[0](10)
    # 1.97 million in arXiv 2404.00498; here with scales of batch norm and a bias of the head
    groups = 9 * (24 * 64 + 64 * 64 + 64 * 256 + 256 * 256 + 256 * 256 + 256 * 256)
    norms, head, whitening = 2 * 2 * (64 + 256 + 256), 256 * 10 + 10, 24 * 3 * 4 + 24
    assert sum(p.numel() for p in model.parameters()) == groups + norms + head + whitening


def test_the_first_layer_whitens_the_training_images(pixels):
    model = build("airbench_cnn-w4", 10, 3, pixels=pixels)
    images = (pixels.float() / 255 - model.mean) / model.std
    maps = F.conv2d(images, model.whitening.weight).transpose(0, 1).flatten(1)[:12]
    second_moments = maps @ maps.T / maps.shape[1]
    assert torch.allclose(second_moments, torch.diag(second_moments.diagonal()), atol=2e-3)
    strongest = second_moments.diagonal() > 0.5  # the rest is noise below MIN_VARIANCE
    assert strongest.sum() >= 3
    assert bool((second_moments.diagonal() < 1.001).all())


def test_opposite_filters_come_in_pairs_and_are_not_trained(pixels):
    whitening = build("airbench_cnn-w4", 10, 3, pixels=pixels).whitening
    assert torch.equal(whitening.weight[:12], -whitening.weight[12:])
    assert not whitening.weight.requires_grad
    assert whitening.bias.requires_grad


def test_a_file_of_its_weights_tells_classes_channels_and_width(tmp_path, generator):
    model, path = build("airbench_cnn-w6", 4, 1, generator=generator), tmp_path / "weights.pt"
    torch.save(model.state_dict(), path)
    images = torch.rand(2, 1, 28, 28, generator=generator)
    with torch.no_grad():
        opened = load_model(path, "airbench_cnn").eval()
        assert torch.allclose(opened(images), model.eval()(images), atol=1e-6)


@pytest.mark.parametrize(("name", "least"), [("airbench_cnn-w4", 9), ("vgg11-w4", 16)])
def test_images_that_are_too_small_are_refused(name, least):
    pixels = torch.randint(256, (4, 1, least, 2 * least), dtype=torch.uint8)
    with torch.no_grad():
        assert build(name, 3, 1, pixels=pixels).eval()(pixels / 255).shape == (4, 3)
    with pytest.raises(InputError, match=f"needs images of {least} pixels"):
        build(name, 3, 1, pixels=pixels[:, :, 1:])
