"""How long a report of 1,000 suspects takes to make, to paint and to filter. Nothing is asserted.

    python tests/benchmark/report.py [--out FILE]

First paint is from the start of the navigation to the first contentful paint, of a page opened from
a file; filtering from the change of a filter to the next frame after it. Needs Chromium and
`pip install 'backburn[browser]'`.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from backburn.report.rendering import page_of
from handmade import made_gallery, written

FLAGS = ("--no-sandbox", "--headless", "--disable-gpu", "--no-first-run")
FILTER = """
() => new Promise(done => {
  const start = performance.now();
  const given = document.getElementById('given');
  given.value = given.value === '1' ? '0' : '1';
  given.dispatchEvent(new Event('change'));
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - start)));
})
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="the table's file")
    out = parser.parse_args().out
    path = os.environ.get("BACKBURN_CHROMIUM") or shutil.which("chromium")
    lines = [
        "| suspects | side | page (MB) | made (s) | first paint (ms) | filter (ms) | search (ms) |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    print("\n".join(lines))  # noqa: T201
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        for count, side in ((100, 32), (1000, 32), (1000, 96)):
            run = written(Path(folder) / f"{count}-{side}", made_gallery(count, side=side))
            start = time.perf_counter()
            content = page_of(run)
            spent = time.perf_counter() - start
            (run / "report.html").write_bytes(content)
            paint, change, search = zip(
                *(measured(browser.new_page(), run) for _ in range(3)), strict=True
            )
            size, times = f"{len(content) / 1e6:.1f}", map(middle, (paint, change, search))
            row = (count, side, size, f"{spent:.1f}", *times)
            lines.append("| " + " | ".join(map(str, row)) + " |")
            print(lines[-1], flush=True)  # noqa: T201
        browser.close()
    if out is not None:
        out.write_text("\n".join(lines) + "\n")


def measured(page: Page, run: Path) -> tuple[float, float, float]:
    """Milliseconds to first contentful paint, to filter by class, and to search by name."""
    page.goto((run / "report.html").as_uri())
    page.wait_for_selector(".tile")
    paint = None
    while paint is None:  # by hand: the driver's own waiting needs eval, which the page forbids
        page.wait_for_timeout(500)
        paint = page.evaluate(
            "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
        )
    change = min(page.evaluate(FILTER) for _ in range(3))
    typed = FILTER.replace("'given'", "'search'").replace("'1'", "'7'").replace("'0'", "'8'")
    search = min(page.evaluate(typed.replace("change", "input")) for _ in range(3))
    page.close()
    return paint, change, search


def middle(values: tuple[float, ...]) -> int:
    return round(sorted(values)[len(values) // 2])


if __name__ == "__main__":
    main()
