"""Tries every hostile input and writes what came of it: `python table.py OUT.md [WORD ...]`.

With words, only inputs with one of them in their kind or name.
"""

import sys
from pathlib import Path

import trying

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import torchvision_schemas

HEAD = "| input | bytes | outcome | CPU s | MiB beyond |\n|---|---|---|---|---|\n"


def cell(text: str) -> str:
    """Text in a table of Markdown."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return shown.replace("|", "\\|").replace("<", "&lt;")


def row(each: trying.Tried, folder: str = "/tmp/") -> str:
    """An input and what came of it."""
    line = " ".join(
        word.rsplit("/", 1)[-1] if folder in word else word for word in each.line.split(" ")
    )
    outcome = "**" + ", ".join(each.faults) + "** " if each.faults else ""
    outcome += {0: "read", 2: "refused", 3: "read"}.get(each.code, f"exit {each.code}")
    told = f": {line.removeprefix('backburn: ')[:150]}" if each.code == 2 else ""
    return (
        f"| {cell(each.name)} | {each.size:,} | {outcome}{cell(told)} | {each.seconds:.1f} | "
        f"{each.grown >> 20} |"
    )


def main() -> None:
    """Try, and write."""
    out, words = Path(sys.argv[1]), sys.argv[2:]
    assert torchvision_schemas
    trying.warm()
    kinds: dict[str, list[trying.Tried]] = {}
    for given in trying.inputs():
        if words and not any(word in f"{given.kind} {given.name}" for word in words):
            continue
        each = trying.tried(given)
        kinds.setdefault(given.kind, []).append(each)
        print(given.kind, row(each), flush=True)  # noqa: T201
    every = [each for part in kinds.values() for each in part]
    bad = [each for each in every if each.faults]
    most = max(every, key=lambda each: each.seconds), max(every, key=lambda each: each.grown)
    text = (
        f"{len(every)} inputs, {len(bad)} faults. The longest took {most[0].seconds:.1f} seconds of the "
        f"processor ({cell(most[0].name)}), the largest {most[1].grown >> 20} MiB beyond its file "
        f"({cell(most[1].name)}).\n"
    )
    for kind, part in kinds.items():
        text += f"\n## {kind}\n\n{HEAD}" + "\n".join(map(row, part)) + "\n"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(f"# Hostile inputs\n\n{text}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
