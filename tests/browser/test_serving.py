"""A large run is reviewed in tabs of a browser: every decision is on disk, and none is lost."""

import threading

import pytest

from backburn.data.csv_cells import csv_bytes, read_csv
from backburn.data.review_file import COLUMNS
from backburn.report.finished_run import open_finished_run
from backburn.serve.decisions import Decisions
from backburn.serve.server import prepare_server
from backburn.serve.session import ReviewSession
from backburn.serve.thumbnails import ThumbnailSource
from handmade import CLASSES, made_gallery, written

PAINTED = """
(() => { const c = document.querySelector('canvas');
 return c.getContext('2d').getImageData(5, 5, 1, 1).data[3] === 255; })()
"""


@pytest.fixture
def served(chromium, tmp_path):
    """Serves a run that is made by hand; gives it and a maker of tabs, which fail on errors."""
    wrong, ends = [], []

    def show(**case):
        run = written(tmp_path / "run", **case)
        finished = open_finished_run(run)
        decisions = Decisions(run / "review.csv", finished.gallery)
        session = ReviewSession(finished, decisions, ThumbnailSource(finished.gallery))
        server, listener, address = prepare_server(session)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        context = chromium.new_context(viewport={"width": 1280, "height": 900})

        def stop():
            server.should_exit = True
            thread.join(10)
            listener.close()

        def tab():
            page = context.new_page()
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("dialog", lambda dialog: (wrong.append("a dialog opened"), dialog.dismiss()))
            page.on("request", lambda asked: _ours(asked.url, address, wrong))
            page.on("console", lambda line: wrong.append(line.text))
            page.goto(address)
            page.wait_for_selector(".tile")
            return page

        ends.extend((context.close, stop))
        return run, tab, stop

    yield show
    for end in ends:
        end()
    # the browser itself tells of answers that are no success
    told = ("409 (Conflict)", "ERR_CONNECTION_REFUSED")
    assert [line for line in wrong if not any(each in line for each in told)] == []


def _ours(url: str, address: str, wrong: list[str]) -> None:
    if not url.startswith((address.partition("?")[0], "data:")):
        wrong.append(f"the page asked for {url}")


def announced(page, text: str) -> None:
    page.wait_for_selector(f"#message:text({text!r})")


def names(page) -> list[str]:
    return page.locator(".tile:visible > bdi.name").all_inner_texts()


def state(page, place: int) -> str:
    return page.locator(".tile").nth(place).locator(".state").inner_text()


def row(suspect, decision: str, label: int) -> dict[str, str]:
    given, restored = CLASSES[suspect.given], CLASSES[suspect.restored]
    cells = (suspect.image, given, restored, decision, CLASSES[label])
    return dict(zip(COLUMNS, cells, strict=True))


def test_twenty_are_reviewed_and_are_on_disk_and_after_a_reload(served):
    run, tab, _ = served(count=1500)
    page, suspects = tab(), made_gallery(1500).suspects
    assert "token" not in page.url
    page.wait_for_function(PAINTED)
    page.keyboard.press("j")
    for k in range(20):  # as fast as keys can be pressed
        page.keyboard.press("r" if k % 2 else "a")
    announced(page, "20 of 1500 decided")
    expected = [
        row(each, "reject", each.given) if k % 2 else row(each, "accept", each.restored)
        for k, each in enumerate(suspects[:20])
    ]
    assert (run / "review.csv").read_bytes() == csv_bytes(COLUMNS, expected)
    page.reload()
    page.wait_for_selector(".tile.accept")
    assert page.inner_text("#tally") == "20 of 1500 decided: 10 accepted, 10 rejected, 0 relabeled"
    assert [state(page, k) for k in (0, 1, 20)] == ["✓ accepted", "✕ rejected", "undecided"]
    with page.expect_download() as waiting:
        page.click("#export")
    assert waiting.value.path().read_bytes() == (run / "review.csv").read_bytes()


def test_all_suspects_are_paged_filtered_and_searched(served):
    _, tab, _ = served(count=1500)
    page, suspects = tab(), made_gallery(1500).suspects
    page.click("#next")
    page.wait_for_selector("#shown:text('page 2 of 25')")
    assert names(page) == [each.image for each in suspects[60:120]]
    page.fill("#search", "photo 14")
    announced(page, "100 shown.")
    assert names(page)[0] == "photo 1400.png"
    assert page.locator(".tile").first.locator(".picture span").first.inner_text() == "no picture"
    page.select_option("#given", "1")
    announced(page, "50 shown.")
    assert names(page) == [each.image for each in suspects[1400:1500] if each.given == 1]
    page.fill("#search", "nothing like it")
    page.wait_for_selector("#shown:text('No suspect')")
    assert names(page) == []


def test_two_tabs_lose_no_decision(served):
    run, tab, _ = served(count=90)
    one, other = tab(), tab()
    one.keyboard.press("j")
    one.keyboard.press("a")
    announced(one, "1 of 90 decided")
    other.keyboard.press("j")
    other.keyboard.press("j")
    other.keyboard.press("r")
    announced(other, "2 of 90 decided")
    other.keyboard.press("k")
    other.keyboard.press("k")
    other.keyboard.press("r")  # still shown as undecided
    announced(other, "was decided on in another tab")
    assert state(other, 0) == "✓ accepted"
    assert [each["decision"] for each in read_csv(run / "review.csv", COLUMNS)] == [
        "accept", "reject",
    ]  # fmt: skip
    other.keyboard.press("r")  # now it was seen
    announced(other, "photo 0000.png: ✕ rejected")
    one.keyboard.press("u")
    announced(one, "was decided on in another tab")
    assert [each["decision"] for each in read_csv(run / "review.csv", COLUMNS)] == [
        "reject", "reject",
    ]  # fmt: skip


def test_a_file_that_was_edited_meanwhile_is_shown_and_kept(served):
    run, tab, _ = served(count=9)
    page, suspects = tab(), made_gallery(9).suspects
    theirs = csv_bytes(COLUMNS, [row(suspects[4], "reject", suspects[4].given)])
    (run / "review.csv").write_bytes(theirs)
    page.keyboard.press("j")
    page.keyboard.press("a")
    announced(page, "changed by another program")
    assert (run / "review.csv").read_bytes() == theirs
    assert state(page, 4) == "✕ rejected"
    page.keyboard.press("a")
    announced(page, "2 of 9 decided")


def test_labels_are_typed_and_undone(served):
    run, tab, _ = served(count=9)
    page = tab()
    page.keyboard.press("j")
    page.keyboard.type("fro")
    page.keyboard.press("Enter")
    announced(page, "✎ relabeled: frog")
    page.keyboard.press("u")
    announced(page, "Undone")
    assert read_csv(run / "review.csv", COLUMNS) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_what_is_served(served, grave, scheme):
    _, tab, _ = served(count=1500)
    page = tab()
    page.emulate_media(color_scheme=scheme)
    for key in "jarl":  # two are decided, and a label is being typed
        page.keyboard.press(key)
    page.wait_for_selector("#relabel[open]")  # it waits for what was decided to be on disk
    assert grave(page) == []
    page.keyboard.press("Escape")
    page.wait_for_selector("#relabel", state="hidden")
    page.fill("#search", "photo 14")  # without pictures
    announced(page, "100 shown.")
    assert grave(page) == []


def test_names_from_strangers_run_nothing_and_are_kept(served):
    from test_hostile_page import CLASSES as ODD
    from test_hostile_page import NAMES

    run, tab, _ = served(count=len(NAMES), names=NAMES, classes=ODD)
    page = tab()
    shown = page.evaluate(
        "[...document.querySelectorAll('.tile')].map(t => t.querySelector('bdi').textContent)"
    )
    assert [name.encode("utf-8", "surrogatepass") for name in shown] == [
        name.encode("utf-8", "surrogatepass") for name in NAMES
    ]
    page.keyboard.press("j")
    for _ in NAMES:
        page.keyboard.press("a")
    announced(page, f"{len(NAMES)} of {len(NAMES)} decided")
    rows = read_csv(run / "review.csv", COLUMNS)
    assert [each["image"] for each in rows] == list(NAMES)
    assert {each["label"] for each in rows} <= set(ODD)


def test_a_server_that_has_stopped_is_told(served):
    run, tab, stop = served(count=9)
    page = tab()
    stop()
    page.keyboard.press("j")
    page.keyboard.press("a")
    announced(page, "backburn serve does not answer")
    assert state(page, 0) == "undecided"
    assert not (run / "review.csv").exists()
