"""The page in a real Chromium: mouse, keyboard, light and dark, a telephone, paper, no JavaScript."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.reports.page import page as pages
from conformance.tests import samples

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SECTIONS = ["verdicts", "figures", "disagreements", "source", "kills", "run"]
NARROW = {"width": 360, "height": 740}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on the PATH")

# What text has less contrast with its background than WCAG asks for: 4.5, and 3 if it is large.
FAINT = r"""() => {
  const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
  const luminance = (rgb) => {
    const linear = rgb.map((each) => (each <= 10 ? each / 255 / 12.92 : ((each / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const background = (element) => {
    if (!element) return [255, 255, 255];
    const [red, green, blue, alpha = 1] = channels(getComputedStyle(element).backgroundColor);
    return alpha ? [red, green, blue] : background(element.parentElement);
  };
  const opacity = (element) => (element ? getComputedStyle(element).opacity * opacity(element.parentElement) : 1);
  const faint = new Set();
  for (const element of document.querySelectorAll("body *:not(script)")) {
    const texts = [...element.childNodes].filter((each) => each.nodeType === Node.TEXT_NODE && each.data.trim());
    if (!texts.length || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const [back, share] = [background(element), opacity(element)];
    const ink = channels(element.closest("svg") ? style.fill : style.color).slice(0, 3);
    const seen = ink.map((each, index) => each * share + back[index] * (1 - share));
    const [dark, light] = [luminance(seen), luminance(back)].sort((one, other) => one - other);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < (large ? 3 : 4.5)) faint.add(`${element.outerHTML.slice(0, 60)}: ${contrast.toFixed(2)}`);
  }
  return [...faint];
}"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where a page of a comparison and a run is."""
    file = tmp_path_factory.mktemp("page") / "страница.html"
    pages.write(file, samples.comparison(), samples.report())
    return file.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api.expect.set_options(timeout=30_000)
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Browsing:
    """A context of its own for each page that a test opens; what the console says, and what is asked for, is kept."""

    def __init__(self, browser: Any, url: str) -> None:
        self._browser, self._url = browser, url
        self._contexts: list[Any] = []
        self.complaints: list[str] = []

    def open(self, section: str = "", **context: Any) -> Any:
        self._contexts.append(self._browser.new_context(**context))
        page = self._contexts[-1].new_page()
        for event, tell in {
            "console": lambda message: message.text,
            "pageerror": str,
            "dialog": lambda dialog: dialog.message,
        }.items():
            page.on(event, lambda what, tell=tell: self.complaints.append(tell(what)))
        page.on("request", lambda request: self.complaints.extend([request.url] * (not request.url.startswith("file"))))
        page.goto(f"{self._url}#{section}" if section else self._url)
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()


@pytest.fixture
def browsing(browser: Any, url: str) -> Iterator[Browsing]:
    """Opens pages; fails a test on whose page the console had something to say, or that asked a network."""
    browsing = Browsing(browser, url)
    yield browsing
    browsing.close()
    assert browsing.complaints == []


def shown_sections(page: Any) -> list[str]:
    return [section for section in SECTIONS if page.locator(f"#{section}").is_visible()]


def test_a_cell_opens_by_mouse(browsing: Browsing) -> None:
    page = browsing.open()
    page.get_by_role("button", name="ECHO-3, socketserver: FAIL").click()
    detail = page.locator("#ECHO-3-2")
    assert detail.is_visible()
    assert "MUST be the code points of the message in reverse order" in detail.inner_text()
    assert "привет⏎" in detail.inner_text() and "d0 bf d1 80" in detail.inner_text()
    detail.get_by_role("button", name="Close").click()
    assert detail.is_hidden()


def test_a_cell_opens_by_keyboard(browsing: Browsing) -> None:
    page = browsing.open()
    cell = page.get_by_role("button", name="ECHO-3, socketserver: FAIL")
    cell.focus()
    page.keyboard.press("Enter")
    detail = page.locator("#ECHO-3-2")
    sync_api.expect(detail.get_by_role("button", name="Close")).to_be_focused()
    page.keyboard.press("Escape")
    sync_api.expect(detail).to_be_hidden()
    sync_api.expect(cell).to_be_focused()


def test_groups_fold(browsing: Browsing) -> None:
    page = browsing.open()
    cell = page.get_by_role("button", name="TIME-8, raw: undecided")
    assert cell.is_hidden() and page.get_by_role("button", name="ECHO-3, raw: pass").is_visible()
    page.get_by_role("button", name="TIME", exact=True).press("Enter")
    assert cell.is_visible()
    page.get_by_role("button", name="TIME", exact=True).press("Space")
    assert cell.is_hidden()
    page.get_by_role("button", name="Show all requirements").click()
    assert page.locator(".requirement").count() == page.locator(".requirement:visible").count()


def test_tabs_by_mouse_and_keyboard(browsing: Browsing) -> None:
    page = browsing.open()
    assert shown_sections(page) == ["verdicts"]
    page.get_by_role("tab", name="Source").click()
    assert shown_sections(page) == ["source"] and page.url.endswith("#source")
    for key, section in [
        ("ArrowRight", "kills"),
        ("End", "run"),
        ("ArrowRight", "verdicts"),
        ("ArrowLeft", "run"),
        ("Home", "verdicts"),
    ]:
        page.keyboard.press(key)
        assert shown_sections(page) == [section]
        sync_api.expect(page.get_by_role("tab", selected=True)).to_be_focused()
    assert shown_sections(browsing.open("figures")) == ["figures"]


def test_charts_have_their_say(browsing: Browsing) -> None:
    page = browsing.open("figures")
    assert page.get_by_role("img", name="Lateness, TCP, 10,000 subscribers, every 2 s").count() == 2
    panel = page.locator("figure", has_text="TCP, 10,000 subscribers, every 2 s").first
    assert "socketserver: gave up at 4,093 subscribers" in panel.inner_text()
    page.get_by_text("Echo, open loop: the figures as tables").click()
    assert page.get_by_role("table", name="latency, 99 %").first.is_visible()


def test_any_two_programs_stand_side_by_side(browsing: Browsing) -> None:
    page = browsing.open("source")
    pair = page.locator("#pair")
    only = {side: pair.locator(f".lit.{side} .line") for side in ("left", "right")}
    assert any("ExitStack()" in text for text in only["right"].all_inner_texts())
    page.get_by_label("left").select_option("socketserver")
    assert any("ThreadingTCPServer" in text for text in only["left"].all_inner_texts())
    count = f"{only['left'].count()} only in socketserver, {only['right'].count()} only in with."
    assert page.locator("#alike").inner_text().endswith(count)
    page.get_by_label("Programs").select_option("UDP client")
    hidden = pair.locator(".side:not(.head)[hidden]")
    folded = hidden.count()
    pair.get_by_role("button", name="lines alike").first.click()
    assert hidden.count() < folded
    page.get_by_label("fold what is alike").uncheck()
    assert hidden.count() == 0
    page.get_by_label("right").select_option("socketserver")
    assert page.locator("#alike").inner_text().endswith("alike; 0 only in socketserver, 0 only in socketserver.")


@pytest.mark.parametrize("section", SECTIONS)
def test_a_telephone_needs_no_scrolling_sideways(browsing: Browsing, section: str) -> None:
    page = browsing.open(section, viewport=NARROW)
    for each in page.locator("details:visible > summary").all():
        each.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_a_cell_on_a_telephone(browsing: Browsing) -> None:
    page = browsing.open(viewport=NARROW)
    page.get_by_role("button", name="ECHO-3, socketserver: FAIL").click()
    assert page.evaluate("document.querySelector('#ECHO-3-2').scrollWidth") <= NARROW["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(browsing: Browsing, scheme: str) -> None:
    page = browsing.open(color_scheme=scheme)
    background = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(map(int, background[4:-1].split(", "))) < 3 * 128) == (scheme == "dark")
    page.get_by_role("button", name="Show all requirements").click()
    for tab in page.get_by_role("tab").all():
        tab.click()
        assert page.evaluate(FAINT) == []
    page.get_by_role("tab", name="Verdicts").click()
    page.get_by_role("button", name="ECHO-3, socketserver: FAIL").click()
    assert page.evaluate(FAINT) == []


def test_on_paper_everything_is_open(browsing: Browsing, tmp_path: Path) -> None:
    page = browsing.open(color_scheme="dark")
    page.emulate_media(media="print")
    assert shown_sections(page) == SECTIONS
    lines = [".program .line:not(:empty)", ".pair .line:not(:empty)"]
    for hidden in (".requirement", ".detail", "table.figures", ".panels svg", *lines):
        assert page.locator(hidden).count() == page.locator(f"{hidden}:visible").count() > 0
    for screen in (".tabs", "#unfold", ".choose", ".close"):
        assert page.locator(f"{screen}:visible").count() == 0
    assert page.evaluate(FAINT) == []
    page.pdf(path=tmp_path / "page.pdf")
    sync_api.expect(page.locator("details[open]")).to_have_count(0)  # as before it was printed


def test_without_javascript_everything_is_there(browsing: Browsing) -> None:
    page = browsing.open(java_script_enabled=False)
    assert shown_sections(page) == SECTIONS
    assert page.locator(".requirement").count() == page.locator(".requirement:visible").count()
    page.get_by_role("button", name="ECHO-3, socketserver: FAIL").click()
    assert page.locator("#ECHO-3-2").is_visible()
    assert page.locator(".with-script:visible").count() == 0
