"""How a command looks while it runs: `python tests/benchmark/terminal_shots.py FOLDER`.

Writes progress-80, progress-120 (SVG and PNG) and notebook.html, to be looked at; the first is
docs/figures/terminal-80.png. Needs playwright and a Chromium.
"""

import io
import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright
from rich.console import Console

from backburn.services import progress_displays
from backburn.services.progress_displays import NotebookBar
from backburn.services.step_progress import StepProgress
from backburn.services.time_estimate import Step, demo_steps, plan_line

STEPS = tuple(Step(step.words, step.phases, 40.0) for step in demo_steps()[1:-1])


def terminal(width: int) -> str:
    """The screen in the middle of a repair, as SVG."""
    looks = {"force_terminal": True, "width": width, "highlight": False}
    screen = Console(record=True, file=io.StringIO(), **looks)
    screen.print(f"$ backburn repair audit --out fixed\n{plan_line(STEPS)}")
    progress_displays.safe_console = lambda **_: Console(file=io.StringIO(), **looks)
    bars = progress_displays.ProgressDisplay()
    bars.plan(STEPS)
    bars._steps.start -= 200
    for done in (0, 12_345):
        bars("decoupling", done, 40_000)
    screen.print(bars._bars.get_renderable())
    return screen.export_svg(title="backburn")


def notebook() -> str:
    """A cell's output in the middle of an audit."""
    bar = NotebookBar()
    bar._steps, bar._plan_line = StepProgress(STEPS[:5]), plan_line(STEPS[:5])
    bar._steps.update("boundary", 512, 1500)
    return f"<!doctype html><body style='font-family: sans-serif'>{bar.html(512, 1500)}"


def main(folder: str) -> None:
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    for width in (80, 120):
        (out / f"progress-{width}.svg").write_text(terminal(width))
    (out / "notebook.html").write_text(notebook())
    with sync_playwright() as playwright:
        path = os.environ.get("BACKBURN_CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for width in (80, 120):
            page = browser.new_page(viewport={"width": 1600, "height": 400})
            drawn = (out / f"progress-{width}.svg").read_text()
            style = f"body {{margin: 0}} svg {{width: {width * 11.25}px; display: block}}"
            page.set_content(f"<style>{style}</style>{drawn}")
            page.locator("svg").screenshot(path=out / f"progress-{width}.png")
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
