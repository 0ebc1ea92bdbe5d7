"""Reading a TorchScript program: arithmetic passes, anything else is refused."""

import ast
from typing import TypeAlias

import torch

from .operators import OPERATORS, PLAIN

BOUND = 1000
"""Rounds that a loop may be told to take by a constant."""
COUNTING = ("len", "size", "dim")
LESSENING = ("range", "sub", "min", "__range_length")

Assigned: TypeAlias = dict[str, list[ast.expr | None]]
"""Everything that each name of a function is set to; None for what cannot be told."""


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
    defined = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    if "__setstate__" in defined:
        raise Refused("has code that runs on loading")
    allowed = OPERATORS | {name for name in defined if not _is_builtin(name)}
    for tree in trees:
        _check_names(tree)
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                _check_function(function, allowed)


def _is_builtin(name: str) -> bool:
    """Whether a method of that name could mean an operator of torch's."""
    return bool(torch._C._jit_get_schemas_for_operator(f"aten::{name}"))


def _check_names(tree: ast.AST) -> None:
    """`torch.NAME` and `ops.NAMESPACE.NAME` are listed, wherever they stand."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        base = node.value
        if isinstance(base, ast.Name) and base.id == "ops" and node.attr not in ("prim", "aten"):
            raise Refused(f"calls operators of {node.attr[:40]!r}")
        within = base.value if isinstance(base, ast.Attribute) else None
        of_ops = isinstance(within, ast.Name) and within.id == "ops"
        of_torch = isinstance(base, ast.Name) and base.id == "torch"
        if (of_ops or of_torch) and node.attr not in OPERATORS:
            raise Refused(f"calls {node.attr[:40]!r}")


def _check_function(function: ast.FunctionDef, allowed: frozenset[str]) -> None:
    assigned = _assigned(function)
    for node in ast.walk(function):
        if isinstance(node, ast.While | ast.comprehension):
            raise Refused("loops without a bound")
        if isinstance(node, ast.Call):
            _check_call(node.func, assigned, allowed)
    _check_loops(function, assigned, 0)


def _check_call(called: ast.expr | None, assigned: Assigned, allowed: frozenset[str]) -> None:
    """A listed function by its name, by an attribute, or by a name that was set to such."""
    if isinstance(called, ast.Name) and called.id not in PLAIN | allowed:
        for value in assigned.get(called.id, [None]):
            if not isinstance(value, ast.Attribute):
                raise Refused(f"calls {called.id[:40]!r}")
            _check_call(value, assigned, allowed)
    elif isinstance(called, ast.Attribute) and called.attr not in allowed:
        raise Refused(f"calls {called.attr[:40]!r}")
    elif not isinstance(called, ast.Name | ast.Attribute):
        raise Refused("calls what it computed")


def _assigned(function: ast.FunctionDef) -> Assigned:
    found: Assigned = {}
    plain = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            plain.add(node.targets[0])
            found.setdefault(node.targets[0].id, []).append(node.value)
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node not in plain:
            found.setdefault(node.id, []).append(None)
    return found


def _check_loops(node: ast.AST, assigned: Assigned, depth: int) -> None:
    """Loops as often as something is long, or as is written down; two in each other at most."""
    loops = isinstance(node, ast.For)
    if isinstance(node, ast.For) and (depth >= 2 or not _bounded(node.iter, assigned, frozenset())):
        raise Refused("loops without a bound that can be read")
    for child in ast.iter_child_nodes(node):
        _check_loops(child, assigned, depth + loops)


def _bounded(told: ast.expr | None, assigned: Assigned, seen: frozenset[str]) -> bool:
    if isinstance(told, ast.Constant):
        return isinstance(told.value, int) and told.value <= BOUND
    if isinstance(told, ast.Name):
        values = assigned.get(told.id, [None]) if told.id not in seen else [None]
        return all(_bounded(value, assigned, seen | {told.id}) for value in values)
    if not isinstance(told, ast.Call):
        return False
    name = getattr(told.func, "attr", getattr(told.func, "id", ""))
    lessens = name in LESSENING and all(_bounded(part, assigned, seen) for part in told.args)
    return name in COUNTING or lessens
