"""Fold batch norms into the convolutions before them: the same function, fewer steps."""

from collections import Counter
from typing import cast

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..types import Images

TOLERANCE = 1e-4
"""Largest difference of the folded logits, relative to the largest logit."""


def fold_batch_norm(model: nn.Module, probe: Images) -> nn.Module:
    """Copy a frozen model in evaluation mode with its batch norms folded, where possible.

    The model itself is returned if torch.fx cannot trace it or if nothing can be folded. It is
    also returned if the copy's logits differ on the probe. The copy shares its parameters with the
    model, except for the folded convolutions.

    Args:
        probe: a few images to compare the logits on.
    """
    try:
        graph = fx.GraphModule(model, ConvTracer().trace(model))
        changed = _fold_all(graph)
        copy = cast(nn.Module, graph.eval().requires_grad_(False))
        if changed and _same_logits(model, copy, probe):
            return copy
    except Exception:  # foreign code may fail in any way under tracing, and still runs untraced
        return model
    return model


class ConvTracer(fx.Tracer):
    """A tracer that keeps convolutions as leaves, even subclasses with a `forward` of their own."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, nn.Conv2d) or super().is_leaf_module(m, module_qualified_name)


def _fold_all(graph: fx.GraphModule) -> bool:
    """Fold each batch norm that alone reads a convolution; return whether there was one."""
    modules = dict(graph.named_modules())
    calls = Counter(str(node.target) for node in graph.graph.nodes)
    norms = [
        node
        for node in graph.graph.nodes
        if _is_foldable(node, modules) and calls[str(node.args[0].target)] == 1
    ]
    for node in norms:
        conv_node = node.args[0]
        parent, _, name = str(conv_node.target).rpartition(".")
        conv, norm = modules[str(conv_node.target)], modules[str(node.target)]
        setattr(graph.get_submodule(parent), name, fuse_conv_bn_eval(conv, norm))
        node.replace_all_uses_with(conv_node)
        graph.graph.erase_node(node)
    graph.recompile()
    return bool(norms)


def _is_foldable(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    """Whether the node is a batch norm that is the only reader of a convolution."""
    if node.op != "call_module" or type(modules[str(node.target)]) is not nn.BatchNorm2d:
        return False
    norm, conv_node = modules[str(node.target)], node.args[0]
    return (
        isinstance(conv_node, fx.Node)
        and conv_node.op == "call_module"
        and type(modules[str(conv_node.target)]) is nn.Conv2d
        and len(conv_node.users) == 1
        and bool(norm.track_running_stats)
    )


@torch.no_grad()
def _same_logits(model: nn.Module, copy: nn.Module, probe: Images) -> bool:
    expected = model(probe)
    allowed = TOLERANCE * max(1.0, float(expected.abs().max()))
    return bool((copy(probe) - expected).abs().max() <= allowed)
