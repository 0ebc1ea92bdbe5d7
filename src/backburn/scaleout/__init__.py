"""The same work on a Ray cluster. Nothing outside of this folder imports Ray."""

from importlib import import_module

from ..errors import InputError

try:
    for part in ("ray", "ray.data", "ray.train"):
        import_module(part)
except ImportError as missing:
    raise InputError("--ray needs Ray: pip install 'backburn[ray]'") from missing
