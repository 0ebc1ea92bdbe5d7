"""Commands that are killed at random moments, given again, and compared; and two at once."""

import random
import signal
import time

from commands import COMMANDS, arguments_of, ended, launched, result, run
from place import Place

OUT = "killed"
TOLD_AGAIN = 20
"""How often a command is started until it is killed before it ends."""


def killed_once(place: Place, name: str, chance: random.Random) -> str:
    """Kill it somewhere between its start and its end, start it again, and compare."""
    place.clear(OUT)
    seconds = place.whole(name).seconds
    for _ in range(TOLD_AGAIN):
        process = launched(arguments_of(name, OUT), place.folder)
        time.sleep(chance.uniform(0.02, 0.98) * seconds)
        process.send_signal(signal.SIGKILL)
        ended(process)
        if process.returncode == -signal.SIGKILL:
            break
        place.clear(OUT)
    if name != "bench" and (place.folder / OUT).exists():  # a study's folder fills cell by cell
        return "a killed run has a name already" if not _finished(place, name) else ""
    return place.differs(name, OUT, run(name, place.folder, OUT))


def _finished(place: Place, name: str) -> bool:
    """Killed after its last write, it is whole."""
    return result(place.folder / OUT) == place.whole(name).files


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
