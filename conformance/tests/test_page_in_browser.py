"""The page in a real Chromium: mouse, keyboard, light and dark, a telephone, paper, no JavaScript."""

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conformance.commands.files import write_text
from conformance.labs import class_page
from conformance.labs.results import LevelResult, Result, StepResult
from conformance.reports.page import page as pages
from conformance.tests import samples

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs the package axe-playwright-python")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SECTIONS = ["glance", "causes", "verdicts", "figures", "disagreements", "source", "kills", "run"]
NARROW = {"width": 360, "height": 740}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on the PATH")

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
"""Of axe: https://github.com/dequelabs/axe-core/blob/develop/doc/rule-descriptions.md"""

FAINT = ["color-contrast"]
"""The rule for text that has too little contrast with its background."""


def violations(page: Any, rules: Sequence[str] = RULES, within: str | None = None) -> list[str]:
    """Return what axe finds on a page, or within an element of it, as it stands: the rule, and the first element."""
    found = (
        axe.Axe()
        .run(page, within, options={"runOnly": list(rules), "resultTypes": ["violations"]})
        .response["violations"]
    )
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where a page of a comparison and a run is."""
    file = tmp_path_factory.mktemp("page") / "страница.html"
    write_text(file, pages.build_page(samples.comparison(), samples.report()))
    return file.as_uri()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where a page is that axe reads in seconds."""
    file = tmp_path_factory.mktemp("page") / "small.html"
    write_text(file, pages.build_page(*samples.small()))
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
    page = browsing.open("verdicts")
    page.get_by_role("button", name="ECHO-3, socketserver: FAIL").click()
    detail = page.locator("#ECHO-3-2")
    assert detail.is_visible()
    assert "MUST be the code points of the message in reverse order" in detail.inner_text()
    assert "привет⏎" in detail.inner_text() and "d0 bf d1 80" in detail.inner_text()
    detail.get_by_role("button", name="Close").click()
    assert detail.is_hidden()


def test_a_cell_opens_by_keyboard(browsing: Browsing) -> None:
    page = browsing.open("verdicts")
    cell = page.get_by_role("button", name="ECHO-3, socketserver: FAIL")
    cell.focus()
    page.keyboard.press("Enter")
    detail = page.locator("#ECHO-3-2")
    sync_api.expect(detail.get_by_role("button", name="Close")).to_be_focused()
    page.keyboard.press("Escape")
    sync_api.expect(detail).to_be_hidden()
    sync_api.expect(cell).to_be_focused()


def test_groups_fold(browsing: Browsing) -> None:
    page = browsing.open("verdicts")
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
    assert shown_sections(page) == ["glance"]
    page.get_by_role("tab", name="Source").click()
    assert shown_sections(page) == ["source"] and page.url.endswith("#source")
    for key, section in [
        ("ArrowRight", "kills"),
        ("End", "run"),
        ("ArrowRight", "glance"),
        ("ArrowLeft", "run"),
        ("Home", "glance"),
    ]:
        page.keyboard.press(key)
        assert shown_sections(page) == [section]
        sync_api.expect(page.get_by_role("tab", selected=True)).to_be_focused()
    assert shown_sections(browsing.open("figures")) == ["figures"]


def test_charts_have_their_say(browsing: Browsing) -> None:
    page = browsing.open("figures")
    chart = page.get_by_role("table", name="TCP, 10,000 subscribers, every 2 s").first
    assert chart.get_by_role("row", name="socketserver gave up at 4,093 subscribers").count() == 3
    row = chart.get_by_role("row", name="with").first
    assert row.locator(".figure b").inner_text() and row.locator(".drawn").bounding_box()["width"] > 100
    page.get_by_text("Echo, closed loop: what else was measured").click()


def test_charts_are_as_wide_as_their_place(browsing: Browsing) -> None:
    for width, least in ((1440, 600), (600, 560), (360, 320)):
        page = browsing.open("figures", viewport={"width": width, "height": 900})
        assert page.locator("#figures .panel").first.bounding_box()["width"] >= least
        assert page.locator("#figures .drawn").first.bounding_box()["width"] >= least / 3


def test_a_cause_has_its_failures_under_it(browsing: Browsing) -> None:
    page = browsing.open("causes")
    cause = page.locator(".cause")
    assert "1. ECHO-3" in cause.inner_text() and "explains 5 failures" in cause.inner_text()
    cause.get_by_role("button", name="test_it failed: ECHO-3, socketserver").click()
    assert page.locator("#ECHO-3-2").is_visible()


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
    page = browsing.open("verdicts", viewport=NARROW)
    page.get_by_role("button", name="ECHO-3, socketserver: FAIL").click()
    assert page.evaluate("document.querySelector('#ECHO-3-2').scrollWidth") <= NARROW["width"]


def test_twelve_targets_on_a_telephone(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "twelve.html"
    write_text(file, pages.build_page(*samples.of_twelve()))
    browsing = Browsing(browser, file.as_uri())
    for section in ("glance", "causes", "verdicts", "figures"):
        page = browsing.open(section, viewport=NARROW)
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    browsing.close()


@pytest.mark.timeout(180)  # axe looks at all text of the kill matrix and of the source
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_has_nothing_to_say(browser: Any, small: str, scheme: str) -> None:
    browsing = Browsing(browser, small)
    page = browsing.open(color_scheme=scheme)
    background = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(map(int, background[4:-1].split(", "))) < 3 * 128) == (scheme == "dark")
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    assert violations(page) == []
    for tab in page.get_by_role("tab").all():
        tab.click()
        assert violations(page, within="main > section:not([hidden])") == []
    page.get_by_role("tab", name="Verdicts").click()
    page.get_by_role("button", name="Show all requirements").click()
    assert violations(page, within="#verdicts") == []
    page.get_by_role("button", name="ECHO-3, socketserver: FAIL").click()
    assert violations(page, within="#ECHO-3-2") == []
    browsing.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_has_nothing_to_say_of_a_run_or_a_class(browser: Any, tmp_path: Path, scheme: str) -> None:
    write_text(tmp_path / "run.html", pages.build_page(None, samples.small()[1]))
    write_class(tmp_path)
    for file in ("run.html", "index.html", *(each.name for each in tmp_path.glob("Анна-*.html"))):
        browsing = Browsing(browser, (tmp_path / file).as_uri())
        assert violations(browsing.open(color_scheme=scheme)) == [], file
        browsing.close()


def write_class(directory: Path) -> None:
    """Write the pages of a class of one person, who took one step of two."""
    steps = [StepResult("it starts", True), StepResult("it answers", False, "OK", "ERR", "the verb")]
    result = Result(1, {"as the assignment asks": LevelResult(2, steps)})
    rows = [("Анна", ["1/2", "–"], 0.5, 2.0)]
    class_page.write(directory, [1, 2], rows, {("Анна", 1): SimpleNamespace(result=result)}, "en")


def test_a_comparison_of_three_takes_less_than_ten_pages(browser: Any, tmp_path: Path) -> None:
    whole, file = samples.comparison(), tmp_path / "three.html"
    three = whole.targets[:3]
    measured = [each for each in whole.measurements if each.target in three]
    write_text(file, pages.build_page(replace(whole, targets=three, measurements=measured), samples.report()))
    browsing = Browsing(browser, file.as_uri())
    page = browsing.open(color_scheme="dark")
    page.pdf(path=tmp_path / "page.pdf", format="A4")
    sheets = re.findall(rb"/Type\s*/Page\b", (tmp_path / "page.pdf").read_bytes())
    assert 2 < len(sheets) < 10
    sync_api.expect(page.locator("details[open]")).to_have_count(1)  # as before it was printed
    browsing.close()


def test_on_paper_is_what_one_reads_there(browsing: Browsing) -> None:
    page = browsing.open(color_scheme="dark")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert shown_sections(page) == SECTIONS
    for read in (".cause pre", ".panel .drawn:not(.more *)", ".disagreements td", ".facts dd"):
        assert page.locator(read).count() == page.locator(f"{read}:visible").count() > 0
    for screen in (".tabs", "#unfold", ".choose", ".close", "#pair", ".program", ".detail", "table.kills"):
        assert page.locator(f"{screen}:visible").count() == 0


def test_text_stands_out_on_paper(browser: Any, small: str) -> None:
    browsing = Browsing(browser, small)
    page = browsing.open(color_scheme="dark")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert violations(page, FAINT) == []
    browsing.close()


def test_without_javascript_everything_is_there(browsing: Browsing) -> None:
    page = browsing.open(java_script_enabled=False)
    assert shown_sections(page) == SECTIONS
    assert page.locator(".requirement").count() == page.locator(".requirement:visible").count()
    page.get_by_role("button", name="ECHO-3, socketserver: FAIL").click()
    assert page.locator("#ECHO-3-2").is_visible()
    assert page.locator(".with-script:visible").count() == 0
