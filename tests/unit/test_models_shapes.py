import pytest
import torch

from backburn.models.nets.zoo import build


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [16, 28, 32, 57])
@pytest.mark.parametrize(
    ("name", "features"), [("airbench_cnn-w8", 32), ("mobilenet_v2-w8", 320), ("vgg11-w8", 64)]
)
def test_logits_and_features_have_the_promised_shapes(name, features, side, channels, generator):
    model = build(name, 7, channels).eval()
    images = torch.rand(2, channels, side, side, generator=generator)
    with torch.no_grad():
        assert model(images).shape == (2, 7)
        assert model.features(images).shape == (2, features)
