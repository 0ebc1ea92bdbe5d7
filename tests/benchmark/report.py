"""How long a report takes to make, to paint and to filter: in one file, and served.

    python tests/benchmark/report.py [--out FILE]

First paint is from the start of the navigation to the first contentful paint (served: to the first
tile); filtering from the change of a filter to the next frame after it (served: after its answer).
Made is the page; served, what `backburn serve` does before it can answer. Nothing is asserted.
Needs Chromium and `pip install 'backburn[browser,serve]'`.
"""

import argparse
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from backburn.report.finished_run import open_finished_run
from backburn.report.html_page import render_standalone_page
from backburn.serve.decisions import Decisions
from backburn.serve.server import prepare_server
from backburn.serve.session import ReviewSession
from backburn.serve.thumbnails import ThumbnailSource
from handmade import made_gallery, written

FLAGS = ("--no-sandbox", "--headless", "--disable-gpu", "--no-first-run")
FILTER = """
() => new Promise(done => {
  const start = performance.now();
  const given = document.getElementById('given');
  const end = () => requestAnimationFrame(() => done(performance.now() - start));
  if (SERVED) new MutationObserver((_, each) => { each.disconnect(); end(); }).observe(
    document.getElementById('message'), {childList: true});
  given.value = given.value === '1' ? '0' : '1';
  given.dispatchEvent(new Event('change'));
  if (!SERVED) requestAnimationFrame(end);
})
"""
FIRST = """
() => new Promise(done => {
  const look = () => document.querySelector('.tile') ? done(performance.now())
    : requestAnimationFrame(look);
  look();
})
"""
CASES = ((100, 32, False), (1000, 32, False), (1000, 96, False), (100_000, 32, True))
"""Suspects, pixels a side, and whether they are served."""
REPEATS = 6
"""Of which the quickest counts, on each of three pages, of which the middle one does."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="the table's file")
    out = parser.parse_args().out
    path = os.environ.get("BACKBURN_CHROMIUM") or shutil.which("chromium")
    lines = [
        "| suspects | side | as | page (MB) | made (s) | paint (ms) | filter (ms) | search (ms) |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    print("\n".join(lines))  # noqa: T201
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        for count, side, served in CASES:
            run = written(Path(folder) / f"{count}-{side}", made_gallery(count, side=side))
            start = time.perf_counter()
            with (answering if served else filed)(run) as (content, address):
                spent = time.perf_counter() - start
                measures = [measured(browser, address, served) for _ in range(3)]
            times = [middle(values) for values in zip(*measures, strict=True)]
            where = "served" if served else "file"
            row = (count, side, where, f"{len(content) / 1e6:.2f}", f"{spent:.1f}", *times)
            lines.append("| " + " | ".join(map(str, row)) + " |")
            print(lines[-1], flush=True)  # noqa: T201
        browser.close()
    if out is not None:
        out.write_text("\n".join(lines) + "\n")


@contextmanager
def filed(run: Path) -> Iterator[tuple[bytes, str]]:
    """The page of a run in a file, and its address."""
    content = render_standalone_page(run)
    (run / "report.html").write_bytes(content)
    yield content, (run / "report.html").as_uri()


@contextmanager
def answering(run: Path) -> Iterator[tuple[bytes, str]]:
    """The page of a run that is served, and its address."""
    finished = open_finished_run(run)
    decisions = Decisions(run / "review.csv", finished.gallery)
    session = ReviewSession(finished, decisions, ThumbnailSource(finished.gallery))
    server, listener, address = prepare_server(session)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield session.page(), address
    server.should_exit = True
    thread.join()
    listener.close()


def measured(browser: Browser, address: str, served: bool) -> tuple[float, float, float]:
    """Milliseconds to first contentful paint, to filter by class, and to search by name."""
    page = browser.new_page()
    page.goto(address)
    if served:
        paint = page.evaluate(FIRST)
    page.wait_for_selector(".tile")
    page.wait_for_timeout(500)
    while not served:  # by hand: the driver's own waiting needs eval, which the page forbids
        entry = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
        if (paint := page.evaluate(entry)) is not None:
            break
        page.wait_for_timeout(500)
    change = FILTER.replace("SERVED", "true" if served else "false")
    search = change.replace("'given'", "'search'").replace("'1'", "'7'").replace("'0'", "'8'")
    search = search.replace("change", "input")
    times = [min(page.evaluate(each) for _ in range(REPEATS)) for each in (change, search)]
    page.close()
    return paint, *times


def middle(values: tuple[float, ...]) -> int:
    return round(sorted(values)[len(values) // 2])


if __name__ == "__main__":
    main()
