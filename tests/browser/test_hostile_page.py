"""Names and labels from strangers are shown as they are, run nothing, and break no layout."""

import csv
import io

import pytest

from backburn.data.csv_cells import csv_bytes, unescape_cell

COLUMNS = ("image", "given_label", "restored_label", "decision", "label")
NAMES = (
    "</script><script>alert(1)</script>.png",
    "<img src=x onerror=alert(2)>.png",
    "\"><svg onload=alert(3)>'.png",
    '=HYPERLINK("http://x","y").png',
    "@SUM(A1), '+1'.png",
    "-1.5e3",
    "line\r\nend.png",
    "'=twice.png",
    "\u202emirrored\u2066.png",
    "{{ 7 * 7 }} ${8*8} <!--.png",
    "x" * 3000 + ".png",
    "not utf-8 \udcff\udc80.png",
)
CLASSES = (
    "<b onmouseover=alert(4)>bold</b>",
    "🐈‍⬛ cat 👩‍👩‍👧",
    "كلب كبير جدا",
    "=1+1",
    "a very long label " * 30,
    "__proto__",
)


@pytest.fixture
def page(opened):
    return opened(count=len(NAMES), names=NAMES, classes=CLASSES, width=360)


def test_nothing_runs_and_everything_is_text(page):
    assert page.locator(".tile:visible").count() == len(NAMES)
    shown = page.evaluate(
        "[...document.querySelectorAll('.tile')].map(t => t.querySelector('bdi').textContent)"
    )
    assert [name.encode("utf-8", "surrogatepass") for name in shown] == [
        name.encode("utf-8", "surrogatepass") for name in NAMES
    ]
    assert page.locator("script").count() == 2
    assert page.locator("main b, main img[src=x], main svg[onload]").count() == 0
    handlers = page.evaluate(
        "[...document.querySelectorAll('*')].flatMap(e => [...e.attributes])"
        ".filter(a => a.name.startsWith('on')).length"
    )
    assert handlers == 0


@pytest.mark.parametrize("width", [360, 768, 3840])
def test_the_layout_holds(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    sizes = page.evaluate(
        "[...document.querySelectorAll('.tile')].map(t => `${t.offsetWidth} ${t.offsetHeight}`)"
    )
    assert len(set(sizes)) == 1
    assert page.evaluate(
        "[...document.querySelectorAll('.tile button')].every(b => {"
        " const c = b.closest('.tile').getBoundingClientRect(), r = b.getBoundingClientRect();"
        " return r.right <= c.right && r.bottom <= c.bottom; })"
    )


def test_the_saved_file_is_what_python_would_write(page, saved):
    page.keyboard.press("j")
    for _ in NAMES:
        page.keyboard.press("a")
    page.keyboard.press("5")
    found = saved(page)
    rows = list(csv.DictReader(io.StringIO(found.decode("utf-8", "surrogateescape"), newline="")))
    back = [
        {unescape_cell(name): unescape_cell(cell) for name, cell in row.items()} for row in rows
    ]
    assert [row["image"] for row in back] == list(NAMES)
    assert back[-1]["decision"] == "relabel"
    assert back[-1]["label"] == CLASSES[4]
    assert found == csv_bytes(COLUMNS, back)


def test_what_was_stored_by_others_is_not_believed(page):
    key = page.evaluate(
        "'backburn-review-' + JSON.parse(document.getElementById('data').textContent).key"
    )
    stored = '{"0": ["accept", 99], "3": ["<b>", 1], "7777": ["accept", 0], "6": ["reject", 0]}'
    page.evaluate("([key, text]) => localStorage.setItem(key, text)", [key, stored])
    page.reload()
    assert page.inner_text("#tally").startswith("1 of 12 decided: 0 accepted, 1 rejected")
    page.evaluate("key => localStorage.setItem(key, 'no JSON')", key)
    page.reload()
    assert page.inner_text("#tally").startswith("0 of 12 decided")
