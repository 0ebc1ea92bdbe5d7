import pytest
import torch

from backburn.models.nets.zoo import build, parse_architecture


def test_the_head_turns_features_into_logits(generator):
    model, images = build("vgg11-w8", 5, 3).eval(), torch.rand(2, 3, 32, 32, generator=generator)
    with torch.no_grad():
        by_hand = model.features(images) @ model.head.weight.T + model.head.bias
        assert torch.allclose(by_hand, model(images), atol=1e-6)


@pytest.mark.parametrize(("name", "width"), [("vgg11", 64), ("vgg11-w8", 8)])
def test_the_width_is_read_off_the_name(name, width):
    architecture, given = parse_architecture(name)
    with torch.device("meta"):
        model = architecture(10, **({} if given is None else {"width": given}))
    assert [conv.out_channels for conv in model.convs] == [
        width * times for times in (1, 2, 4, 4, 8, 8, 8, 8)
    ]


def test_the_full_network_has_as_many_parameters_as_the_literature_says():
    with torch.device("meta"):
        model = parse_architecture("vgg11")[0](10)
    # torchvision's vgg11_bn without its classifier and the biases of its convolutions, and a head
    assert sum(p.numel() for p in model.parameters()) == 9_225_984 - 2752 + 512 * 10 + 10


def test_the_generator_decides_the_initial_weights():
    first, again, other = (
        build("vgg11-w2", 3, 1, generator=torch.Generator().manual_seed(seed)).state_dict()
        for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["convs.0.weight"], other["convs.0.weight"])


def test_the_four_poolings_halve_the_maps(generator):
    model = build("vgg11-w2", 3, 1).eval()
    sides = []
    for conv in model.convs:
        conv.register_forward_hook(lambda layer, given, maps: sides.append(maps.shape[-1]))
    with torch.no_grad():
        model(torch.rand(1, 1, 32, 32, generator=generator))
    assert sides == [32, 16, 8, 8, 4, 4, 2, 2]
