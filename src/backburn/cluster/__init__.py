"""Executors on a Ray cluster. Only this package imports Ray."""

import os
from importlib import import_module

from ..errors import InputError

# Ray's prefetching thread outlives a pipeline that was stopped. Its next call would start a cluster
# of its own, or break into the next connection and end the process. Ray reads this when imported
os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")

try:
    for part in ("ray", "ray.data"):
        import_module(part)
except ImportError as missing:
    raise InputError("--ray needs Ray: pip install 'backburn[ray]'") from missing
