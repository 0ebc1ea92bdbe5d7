"""Shapes and types of the package's functions and dataclasses, checked at run time in tests.

What is checked is what jaxtyping's import hook checks. Its wrapper builds two functions for each
one and binds the arguments of each call, which takes a sixth of the time of an audit. Here the
function itself is checked by beartype, in a context of jaxtyping's.
"""

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable

import jaxtyping
from beartype import BeartypeConf, beartype

jaxtyped = jaxtyping.jaxtyped
CONTEXT = jaxtyped("context")
"""Sizes that are called by one name are equal in it; it may be entered again inside of itself."""
CHECKER = beartype(  # an int is a float, as it is for mypy
    conf=BeartypeConf(is_pep484_tower=True, violation_type=jaxtyping.TypeCheckError)
)


def install() -> None:
    """Check what is imported of the package from now on."""
    jaxtyping.jaxtyped = lambda *, typechecker: functools.partial(checked, typechecker)
    jaxtyping.install_import_hook("backburn", "checking.CHECKER")


def checked(typechecker: Callable, target):
    """What the hook decorates: a class, a method, or a function."""
    if inspect.isclass(target):
        own = vars(target).get("__init__")
        if dataclasses.is_dataclass(target) and own and not hasattr(own, "__wrapped__"):
            target.__init__ = checked(typechecker, own)
        return target
    if isinstance(target, classmethod | staticmethod):
        return type(target)(checked(typechecker, target.__func__))
    if not inspect.isfunction(target) or inspect.isgeneratorfunction(target):
        return jaxtyped(target, typechecker=typechecker)
    inner = None

    @functools.wraps(target)
    def run(*arguments, **named):
        nonlocal inner
        __tracebackhide__ = True
        if jaxtyping.config.jaxtyping_disable:
            return target(*arguments, **named)
        if inner is None:  # most functions are never called in a process
            inner = _with_checks(typechecker, target)
        with CONTEXT:
            return inner(*arguments, **named)

    return run


def _with_checks(typechecker: Callable, function: Callable) -> Callable:
    try:
        typing.get_type_hints(function, include_extras=True)
    except NameError:  # one under TYPE_CHECKING: jaxtyping leaves out this annotation alone
        return jaxtyped(function, typechecker=typechecker)
    return typechecker(function)
