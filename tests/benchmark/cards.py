"""Put the attack study's rows and pictures into the cards of docs/attacks.

python tests/benchmark/cards.py [--run runs/study-attacks]

Tables come from studies/attacks/summary.md; the pictures from the victims of a finished run.
"""

import argparse
import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
QUOTE = re.compile(r"(<!-- (studies/attacks/summary\.md)( \w+)? -->\n).*?(<!-- end -->)", re.DOTALL)


def rows_of(table: str, attack: str) -> str:
    """The head of a markdown table, and the rows of one attack."""
    lines = table.strip().splitlines()
    return "\n".join([*lines[:2], *(line for line in lines if line.startswith(f"| {attack} |"))])


def refreshed(page: str) -> str:
    """A page with its quotes of the study made anew."""

    def quote(match: re.Match[str]) -> str:
        table = (ROOT / match[2]).read_text()
        text = rows_of(table, match[3].strip()) if match[3] else table.strip()
        return f"{match[1]}{text}\n{match[4]}"

    return QUOTE.sub(quote, page)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=ROOT / "runs" / "study-attacks")
    victims = parser.parse_args().run / "victims"
    folder = ROOT / "docs" / "attacks"
    for page in sorted(folder.glob("*.md")):
        page.write_text(refreshed(page.read_text()))
        for strip in sorted(victims.glob(f"{page.stem}-*/strip.png")):
            shutil.copyfile(strip, folder / f"{page.stem}.png")


if __name__ == "__main__":
    main()
