"""Where the work of a command is kept, so that it can go on."""

from ..runs import plan_work
from ..work.contract import HERE, Work
from ..work.kept import Kept


def work_of(out: str | None) -> Work:
    """What keeps the work of a run that was given a name; nothing does of others."""
    folder = plan_work(out)
    return HERE if folder is None else Kept(folder)
