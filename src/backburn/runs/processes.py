"""Processes of this machine."""

import os


def alive(pid: int) -> bool:
    """Whether a process with this number runs here; one that may not be asked does."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
