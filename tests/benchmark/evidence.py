"""What each measure alone is worth: the `auroc.csv` of many folders of figures as one table."""

import argparse
from pathlib import Path

from table import read


def worth(folder: Path) -> dict[str, dict[str, float]]:
    """By victim and measure, from the folders that `backburn figures` wrote."""
    return {
        file.parent.name: {row["measure"]: float(row["auroc"]) for row in read(file)}
        for file in sorted(folder.glob("*/auroc.csv"))
        if not file.parent.name.startswith("none")
    }


def markdown(found: dict[str, dict[str, float]]) -> str:
    """A row a victim, a column a measure."""
    names = list(dict.fromkeys(name for measures in found.values() for name in measures))
    lines = [f"| victim | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for victim, measures in found.items():
        figures = (f"{measures[name]:.3f}" if name in measures else "-" for name in names)
        lines.append(f"| {victim} | {' | '.join(figures)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--figures", type=Path, required=True, help="folder of folders")
    options.add_argument("--out", type=Path, required=True, help="the table, markdown")
    given = options.parse_args()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(markdown(worth(given.figures)))
