"""Batch norm folded into the convolutions before it: the same function, fewer steps."""

from collections import Counter
from typing import cast

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..types import Images

TOLERANCE = 1e-4
"""Folded logits may differ by this share of the largest logit, no more."""


def folded(model: nn.Module, probe: Images) -> nn.Module:
    """A copy of a frozen model in evaluation mode with its batch norms folded, where possible.

    The model itself is returned where its code cannot be traced (torch.fx), where nothing in it can
    be folded, or where the copy does not say the same on the probe. Parameters are shared with the
    model, but for the convolutions that were changed.

    Args:
        probe: a few images that both are tried on.
    """
    try:
        graph = fx.GraphModule(model, Tracer().trace(model))
        changed = _fold_all(graph)
        copy = cast(nn.Module, graph.eval().requires_grad_(False))
        if changed and _agree(model, copy, probe):
            return copy
    except Exception:  # whatever a stranger's code does under tracing, it still runs as it is
        return model
    return model


class Tracer(fx.Tracer):
    """Leaves convolutions whole, those of a `forward` of their own too."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, nn.Conv2d) or super().is_leaf_module(m, module_qualified_name)


def _fold_all(graph: fx.GraphModule) -> bool:
    """Fold each convolution that only a batch norm reads; whether there was one."""
    modules = dict(graph.named_modules())
    calls = Counter(str(node.target) for node in graph.graph.nodes)
    pairs = [
        node
        for node in graph.graph.nodes
        if _is_pair(node, modules) and calls[str(node.args[0].target)] == 1
    ]
    for node in pairs:
        before = node.args[0]
        parent, _, name = str(before.target).rpartition(".")
        conv, norm = modules[str(before.target)], modules[str(node.target)]
        setattr(graph.get_submodule(parent), name, fuse_conv_bn_eval(conv, norm))
        node.replace_all_uses_with(before)
        graph.graph.erase_node(node)
    graph.recompile()
    return bool(pairs)


def _is_pair(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    """Whether the node is a batch norm, and the only reader of a convolution."""
    if node.op != "call_module" or type(modules[str(node.target)]) is not nn.BatchNorm2d:
        return False
    norm, before = modules[str(node.target)], node.args[0]
    return (
        isinstance(before, fx.Node)
        and before.op == "call_module"
        and type(modules[str(before.target)]) is nn.Conv2d
        and len(before.users) == 1
        and bool(norm.track_running_stats)
    )


@torch.no_grad()
def _agree(model: nn.Module, copy: nn.Module, probe: Images) -> bool:
    expected = model(probe)
    allowed = TOLERANCE * max(1.0, float(expected.abs().max()))
    return bool((copy(probe) - expected).abs().max() <= allowed)
