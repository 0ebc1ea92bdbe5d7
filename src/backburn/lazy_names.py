"""Public names of a package, each imported when it is first used."""

from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any


def load_name(place: str, package: str) -> Any:
    """Import what a place `module:NAME` names; the module is relative to `package`.

    >>> load_name(".errors:InputError", "backburn")
    <class 'backburn.errors.InputError'>
    """
    module, _, name = place.partition(":")
    return getattr(import_module(module, package), name)


def lazy_names(
    package: str,
    homes: Mapping[str, str],
    *,
    modules: Collection[str] = (),
    others: Collection[str] = (),
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and `__dir__` of a package that imports its public names lazily.

    So importing the package stays cheap, although importing torch takes seconds.

    Args:
        package: the `__name__` of the package.
        homes: the module of each public name as the package would import it, such as `.base`;
            `.base:NAME` if the name is another one there.
        modules: public modules of the package itself.
        others: public names that the package already has.

    >>> get, names = lazy_names("backburn", {"InputError": ".errors"}, modules=["errors"])
    >>> get("InputError")
    <class 'backburn.errors.InputError'>
    >>> names()
    ['InputError', 'errors']
    """

    def get(name: str) -> Any:
        if name in homes:
            home = homes[name]
            return load_name(home if ":" in home else f"{home}:{name}", package)
        if name in modules:
            return import_module(f".{name}", package)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def names() -> list[str]:
        return sorted([*homes, *modules, *others])

    return get, names
