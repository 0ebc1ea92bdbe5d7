"""Put the studies' rows and pictures into the cards of attacks, defences and detectors.

python tests/benchmark/cards.py [--run runs/study-attacks]

Tables come from studies/attacks and studies/benchmark; the pictures from the victims of a run.
"""

import argparse
import csv
import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
MEASURED = re.compile(
    r"(<!-- (studies/benchmark/\w+\.csv) (\w+) -->\n).*?(<!-- end -->)", re.DOTALL
)
UNMEASURED = "Not yet in the published study."
SHOWN = {
    "summary": ("acc_before", "asr_before", "ra_before", "acc", "asr", "ra", "der"),
    "detectors": ("asr_before", "tpr", "fpr", "auroc"),
}
QUOTE = re.compile(r"(<!-- (studies/attacks/summary\.md)( \w+)? -->\n).*?(<!-- end -->)", re.DOTALL)


def rows_of(table: str, attack: str) -> str:
    """The head of a markdown table, and the rows of one attack."""
    lines = table.strip().splitlines()
    own = [line for line in lines if line.startswith(f"| {attack} |")]
    return "\n".join([*lines[:2], *own]) if own else UNMEASURED


def refreshed(page: str) -> str:
    """A page with its quotes of the study made anew."""

    def quote(match: re.Match[str]) -> str:
        table = (ROOT / match[2]).read_text()
        text = rows_of(table, match[3].strip()) if match[3] else table.strip()
        return f"{match[1]}{text}\n{match[4]}"

    return MEASURED.sub(measured, QUOTE.sub(quote, page))


def measured(match: re.Match[str]) -> str:
    """What the benchmark has of a method, a row an attack, per cent, the mean of its seeds."""
    path = ROOT / match[2]
    held = list(csv.DictReader(path.read_text().splitlines())) if path.exists() else []
    own = [row for row in held if row["method"] == match[3]]
    if not own:
        return f"{match[1]}{UNMEASURED}\n{match[4]}"
    columns = SHOWN[path.stem]
    names = [name.upper().replace("_BEFORE", " before") for name in columns]
    lines = [f"| attack | poison | seeds | {' | '.join(names)} |", "|---" * (len(names) + 3) + "|"]
    for attack, rate in dict.fromkeys((row["attack"], row["rate"]) for row in own):
        rows = [row for row in own if (row["attack"], row["rate"]) == (attack, rate)]
        poison = f"{100 * float(rate):.3g} %" if float(rate) else "-"
        figures = " | ".join(mean_of([row[name] for row in rows]) for name in columns)
        lines.append(f"| {attack} | {poison} | {len(rows)} | {figures} |")
    return "\n".join([match[1].rstrip("\n"), *lines, match[4]])


def mean_of(values: list[str]) -> str:
    """The mean in per cent; a dash where a figure does not apply."""
    known = [100 * float(value) for value in values if value]
    return f"{sum(known) / len(known):.1f}" if known else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=ROOT / "runs" / "study-attacks")
    victims = parser.parse_args().run / "victims"
    for page in sorted((ROOT / "docs").glob("*/*.md")):
        page.write_text(refreshed(page.read_text()))
    folder = ROOT / "docs" / "attacks"
    for page in sorted(folder.glob("*.md")):
        for strip in sorted(victims.glob(f"{page.stem}-*/strip.png")):
            shutil.copyfile(strip, folder / f"{page.stem}.png")


if __name__ == "__main__":
    main()
