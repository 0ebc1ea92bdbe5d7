"""Pictures of a report for the documentation: `python tests/benchmark/report_shots.py RUN FOLDER`.

RUN is what `backburn demo` and then `backburn report` wrote.
"""

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

FLAGS = ("--no-sandbox", "--headless", "--disable-gpu", "--no-first-run")
SHOTS = {
    "light": ("light", 1280, 860, "#suspects"),
    "dark": ("dark", 1280, 860, "header"),
    "390": ("light", 390, 844, "#tiles"),
    "1920": ("light", 1920, 1080, "header"),
}
"""Scheme, width, height, and what is scrolled to the top."""


def shoot(browser: Browser, page_file: Path, out: Path, name: str) -> None:
    scheme, width, height, top = SHOTS[name]
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
    page = context.new_page()
    page.goto(page_file.resolve().as_uri())
    page.keyboard.press("j")
    for key in "aar5":
        page.keyboard.press(key)
    page.evaluate("top => document.querySelector(top).scrollIntoView()", top)
    page.wait_for_timeout(300)
    page.screenshot(path=out / f"report-{name}.png")
    context.close()


def main(run: str, out: str) -> None:
    path = os.environ.get("BACKBURN_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        for name in SHOTS:
            shoot(browser, Path(run) / "report.html", Path(out), name)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
