"""A person reviews the suspects: by keyboard, nothing lost, the exact file at the end."""

from backburn.data.csv_cells import csv_bytes
from handmade import CLASSES, made_gallery

COLUMNS = ("image", "given_label", "restored_label", "decision", "label")


def names(page) -> list[str]:
    return page.locator(".tile:visible > bdi.name").all_inner_texts()


def focused(page) -> str:
    return page.evaluate("document.activeElement.querySelector('bdi').textContent")


def row(suspect, decision: str, label: int) -> dict[str, str]:
    given, restored = CLASSES[suspect.given], CLASSES[suspect.restored]
    return dict(
        zip(COLUMNS, (suspect.image, given, restored, decision, CLASSES[label]), strict=True)
    )


def test_the_verdict_and_all_sections_are_there(opened):
    page = opened()
    assert page.inner_text("h1") == "Backdoored"
    assert "This model has a backdoor: 90 of its 1,000" in page.inner_text(".sentence")
    page.click("summary:has(#h-numbers)")
    assert "probability below 1e-06" in page.inner_text("section:has(#h-numbers)")
    heads = ["Suspects", "Why", "Before and after", "Numbers", "Figures", "What made this"]
    assert page.locator("h2").all_inner_texts() == heads
    assert page.locator("figure.chart svg[role=img]").count() == 3
    assert page.locator(".tile:visible").count() == 60
    page.wait_for_function(
        "(() => { const c = document.querySelector('canvas');"
        " return c.getContext('2d').getImageData(5, 5, 1, 1).data[3] === 255; })()"
    )


def test_suspects_are_filtered_sorted_and_searched(opened):
    page, suspects = opened(), made_gallery().suspects
    page.select_option("#given", "1")
    assert names(page) == [each.image for each in suspects if each.given == 1]
    page.select_option("#restored", "3")
    assert names(page) == [each.image for each in suspects if (each.given, each.restored) == (1, 3)]
    page.select_option("#given", "")
    page.select_option("#restored", "")
    page.select_option("#sort", "distance")
    assert (
        names(page)[0]
        == max(
            (each for each in suspects if each.crossed >= 0), key=lambda each: each.distance
        ).image
    )
    page.select_option("#sort", "rank")
    page.fill("#search", "PHOTO 007")
    assert names(page) == [f"photo {k:04d}.png" for k in range(70, 80)]
    page.fill("#search", "nothing like it")
    assert names(page) == []
    assert "No suspect" in page.inner_text("#shown")
    page.fill("#search", "")
    page.click("#next")
    assert names(page) == [each.image for each in suspects[60:]]


def test_twenty_are_reviewed_by_keyboard_and_kept_and_saved(opened, saved):
    page, suspects = opened(), made_gallery().suspects
    page.keyboard.press("j")
    assert focused(page) == "photo 0000.png"
    page.keyboard.press("j")
    page.keyboard.press("k")
    expected = []
    for k in range(20):
        each = suspects[k]
        if k % 4 == 0:
            page.keyboard.press("r")
            expected.append(row(each, "reject", each.given))
        elif k % 4 == 1:
            other = next(c for c in range(4) if c not in (each.given, each.restored))
            page.keyboard.press(str(other + 1))
            expected.append(row(each, "relabel", other))
        else:
            page.keyboard.press("a")
            expected.append(row(each, "accept", each.restored))
        assert focused(page) == suspects[k + 1].image
    tally = "20 of 90 decided: 10 accepted, 5 rejected, 5 relabeled"
    assert page.inner_text("#tally") == tally
    assert page.inner_text("#message") == "photo 0019.png: ✓ accepted. 20 of 90 decided."
    page.reload()
    assert page.inner_text("#tally") == tally
    assert saved(page) == csv_bytes(COLUMNS, expected)
    page.select_option("#decision", "reject")
    assert names(page) == [suspects[k].image for k in range(0, 20, 4)]


def test_a_label_may_be_typed_and_undone(opened, saved):
    page = opened()
    page.keyboard.press("j")
    page.keyboard.press("l")
    page.keyboard.type("x")
    page.keyboard.press("Enter")
    assert "No class" in page.inner_text("#relabel-error")
    page.fill("#relabel-class", "FRO")
    page.keyboard.press("Enter")
    first = page.locator(".tile").first
    assert first.locator(".state").inner_text() == "✎ relabeled: frog"
    page.keyboard.press("r")
    page.keyboard.press("u")
    page.keyboard.press("u")
    assert page.inner_text("#tally").startswith("0 of 90 decided")
    assert first.locator(".state").inner_text() == "undecided"
    assert focused(page) == "photo 0000.png"
    assert saved(page) == csv_bytes(COLUMNS, [])


def test_a_letter_that_is_no_shortcut_begins_a_label(opened):
    page = opened()
    page.keyboard.press("j")
    page.keyboard.type("fr")
    assert page.input_value("#relabel-class") == "fr"
    page.keyboard.press("Enter")
    assert page.locator(".tile").first.locator(".state").inner_text() == "✎ relabeled: frog"
    assert focused(page) == "photo 0001.png"
    page.keyboard.type("a")
    assert page.locator(".tile").nth(1).locator(".state").inner_text() == "✓ accepted"


def test_it_works_by_mouse_and_over_pages(opened):
    page = opened()
    page.locator(".tile").nth(59).get_by_role("button", name="Accept").click()
    assert focused(page) == "photo 0060.png"
    assert "page 2 of 2" in page.inner_text("#shown")
    page.keyboard.press("k")
    assert focused(page) == "photo 0059.png"
    assert page.locator(".tile").nth(59).locator(".state").inner_text() == "✓ accepted"
    page.click("#undo")
    assert page.inner_text("#tally").startswith("0 of 90")


def test_digits_mean_classes_of_that_name(opened):
    page = opened(classes=tuple("0123456789"), count=3)
    page.keyboard.press("j")
    page.keyboard.press("8")
    assert page.locator(".tile").first.locator(".state").inner_text() == "✎ relabeled: 8"


def test_keys_do_nothing_while_a_name_is_typed(opened):
    page = opened()
    page.focus("#search")
    page.keyboard.type("jar1")
    assert page.inner_text("#tally").startswith("0 of 90 decided")
