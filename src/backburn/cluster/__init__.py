"""The same work on a Ray cluster. Nothing outside of this folder imports Ray."""

import os
from importlib import import_module

from ..errors import InputError

# Ray's prefetching thread outlives a pipeline that was stopped: its next call would start a cluster
# of its own, or meet the next connection halfway and end the process. Read when Ray is imported
os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")

try:
    for part in ("ray", "ray.data", "ray.train"):
        import_module(part)
except ImportError as missing:
    raise InputError("--ray needs Ray: pip install 'backburn[ray]'") from missing
