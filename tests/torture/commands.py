"""Demo-size runs of every command, started as a person starts them, and what comes of them."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

STUDY = """
dataset = "digits"
attacks = ["badnets"]
rates = [0.1]
methods = ["ft", "spectral"]
[recipe]
architecture = "small_cnn"
training = {epochs = 8, batch_size = 64, learning_rate = 0.05}
[hyperparameters.ft]
training = {epochs = 5}
"""
FEW_EPOCHS = ("--set", "recipe.training.epochs=16")
COMMANDS: dict[str, tuple[str, ...]] = {
    "attack": ("attack", "badnets", "digits", "--rate", "0.1", *FEW_EPOCHS, "--out", "OUT"),
    "audit": ("audit", "victim", "--out", "OUT"),
    "repair": ("repair", "victim", "--out", "OUT"),
    "figures": ("figures", "victim", "--each", "30", "--out", "OUT"),
    "demo": ("demo", "--out", "OUT"),
    "bench": ("bench", "study.toml", "--workers", "1", "--out", "OUT"),
    "export": ("export", "repaired", "OUT", "--as", "folder"),
    "report": ("report", "repaired", "--out", "OUT"),
}
"""OUT stands for what is written, and files beside it are those of `prepare`."""
OF_THE_MOMENT = {"seconds", "created", "commit", "memory", "digest", "cost", "peak", "threads"}
"""What two runs of the same command may differ in."""

DATED = (".svg", ".md", ".tex")
"""Pictures with their date, and tables with costs in seconds, which are in the CSV beside them."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def in_a_line(self) -> bool:
        """Whether it was refused as a person should be refused."""
        lines = self.err.strip().splitlines()
        plain = "Traceback" not in self.err and "Exception ignored" not in self.err
        return self.code == 2 and plain and bool(lines) and lines[-1].startswith("backburn: ")


def launched(
    arguments: tuple[str, ...],
    folder: Path,
    sabotage: str = "",
    environment: Mapping[str, str | None] | None = None,
) -> subprocess.Popen[bytes]:
    """A command in a process of its own; `environment` is laid over ours, None takes away."""
    script = str(Path(__file__).with_name("sabotage.py"))
    begin = [sys.executable, script, sabotage] if sabotage else [sys.executable, "-m", "backburn"]
    laid = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    laid |= {name: value for name, value in (environment or {}).items() if value is not None}
    for name, value in (environment or {}).items():
        if value is None:
            laid.pop(name, None)
    return subprocess.Popen(
        [*begin, *arguments],
        cwd=folder,
        env=laid,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def ended(process: subprocess.Popen[bytes], seconds: float = 1800) -> Ended:
    """Waits for it; a command that hangs is killed, and the error is passed on."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    said = (text.decode("utf-8", "backslashreplace") for text in (out, err))
    return Ended(process.returncode, *said)


def run(name: str, folder: Path, out: str, **how: object) -> Ended:
    """One of `COMMANDS`, to its end."""
    return ended(launched(arguments_of(name, out), folder, **how))  # type: ignore[arg-type]


def arguments_of(name: str, out: str) -> tuple[str, ...]:
    """The arguments of one of `COMMANDS`."""
    return tuple(out if word == "OUT" else word for word in COMMANDS[name])


def prepare(folder: Path) -> None:
    """A study, a victim and a repair of it, which commands start from."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.toml").write_text(STUDY)
    for name, out in (("attack", "victim"), ("repair", "repaired")):
        done = run(name, folder, out)
        if done.code:
            raise RuntimeError(f"{name} failed: {done.err}")


def result(path: Path) -> dict[str, object]:
    """What a command wrote, by path, without what is of the moment."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return {str(file.relative_to(path)): _lasting(file) for file in files if file.suffix != ".lock"}


def _lasting(file: Path) -> object:
    content = file.read_bytes()
    if file.suffix == ".json" and b'"seconds"' in content:
        return _without(json.loads(content))
    if file.suffix == ".csv" and b"seconds" in content.partition(b"\n")[0]:
        rows = csv.DictReader(io.StringIO(content.decode()))
        return [{k: v for k, v in row.items() if not _momentary(k)} for row in rows]
    return None if file.suffix in DATED else content


def _without(value: object) -> object:
    if isinstance(value, dict):
        return {k: _without(v) for k, v in value.items() if not _momentary(k)}
    return [_without(each) for each in value] if isinstance(value, list) else value


def _momentary(name: str) -> bool:
    return any(name.startswith(word) for word in OF_THE_MOMENT)


def remove(path: Path) -> None:
    """A file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
