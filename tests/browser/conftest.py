"""One headless Chromium, and pages of runs that are made by hand: nothing is trained."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from backburn.report.html_page import render_standalone_page
from handmade import written

FLAGS = (
    "--no-sandbox", "--headless", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
)  # fmt: skip


@pytest.fixture(scope="session")
def chromium():
    """The browser; what asks for it is skipped without one."""
    driver = pytest.importorskip(
        "playwright.sync_api", reason="no playwright: pip install 'backburn[browser]'"
    )
    path = os.environ.get("BACKBURN_CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium: apt-get install chromium, or set BACKBURN_CHROMIUM to one")
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def grave() -> Callable:
    """What axe-core calls serious or worse in a page: rule, impact, the first of its elements."""
    package = pytest.importorskip(
        "axe_core_python", reason="no axe-core: pip install 'backburn[browser]'"
    )
    axe = (Path(package.__file__).parent / "axe.min.js").read_text()

    def found(page) -> list[tuple[str, str, list[str]]]:
        page.evaluate(axe)  # by the debugger, which the page's policy does not bind
        said = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            (each["id"], each["impact"], [node["html"][:200] for node in each["nodes"][:3]])
            for each in said["violations"]
            if each["impact"] in ("serious", "critical")
        ]

    return found


@pytest.fixture
def opened(chromium, tmp_path) -> Callable:
    """Opens the report of a run that is made by hand; what goes wrong there fails the test."""
    wrong, contexts = [], []

    def show(scheme: str = "light", width: int = 1280, **case):
        run = written(tmp_path / f"run-{len(contexts)}", **case)
        (run / "report.html").write_bytes(render_standalone_page(run))
        context = chromium.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 900}, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda line: wrong.append(line.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append("a dialog opened"), dialog.dismiss()))
        page.on("request", lambda asked: _local(asked.url, wrong))
        page.goto((run / "report.html").as_uri())
        page.wait_for_selector(".tile")
        return page

    yield show
    for context in contexts:
        context.close()
    assert wrong == []


def _local(url: str, wrong: list[str]) -> None:
    if not url.startswith(("file:", "data:", "blob:")):
        wrong.append(f"the page asked for {url}")


@pytest.fixture
def saved(tmp_path) -> Callable:
    """Presses the button, and gives back the bytes of the file."""

    def save(page) -> bytes:
        with page.expect_download() as waiting:
            page.click("#export")
        assert waiting.value.suggested_filename == "review.csv"
        file = Path(tmp_path / "review.csv")
        waiting.value.save_as(file)
        return file.read_bytes()

    return save
