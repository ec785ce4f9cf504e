"""A real browser opens the report without a network: no complaint, and every control does what it says."""

from pathlib import Path

import pytest

from thalweg.report import write_report

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no /usr/bin/chromium; apt-get install chromium"),
]


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Open the report of a run; fail at the end if the page complained or asked for anything."""
    complaints = []

    def open_report(folder, *, width=1400, scheme="light"):
        path = write_report(folder, tmp_path / "report.html", lang="en")
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: asked.url.startswith(("file:", "data:")) or complaints.append(asked.url))
        page.goto(path.as_uri())
        return page

    yield open_report
    assert complaints == []


def test_language_and_theme(digits, opened):
    page = opened(digits)
    assert page.locator("h1").inner_text().endswith("it had never seen")
    page.click("#language")
    assert page.evaluate("document.documentElement.lang") == "zh"
    assert "从未见过" in page.locator("h1").inner_text() and "从未见过" in page.title()
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before


def test_dark_by_preference(digits, opened):
    light, dark = (
        opened(digits, scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    )
    assert light != dark


def test_cursor_reads_values(digits, opened):
    page = opened(digits)
    page.locator("#loss .plot:not([hidden])").hover()
    tip = page.locator("#loss .tip").inner_text()
    assert "epoch" in tip and "smoothed" in tip and "validation" in tip
    page.locator("#loss").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#loss .tip").inner_text() != ""
    page.keyboard.press("Escape")
    assert page.locator("#loss .tip").count() == 0
    page.locator("figure.heat .drawing").first.hover()
    assert page.locator("figure.heat .tip").first.inner_text() != ""


def test_scale(digits, opened):
    page = opened(digits)
    page.click('#loss button[data-scale="linear"]')
    assert page.locator('#loss .plot[data-scale="linear"]').is_visible()
    assert page.locator('#loss .plot[data-scale="log"]').is_hidden()


@pytest.mark.parametrize("run", ["digits", "diabetes", "diverged", "evil"])
@pytest.mark.parametrize("width", [390, 3840])
def test_fits_the_screen(request, run, width, opened):
    page = opened(request.getfixturevalue(run), width=width)
    wide, room = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= room
