"""Commands that are killed at random moments, given again, and compared; and two at once."""

import random
import signal
import time

from commands import COMMANDS, arguments_of, ended, launched, result, run
from place import Place

OUT = "both"
TOLD_AGAIN = 20
"""How often a command is started until it is killed before it ends."""


def killed_once(place: Place, name: str, out: str, seed: float) -> str:
    """Kill it somewhere between its start and its end, start it again, and compare."""
    chance = random.Random(seed)  # noqa: S311
    for _ in range(TOLD_AGAIN):
        place.clear(out)
        process = launched(arguments_of(name, out), place.folder)
        time.sleep(chance.uniform(0.02, 0.98) * place.whole(name).seconds)
        process.send_signal(signal.SIGKILL)
        ended(process)
        if process.returncode == -signal.SIGKILL:
            break
    path = place.folder / out
    if name != "bench" and path.exists():  # a study's folder fills cell by cell
        finished = result(path) == place.whole(name).files
        return "" if finished else "what was killed has its name, and is not whole"
    why = place.differs(name, out, run(name, place.folder, out))
    place.clear(out)
    return why


def two_at_once(place: Place, name: str) -> str:
    """One of two writers comes to the result; the other is told, or finds it done."""
    place.clear(OUT)
    both = [launched(arguments_of(name, OUT), place.folder) for _ in range(2)]
    done = [ended(process) for process in both]
    winners = [one for one in done if one.code == place.whole(name).code]
    losers = [one for one in done if one not in winners]
    if len(winners) != 1 or not all(one.in_a_line for one in losers):
        return "; ".join(f"exit code {one.code}: {one.err.strip()[-200:]}" for one in done)
    return place.differs(name, OUT, winners[0])


def killed_names(count: int) -> list[str]:
    """So many commands, each as often as the others."""
    return [list(COMMANDS)[k % len(COMMANDS)] for k in range(count)]
