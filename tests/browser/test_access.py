"""axe-core finds nothing serious, the policy is kept, and nothing moves while the page loads."""

import pytest

SHIFTS = """
new Promise(done => new PerformanceObserver(list => done(
  list.getEntries().reduce((sum, each) => sum + each.value, 0)
)).observe({type: 'layout-shift', buffered: true}) || setTimeout(() => done(0), 300))
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_serious(opened, grave, scheme, width):
    page = opened(scheme=scheme, width=width)
    page.keyboard.press("j")
    for key in "ar1":
        page.keyboard.press(key)
    for details in page.locator("details").all():
        details.evaluate("each => { each.open = true; }")
    assert grave(page) == []


def test_axe_finds_nothing_serious_where_a_label_is_typed(opened, grave):
    page = opened()
    page.keyboard.press("j")
    page.keyboard.press("l")
    assert grave(page) == []


def test_the_policy_lets_nothing_else_run(opened):
    page = opened()
    assert page.evaluate("document.querySelectorAll('[style]').length") == 0
    page.evaluate(
        "document.addEventListener('securitypolicyviolation',"
        " event => { window.broken = event.violatedDirective; })"
    )
    policy = page.get_attribute("meta[http-equiv=Content-Security-Policy]", "content")
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    page.keyboard.press("j")
    page.keyboard.press("a")
    page.click("#next")
    page.wait_for_timeout(100)
    assert page.evaluate("window.broken") is None


def test_nothing_moves_while_it_loads(opened):
    page = opened()
    # slow enough that it is painted before its script runs
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 4})
    page.reload()
    page.wait_for_selector(".tile")
    assert page.evaluate(SHIFTS) < 0.01


def test_one_suspect_is_in_the_order_of_tabs(opened):
    page = opened()
    assert page.locator(".tile[tabindex='0']").count() == 1
    page.locator(".tile").first.focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Accept"
    label = page.locator(".tile").first.get_attribute("aria-label")
    assert label.startswith("Rank 1, photo 0000.png: given airplane, restored cat")
