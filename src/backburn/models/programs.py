"""Reading a TorchScript program: arithmetic passes, anything else is refused."""

import ast
from typing import TypeAlias

from .operators import OPERATORS, PLAIN

BOUND = 1000
"""Rounds that a loop may be told to take by a constant."""


class Refused(Exception):  # noqa: N818
    """What a program does that it must not."""


def check_program(sources: list[str]) -> None:
    """Read TorchScript source, which has Python's grammar.

    Raises:
        Refused: an operation that is not listed, code that runs on loading, a loop whose end
            cannot be read.
        SyntaxError: no such source.
    """
    trees = [ast.parse(source) for source in sources]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    own = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    if "__setstate__" in own:
        raise Refused("has code that runs on loading")
    for node in nodes:
        _check_node(node, own)
        if isinstance(node, ast.FunctionDef):
            _check_loops(node, _assigned(node), 0)


def _check_node(node: ast.AST, own: set[str]) -> None:
    if isinstance(node, ast.While):
        raise Refused("loops without a bound")
    if isinstance(node, ast.Attribute) and _is_operator(node) and node.attr not in OPERATORS:
        raise Refused(f"calls {node.attr[:40]!r}")
    if isinstance(node, ast.Call):
        name = _called(node.func)
        allowed = OPERATORS if isinstance(node.func, ast.Attribute) else PLAIN
        if name not in allowed and name not in own:
            raise Refused(f"calls {name[:40]!r}")


def _is_operator(node: ast.Attribute) -> bool:
    """Whether this is `torch.NAME` or `ops.NAMESPACE.NAME`."""
    base = node.value
    if isinstance(base, ast.Attribute) and isinstance(base.value, ast.Name):
        if base.value.id == "ops" and base.attr not in ("prim", "aten"):
            raise Refused(f"calls operators of {base.attr[:40]!r}")
        return base.value.id == "ops"
    return isinstance(base, ast.Name) and base.id == "torch"


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else type(function).__name__


Assigned: TypeAlias = dict[str, list[ast.expr]]
"""Everything that each name of a function is set to."""


def _assigned(function: ast.FunctionDef) -> Assigned:
    found: Assigned = {}
    for node in ast.walk(function):
        for target in node.targets if isinstance(node, ast.Assign) else ():
            if isinstance(target, ast.Name):
                found.setdefault(target.id, []).append(node.value)
    return found


def _check_loops(node: ast.AST, assigned: Assigned, depth: int) -> None:
    """Loops as often as something is long, or as is written down; two in each other at most."""
    loops = isinstance(node, ast.For)
    if isinstance(node, ast.For) and (depth >= 2 or not _bounded(node.iter, assigned, frozenset())):
        raise Refused("loops without a bound that can be read")
    for child in ast.iter_child_nodes(node):
        _check_loops(child, assigned, depth + loops)


def _bounded(told: ast.expr, assigned: Assigned, seen: frozenset[str]) -> bool:
    if isinstance(told, ast.Constant):
        return isinstance(told.value, int) and told.value <= BOUND
    if isinstance(told, ast.Name):
        values = assigned.get(told.id, []) if told.id not in seen else []
        return bool(values) and all(_bounded(v, assigned, seen | {told.id}) for v in values)
    if not isinstance(told, ast.Call):
        return False
    name = _called(told.func)
    less = name in ("range", "sub", "__range_length", "min")
    return name in ("len", "size", "dim") or (
        less and all(_bounded(part, assigned, seen) for part in told.args)
    )
