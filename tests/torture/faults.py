"""Thirty-odd faults of the world around a command, and what has to come of each."""

import contextlib
import csv
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from commands import Ended, arguments_of, ended, launched, run
from place import Place

OUT = "run"


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and a test that says "" where the command survives it."""

    name: str
    test: Callable[[Place], str]

    def survived(self, place: Place) -> str:
        """The test, at a place where nothing is left of others."""
        place.clear(OUT)
        return self.test(place)


def right(name: str, **how: object) -> Callable[[Place], str]:
    """The command comes to the same as ever."""
    return lambda place: place.differs(name, OUT, run(name, place.folder, OUT, **how))


def in_a_line(name: str, **how: object) -> Callable[[Place], str]:
    """Refused in a line with nothing half-written, and right when the fault is gone; or right."""

    def test(place: Place) -> str:
        done = run(name, place.folder, OUT, **how)
        if done.code == place.whole(name).code:
            return place.differs(name, OUT, done)
        if why := refused(place, done, grows=name == "bench"):
            return why
        return right(name)(place)

    return test


def refused(place: Place, done: Ended, grows: bool = False) -> str:
    """Whether a command was refused as it should be; a study's folder grows cell by cell."""
    if not done.in_a_line:
        return f"exit code {done.code}: {done.err.strip()[-300:]}"
    return f"{OUT} was written" if (place.folder / OUT).exists() and not grows else ""


def full(name: str, nth: int) -> Fault:
    """The disk is full from the nth file on."""

    def test(place: Place) -> str:
        return in_a_line(name, sabotage=f"full:{nth}:{place.folder}")(place)

    return Fault(f"disk full at file {nth} of {name}", test)


def tiny_disk(name: str, kilobytes: int) -> Fault:
    """A disk that is really full; a limit for the size of files, where none can be mounted."""

    def test(place: Place) -> str:
        disk = place.folder / "disk"
        disk.mkdir(exist_ok=True)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(disk)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            return in_a_line(name, sabotage=f"limit:FSIZE:{256 * kilobytes}")(place)
        try:
            done = run(name, place.folder, f"disk/{OUT}")
            half = (disk / OUT).exists()
        finally:
            subprocess.run(["umount", str(disk)], check=True)  # noqa: S607
        if not done.in_a_line:
            return f"exit code {done.code}: {done.err.strip()[-300:]}"
        return "half a run was written" if half else ""

    return Fault(f"a disk of {kilobytes} KiB under {name}", test)


def changed_data(what: str) -> Fault:
    """An image goes or changes while the images are read."""

    def test(place: Place) -> str:
        tree, model = place.folder / "tree", "victim/model.safetensors"
        shutil.rmtree(tree, ignore_errors=True)
        done = ended(launched(("export", "repaired", "tree", "--as", "folder"), place.folder))
        image = sorted(tree.rglob("*.png"))[3]
        sabotage = f"between:{what}:{image}"
        words = ("audit", model, "tree/train", "--out", OUT)
        done = ended(launched(words, place.folder, sabotage))
        said = "changed while it was read" in done.err
        return refused(place, done) or ("" if said else f"not said: {done.err}")

    return Fault(f"an image is {what} while it is read", test)


def short(place: Place) -> str:
    """Batches are halved, which is said, and the same images are suspect."""
    done = run("audit", place.folder, OUT, sabotage="short:100")
    if done.code != place.whole("audit").code or "memory is short" not in done.err:
        return f"exit code {done.code}: {done.err.strip()[-300:]}"

    def names(run: str) -> set[str]:
        text = (place.folder / run / "suspects.csv").read_text()
        return {row["image"] for row in csv.DictReader(text.splitlines())}

    return "" if names(OUT) == names("whole-audit") else "other suspects"


def odd_names(place: Place) -> str:
    """Names that are no UTF-8, of files, a class, the data and the run."""
    tree = os.fsdecode(os.fsencode(place.folder) + b"/photos-\xff")
    shutil.rmtree(tree, ignore_errors=True)
    done = ended(launched(("export", "repaired", tree, "--as", "folder"), place.folder))
    train = Path(tree, "train")
    for image in sorted(train.rglob("*.png")):
        image.rename(image.with_name(os.fsdecode(b"\xe4" + os.fsencode(image.name))))
    first = min(train.iterdir())
    first.rename(first.with_name(os.fsdecode(b"\x01\xe4-" + os.fsencode(first.name))))
    out = os.fsdecode(b"run-\xfe")
    words = ("audit", "victim/model.safetensors", str(train), "--out", out)
    done = ended(launched(words, place.folder))
    again = ended(launched(("repair", out, "--out", OUT), place.folder))
    listed = ended(launched(("ls", "."), place.folder))
    shutil.rmtree(place.folder / out, ignore_errors=True)
    codes = (done.code, again.code, listed.code)
    return (
        ""
        if codes == (0, 0, 0)
        else f"{codes}: {done.err[-300:]} {again.err[-300:]} {listed.err[-300:]}"
    )


def shell(line: str, codes: tuple[int, ...] = (0,)) -> Callable[[Place], str]:
    """A line of shell with $B for the command, which must say no more than one line on stderr."""

    def test(place: Place) -> str:
        words = ["bash", "-o", "pipefail", "-c", f'B="{sys.executable} -m backburn"; {line}']
        done = subprocess.run(
            words, cwd=place.folder, capture_output=True, timeout=120, check=False
        )
        said = done.stderr.decode(errors="replace")
        good = done.returncode in codes and len(said.splitlines()) <= 1 and "Traceback" not in said
        return "" if good else f"exit code {done.returncode}: {said[-300:]}"

    return test


def narrow(place: Place) -> str:
    """On a terminal of 20 columns every word of `ls` can still be read."""
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "backburn", "ls", "."]
    environment = {**os.environ, "COLUMNS": "20", "TERM": "xterm"}
    process = subprocess.Popen(
        words, cwd=place.folder, env=environment, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # how a terminal ends
        while piece := os.read(ours, 4096):
            said += piece
    os.close(ours)
    return "" if process.wait() == 0 and b"whole-audit" in said else said.decode()[-300:]


def told(name: str, number: signal.Signals, code: int) -> Fault:
    """Asked to stop, it stops within five seconds, says so, and goes on when asked again."""

    def test(place: Place) -> str:
        process = launched(arguments_of(name, OUT), place.folder)
        time.sleep(0.6 * place.whole(name).seconds)
        began = time.monotonic()
        process.send_signal(number)
        done = ended(process)
        if done.code == place.whole(name).code:
            return place.differs(name, OUT, done)
        late = time.monotonic() - began
        if done.code != code or late > 5 or "Traceback" in done.err:
            return f"exit code {done.code} after {late:.1f} s: {done.err.strip()[-300:]}"
        return right(name)(place)

    return Fault(f"{number.name} in {name}", test)


NOWHERE = "/dev/null/nowhere"
HOMELESS = {"HOME": NOWHERE, "XDG_CACHE_HOME": NOWHERE, "HF_HOME": NOWHERE}
PLAIN_C = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
FAULTS = (
    *(full(name, nth) for name in ("audit", "attack", "export") for nth in (1, 2, 4)),
    *(full(name, nth) for name, nth in (("repair", 3), ("demo", 1), ("bench", 2), ("report", 1))),
    tiny_disk("audit", 16),
    tiny_disk("repair", 120),
    tiny_disk("export", 80),
    changed_data("gone"),
    changed_data("changed"),
    Fault("a decode worker ends", in_a_line("audit", sabotage="worker:killed:700")),
    Fault("a decode worker is without memory", in_a_line("audit", sabotage="worker:memory:700")),
    Fault("too many open files", in_a_line("audit", sabotage="worker:files:700")),
    Fault("a limit of 64 open files", right("audit", sabotage="limit:NOFILE:64")),
    Fault("a limit of 64 open files for report", right("report", sabotage="limit:NOFILE:64")),
    Fault("a limit of 12 open files", in_a_line("audit", sabotage="limit:NOFILE:12")),
    Fault("no more than 100 images fit into memory", short),
    Fault("an address space of 1 GiB", in_a_line("audit", sabotage=f"limit:AS:{2**30}")),
    Fault("the clock jumps", right("repair", sabotage="clock:0")),
    Fault("no home folder", right("audit", environment={"HOME": None})),
    Fault("a home that cannot be written to", right("figures", environment=HOMELESS)),
    Fault("no temporary folder", right("export", environment={"TMPDIR": NOWHERE})),
    Fault("names that are no UTF-8", odd_names),
    Fault("a locale of C", right("audit", environment=PLAIN_C)),
    Fault("a terminal that can do nothing", right("report", environment={"TERM": "dumb"})),
    Fault("a terminal of 20 columns", narrow),
    Fault("a pipe that is closed", shell("$B ls . --json | true", (0, 1))),
    Fault("output to a full disk", shell("$B ls . > /dev/full", (2,))),
    Fault("no standard output", shell("$B ls . >&-", (0, 2))),
    Fault("no standard error", shell("$B ls nowhere 2>&-", (2,))),
    Fault("an output that cannot be written", shell("$B audit victim --out /proc/run", (2,))),
    told("repair", signal.SIGINT, 130),
    told("audit", signal.SIGTERM, 143),
)
