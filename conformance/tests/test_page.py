"""The page without a browser: that it is whole, needs nothing from elsewhere, and lets nobody's bytes become markup."""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from conformance.broken.kills import read_kills
from conformance.comparison.model import Figure
from conformance.languages import texts
from conformance.reports.page import charts, page, verdict_view
from conformance.reports.page.formats import number, visible
from conformance.tests import samples
from spec.requirements import REQUIREMENTS

VOID = {"meta", "input", "br", "hr", "img", "link", "col"}
SHOWN_HOSTILE = str(visible(samples.HOSTILE))


class Document(HTMLParser):
    """A page that was read: its elements, its text, and what is wrong with it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.raw: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = Counter(name for name, _ in attrs)
        assert names.total() == len(names), f"{tag} has an attribute twice"
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        self.words.append(" " if tag in ("td", "th", "dt", "p", "h3") else "")
        assert self._open.pop() == tag, f"</{tag}> closes something else, line {self.getpos()[0]}"

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("script", "style"):
            self.raw[self._open[-1]] = data
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def all(self, name: str) -> Iterator[str]:
        return (attributes[name] for _, attributes in self.elements if name in attributes)


@pytest.fixture(scope="module")
def whole() -> str:
    """A page of both."""
    return page.build_page(samples.comparison(), samples.report())


@pytest.fixture(scope="module")
def document(whole: str) -> Document:
    return Document(whole)


def test_the_page_speaks_the_chosen_language() -> None:
    texts.choose("ru")
    shown = Document(page.build_page(samples.comparison(), samples.report()))
    assert next(shown.all("lang")) == "ru"
    for words in ("Скорость и цена", "Значение reversed", "не соответствует", "задержка, медиана", "клиентов: 16"):
        assert words in shown.text
    assert "Вердикты" in shown.all("aria-label")


@pytest.mark.parametrize("template", sorted(page.TEMPLATES.glob("*.j2")), ids=lambda path: path.name)
def test_no_words_of_a_template_lack_a_translation(template: Path) -> None:
    text = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}", "", template.read_text(encoding="utf-8"), flags=re.DOTALL)
    attributes = " ".join(re.findall(r'(?:aria-label|title)="([^"]*)"', text))
    words = re.findall("[A-Za-z]{2,}", re.sub("<[^>]*>", "", text) + attributes)
    assert set(words) <= {"sockspec"}


def test_it_is_well_formed_and_refers_to_what_is_there(document: Document) -> None:
    ids = Counter(document.all("id"))
    assert ids.total() == len(ids) > 3 * len(REQUIREMENTS)
    for name in ("popovertarget", "aria-labelledby"):
        assert set(document.all(name)) <= set(ids)
    links = [href.partition("#") for href in document.all("href")]
    assert links and all(not file and id_ in ids for file, _, id_ in links)


def test_it_needs_nothing_from_elsewhere(document: Document) -> None:
    assert not list(document.all("src"))
    assert {tag for tag, _ in document.elements}.isdisjoint({"link", "iframe", "object", "embed", "img", "base"})
    assert not [name for _, attributes in document.elements for name in attributes if name.startswith("on")]
    for value in [*document.raw.values(), *(value for _, each in document.elements for value in each.values())]:
        assert not re.search(r"url\(|@import|//[a-z]+\.[a-z]|\bfetch\(", value.replace("https://www.w3.org/WAI/", ""))
    [policy] = [each["content"] for _, each in document.elements if each.get("http-equiv") == "Content-Security-Policy"]
    digest = base64.b64encode(hashlib.sha256(document.raw["script"].encode()).digest()).decode()
    assert "default-src 'none'" in policy and f"script-src 'sha256-{digest}'" in policy


def test_what_a_peer_sent_stays_text(whole: str, document: Document) -> None:
    assert [tag for tag, _ in document.elements].count("script") == 1
    assert "<img" not in whole and document.text.count(SHOWN_HOSTILE) > 6
    assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", whole)


def test_each_requirement_and_each_case_is_there(document: Document) -> None:
    report = samples.report()
    for id_, requirement in REQUIREMENTS.items():
        assert id_ in document.text
        assert re.sub(r"[`*]", "", requirement.text) in document.text
    shown = document.text
    for case in report["cases"]:
        assert f"{case['parameters'].removeprefix('*-')} {case['seconds']:.3f}" in shown
    cells = [
        each["aria-label"]
        for _, each in document.elements
        if "popovertarget" in each and " failed: " not in each.get("aria-label", " failed: ")
    ]
    said = {"PASS": "pass", "FAIL": "FAIL", "INCONCLUSIVE": "undecided"}
    assert Counter(cells) == Counter(
        f"{id_}, {target}: {said[of[id_]] if id_ in of else 'not judged'}"
        for target, of in report["verdicts"].items()
        for id_ in REQUIREMENTS
    )


def test_a_failure_shows_what_was_sent_and_received(document: Document) -> None:
    shown = document.text.partition("ECHO-3 · socketserver")[2].partition("ECHO-4 · raw")[0]
    assert f'{{"message": "{SHOWN_HOSTILE[:20]}' in shown
    assert "16 earlier events are left out" in shown
    assert "0.0160 client → 13 привет⏎ d0 bf d1 80 d0 b8 d0 b2 d0 b5 d1 82 0a" in shown
    assert "nothing for 1.000 s" in shown
    assert shown.count("16 earlier events") == verdict_view.SHOWN_FAILURES
    assert [f"test_it[*-{number}]" in shown.partition("Failed as well")[2] for number in range(5)] == [True] * 2 + [
        False
    ] * 3


def test_each_figure_is_in_a_chart_or_why_there_is_none(document: Document) -> None:
    rows = document.text.rpartition("Speed and cost")[2]
    for measurement in samples.comparison().measurements:
        assert measurement.problem in rows
        for figure in measurement.figures.values():
            assert f"{number(figure.median)} {number(figure.least)} – {number(figure.greatest)}" in rows


def test_what_was_not_measured_is_said() -> None:
    comparison = samples.comparison()
    first = comparison.measurements[1]
    lacking = replace(comparison, measurements=[each for each in comparison.measurements if each != first][:4])
    shown = Document(page.build_page(lacking, samples.report())).text
    assert "with not measured" in shown and "not judged" in shown and "not seen" in shown
    nothing = replace(comparison, measurements=[], disagreements=[], sources=[])
    shown = Document(page.build_page(nothing, None)).text
    for words in ("Nothing was measured", "Not compared", "No program’s own file"):
        assert words in shown


def test_a_problem_is_said_beside_figures_and_without_any() -> None:
    comparison = samples.comparison()
    first = comparison.measurements[0]
    for figures in ({}, first.figures):
        died = replace(comparison, measurements=[replace(first, figures=figures, problem="died: Ой")])
        assert "UDP, 32 bytes, Latin, 1 client: died: Ой" in Document(page.build_page(died, None)).text


def test_figures_that_are_all_nothing() -> None:
    comparison = samples.comparison()
    nothing = dict.fromkeys(comparison.measurements[0].figures, Figure(0, 0, 0))
    first = replace(comparison.measurements[0], figures=nothing)
    assert 'class="drawn"' in page.build_page(replace(comparison, measurements=[first]), None)


@pytest.mark.parametrize(
    ("axis", "ticks", "value", "place"),
    [
        (charts.Axis(5, 8), [0, 5, 10], 7.5, 75),
        (charts.Axis(0, 0), [0, 1], 0, 0),
        (charts.Axis(20, 100), [0, 50, 100], 250, 100),
        (charts.Axis(1, 300), [1, 10, 100, 1000], 10, 33.3),
        (charts.Axis(0, 5000), [0.001, 1, 1000, 1_000_000], 0, 0),
    ],
)
def test_an_axis(axis: charts.Axis, ticks: list[float], value: float, place: float) -> None:
    assert axis.ticks == pytest.approx(ticks)
    assert axis.at(value) == place
    assert (axis.at(axis.ticks[0]), axis.at(axis.ticks[-1])) == (0, 100)


def test_marks_and_colours_do_not_repeat() -> None:
    assert len({charts.look(place) for place in range(64)}) == 64


def test_the_page_opens_on_what_it_has() -> None:
    comparison, failed = samples.comparison(), samples.report()
    held = {**failed, "cases": [case for case in failed["cases"] if case["outcome"] != "failed"]}
    for of, report, first in [
        (comparison, None, "glance"),
        (comparison, failed, "glance"),
        (None, failed, "causes"),
        (None, held, "verdicts"),
    ]:
        shown = Document(page.build_page(of, report))
        sections = [each["id"] for tag, each in shown.elements if tag == "section"]
        assert next(href for href in shown.all("href")) == f"#{first}" == f"#{sections[0]}"
        assert ("verdicts" in sections) == (report is not None)


def test_causes_are_what_the_terminal_names(document: Document) -> None:
    shown = document.text.partition("To mend The causes")[2].partition("Which requirements of SPEC.md hold")[0]
    assert "socketserver 1 thing to mend 1. ECHO-3 ✗ explains 5 failures" in shown
    assert "MUST be the code points of the message in reverse order" in shown and "привет⏎" in shown
    assert shown.partition("What it explains")[2].split()[:4] == ["ECHO-3", "test_it", "5", "times"]


def test_a_cause_that_others_wait_for() -> None:
    report = samples.report()
    for case in report["cases"]:
        if (case["target"], case["requirements"]) == ("raw", ["ECHO-2"]):
            case.update(outcome="unjudged", about="ECHO-1", problem="ECHO-1 first: nothing came")
    shown = Document(page.build_page(None, report)).text.partition("To mend The causes")[2]
    assert shown.partition("1. ECHO-1")[2].lstrip().startswith("· 1 check not judged until it holds")
    assert "nothing came" in shown and "ECHO-1 first:" not in shown.partition("socketserver 1 thing")[0]


def test_twelve_targets() -> None:
    shown = Document(page.build_page(*samples.of_twelve()))
    assert shown.text.count("1 thing to mend") == 12
    assert [tag for tag, each in shown.elements if each.get("class") == "cause" and "open" in each] == ["details"]


def test_what_the_rounds_carry(whole: str) -> None:
    for words in ("≈", "× 1.22", "load average 1.7", 'class="whisker"', "14 rounds"):
        assert words in whole


def test_a_run_alone() -> None:
    shown = Document(page.build_page(None, samples.report()))
    assert "sockspec compare does that" in shown.text and "Speed and cost" not in shown.text
    assert "does not conform" in shown.text


def test_every_kill_is_there(document: Document) -> None:
    shown = document.text.partition("Who judges the judge?")[2]
    for kills in read_kills().values():
        for kill in kills:
            assert f"{kill.fault} {' '.join(kill.check.split())}" in shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(12345.6, "12,346"), (100.0, "100"), (12.34, "12.3"), (1.0, "1"), (0.1234, "0.123"), (0.0, "0"), (0.9996, "1.00")],
)
def test_three_digits_that_count(value: float, shown: str) -> None:
    assert number(value) == shown
