"""A folder to torture commands in, and what they come to when they are left alone."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from commands import Ended, prepare, remove, result, run


@dataclass(frozen=True)
class Whole:
    """An uninterrupted run: exit code, files and seconds."""

    code: int
    files: dict[str, object]
    seconds: float


@dataclass
class Place:
    """What commands start from, made once; `whole` runs are kept."""

    folder: Path
    kept: dict[str, Whole] = field(default_factory=dict)

    def __post_init__(self) -> None:
        prepare(self.folder)

    def whole(self, name: str) -> Whole:
        """The command left alone."""
        if name not in self.kept:
            began = time.monotonic()
            done = run(name, self.folder, f"whole-{name}")
            if done.code not in (0, 3):
                raise RuntimeError(f"{name} failed when left alone: {done.err}")
            path = self.folder / f"whole-{name}"
            self.kept[name] = Whole(done.code, result(path), time.monotonic() - began)
        return self.kept[name]

    def differs(self, name: str, out: str, done: Ended) -> str:
        """How a run differs from the one that was left alone; empty where it does not."""
        whole = self.whole(name)
        if done.code != whole.code:
            return f"exit code {done.code}, not {whole.code}: {done.err.strip()[-300:]}"
        files = result(self.folder / out)
        other = [
            file for file in files.keys() | whole.files if files.get(file) != whole.files.get(file)
        ]
        return f"other {', '.join(sorted(other))}" if other else self.left_over(out)

    def left_over(self, out: str) -> str:
        """What lies beside a run that is finished."""
        beside = [p.name for p in self.folder.iterdir() if p.name.startswith(f".{out}")]
        return f"left over: {', '.join(beside)}" if beside else ""

    def clear(self, out: str) -> None:
        """Take a run and what lies beside it away."""
        for path in [self.folder / out, *self.folder.glob(f".{out}*")]:
            remove(path)
