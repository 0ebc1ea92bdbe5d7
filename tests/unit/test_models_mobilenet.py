import torch
from torch import fx, nn

from backburn.models.fold_batch_norm import fold_batch_norm
from backburn.models.nets.mobilenet import StridedDepthwiseConv
from backburn.models.nets.zoo import build, parse_architecture


def test_the_full_network_has_as_many_parameters_as_the_literature_says():
    with torch.device("meta"):
        model = parse_architecture("mobilenet_v2")[0](1000)
    # torchvision's mobilenet_v2 has 3,504,872, without the first block's widening of 1 to 1
    first = 32 * 32 + 2 * 32
    assert sum(p.numel() for p in model.parameters()) == 3_504_872 + first


def test_three_strides_halve_the_maps(generator):
    model, sides = build("mobilenet_v2-w4", 3, 3).eval(), []
    for block in model.blocks:
        block.register_forward_hook(lambda layer, given, maps: sides.append(maps.shape[-1]))
    with torch.no_grad():
        model(torch.rand(1, 3, 32, 32, generator=generator))
    assert sorted(set(sides), reverse=True) == [32, 16, 8, 4]


def test_strided_convolutions_are_not_rounded_to_bf16(generator):
    convolution = StridedDepthwiseConv(4, 4, 3, 2, 1, groups=4, bias=False)
    maps = torch.rand(2, 4, 8, 8, generator=generator)
    expected = nn.functional.conv2d(maps, convolution.weight, None, 2, 1, 1, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(convolution(maps), expected)


def test_the_batch_norm_before_it_is_folded(generator):
    net = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), StridedDepthwiseConv(4, 4, 3, 2)
    ).eval()
    copy = fold_batch_norm(net, torch.rand(2, 3, 16, 16, generator=generator))
    assert isinstance(copy, fx.GraphModule)
    called = [node.target for node in copy.graph.nodes if node.op == "call_module"]
    assert called == ["0", "2"]


def test_only_blocks_that_keep_the_shape_add_their_input():
    residual = [block.residual for block in build("mobilenet_v2-w8", 3, 3).blocks]
    first = {0, 1, 3, 6, 10, 13, 16}  # of each stage
    assert residual == [number not in first for number in range(17)]
