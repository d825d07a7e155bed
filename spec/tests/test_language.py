"""The language of lines, errors, help and prompts: SPEC.md, SRV-1 and CLI-1."""

import gettext
import io
import sys
from collections.abc import Callable, Iterator

import pytest

from spec.program.arguments import parse_client_options, parse_server_options
from spec.program.language import DOMAIN, language_of
from spec.program.output import complain, explain, say, show
from spec.program.texts import read_texts
from spec.session import open_session
from spec.tests.support import client_options, server_options
from spec.tests.test_texts import Stream


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "ru_RU.UTF-8"}, "ru"),
        ({"LANG": "ru_RU.utf8@petr1708"}, "ru"),
        ({"LANG": "ru"}, "ru"),
        ({"LC_MESSAGES": "ru_RU.UTF-8", "LANG": "en_GB.UTF-8"}, "ru"),
        ({"LC_ALL": "C", "LC_MESSAGES": "ru_RU.UTF-8", "LANG": "ru_RU.UTF-8"}, "en"),
        ({"LC_ALL": "C.UTF-8", "LANG": "ru_RU.UTF-8"}, "en"),
        ({"LC_ALL": "", "LANG": "ru_RU.UTF-8"}, "ru"),
        ({"LC_ALL": "ru_RU.KOI8-R"}, "en"),
        ({"LC_ALL": "../ru"}, "en"),
        ({"LANGUAGE": "ru", "LANG": "de_DE.UTF-8"}, "en"),
        ({}, "en"),
    ],
)
def test_the_language_is_that_of_the_locale(environment: dict[str, str], language: str) -> None:
    assert language_of(environment) == language


@pytest.fixture
def in_russian(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    domain = gettext.textdomain()
    monkeypatch.setenv("LC_ALL", "ru_RU.UTF-8")
    monkeypatch.setenv("LANGUAGE", "de")
    yield
    gettext.textdomain(domain)


class Streams:
    """Standard output and error, each a terminal or not."""

    def __init__(self, patch: pytest.MonkeyPatch, *, output: bool, error: bool) -> None:
        self._output, self._error = Stream(terminal=output), Stream(terminal=error)
        patch.setattr(sys, "stdout", self._output)
        patch.setattr(sys, "stderr", self._error)

    def texts(self) -> tuple[str, str]:
        """Return what was printed so far on each."""
        buffers = self._output.buffer, self._error.buffer
        assert isinstance(buffers[0], io.BytesIO) and isinstance(buffers[1], io.BytesIO)
        return buffers[0].getvalue().decode(), buffers[1].getvalue().decode()


ENGLISH = "client Анна (a) connected\n", "error: not a host name\n"
RUSSIAN = "клиент Анна (a) подключился\n", "ошибка: это не имя узла\n"


@pytest.mark.usefixtures("in_russian")
@pytest.mark.parametrize(("out", "err"), [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("speak", [say, show])
def test_each_stream_has_its_own_language(
    monkeypatch: pytest.MonkeyPatch, out: bool, err: bool, speak: Callable[[str], None]
) -> None:
    streams = Streams(monkeypatch, output=out, error=err)
    session = open_session(server_options("time"), "a", 0, speak)
    session.receive("TIME Анна\n".encode(), 0, 0)
    complain(explain(UnicodeError()))
    came = streams.texts()
    assert came == ((RUSSIAN if out else ENGLISH)[0], (RUSSIAN if err else ENGLISH)[1])


@pytest.mark.usefixtures("in_russian")
def test_what_a_peer_sent_is_no_text_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = Streams(monkeypatch, output=True, error=True)
    say("stopped")
    assert streams.texts() == ("stopped\n", "")


@pytest.mark.usefixtures("in_russian")
@pytest.mark.parametrize(("service", "prompt"), [("echo", "ваше сообщение: "), ("time", "ваше имя: ")])
def test_a_prompt(monkeypatch: pytest.MonkeyPatch, service: str, prompt: str) -> None:
    streams = Streams(monkeypatch, output=True, error=False)
    monkeypatch.setattr(sys, "stdin", Stream("Анна\n".encode(), terminal=True))
    assert list(read_texts(client_options(service), lambda reason: None)) == ["Анна"]
    assert streams.texts() == (prompt, "")


@pytest.mark.usefixtures("in_russian")
@pytest.mark.parametrize(
    ("words", "russian", "english"),
    [
        ([], "не хватает аргументов: service", "the following arguments are required: service"),
        (["echo", "--port"], "аргумент --port: нужно одно значение", "argument --port: expected one argument"),
        (
            ["echo", "--port", "x"],
            "аргумент --port: 'x' — не целое число от 0 до 65535",
            "argument --port: 'x' is no whole number from 0 to 65535",
        ),
        (["echo", "--po"], "неизвестные аргументы: --po", "unrecognized arguments: --po"),
        (["echo", "--", "a"], "неизвестные аргументы: a", "unrecognized arguments: a"),
    ],
)
@pytest.mark.parametrize("err", [True, False])
def test_wrong_usage(monkeypatch: pytest.MonkeyPatch, words: list[str], russian: str, english: str, err: bool) -> None:
    """SRV-12, CLI-10: argparse's own words too, which it asks gettext for."""
    streams = Streams(monkeypatch, output=not err, error=err)
    with pytest.raises(SystemExit):
        parse_server_options(words, "udp")
    assert streams.texts() == ("", f"ошибка: {russian}\n" if err else f"error: {english}\n")
    assert (gettext.textdomain() == DOMAIN) == err


@pytest.mark.usefixtures("in_russian")
@pytest.mark.parametrize("parse", [parse_server_options, parse_client_options])
@pytest.mark.parametrize("out", [True, False])
def test_help(monkeypatch: pytest.MonkeyPatch, parse: Callable[[list[str], str], object], out: bool) -> None:
    streams = Streams(monkeypatch, output=out, error=not out)
    with pytest.raises(SystemExit):
        parse(["-h"], "tcp")
    text, _ = streams.texts()
    assert text.startswith("вызов: " if out else "usage: ")
    for word, english in (("параметры:", "options:"), ("по умолчанию", "default"), ("справку", "help message")):
        assert (word in text, english in text) == (out, not out)
