"""On a terminal the programs speak the language of the locale; into a pipe they speak English: SRV-1, CLI-1."""

import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product

import pytest

from conformance import ROOT
from conformance.expected.fields import OK_FIELDS
from conformance.targets.discovery import BUNDLED
from conformance.targets.terms import TRANSPORTS
from conformance.timing import PATIENCE

RUSSIAN = {"LC_ALL": "ru_RU.UTF-8"}
ENGLISH = {"LC_ALL": "C.UTF-8"}
IDENTIFIERS = re.compile(
    r"\w+\+(?:udp|tcp)://\S+|\w+_(?:server|client)\.py|\{[a-z,|]+\}|--?[a-z-]+|'x'"
    r"|\b(?:HOST|MESSAGE|NAME|SPEC\.md|sockspec|UDP|TCP|echo|time)\b"
    rf"|(?:{'|'.join(field.name for field in OK_FIELDS['echo'])}): .*"
)
"""What stays as it is in any language."""

EACH_PROGRAM = pytest.mark.parametrize(("name", "transport"), list(product(BUNDLED, TRANSPORTS)))


class Terminal:
    """Programs with a terminal for standard output, error or both; what it has shown so far is `text`."""

    def __init__(self) -> None:
        self._person, self.program = pty.openpty()
        self._changed = threading.Condition()
        self._bytes = b""
        threading.Thread(target=self._read, daemon=True).start()

    @contextmanager
    def running(
        self, *words: str, locale: dict[str, str], pipe: str = "", typed: str = ""
    ) -> Iterator[subprocess.Popen[str]]:
        """Start ``python -m`` with these words; ``pipe`` is the stream that is a pipe."""
        without = {key: value for key, value in os.environ.items() if not key.startswith("LC_") and key != "LANG"}
        streams = {name: subprocess.PIPE if name == pipe else self.program for name in ("stdout", "stderr")}
        program = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=ROOT,
            env={**without, **locale},
            stdin=self.program,
            text=True,
            encoding="utf-8",
            **streams,  # type: ignore[call-overload]
        )
        os.write(self._person, typed.encode())
        try:
            yield program
        finally:
            program.kill()
            program.communicate()

    def run(self, *words: str, locale: dict[str, str], pipe: str = "", typed: str = "") -> str:
        """Let a program end by itself; return what it has written into the pipe."""
        with self.running(*words, locale=locale, pipe=pipe, typed=typed) as program:
            output, errors = program.communicate(timeout=PATIENCE)
        return output or errors or ""

    def expect(self, pattern: str) -> re.Match[str]:
        """Wait until it has shown this. Fails after PATIENCE seconds."""
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while not (found := re.search(pattern, self.text)):
                assert self._changed.wait(deadline - time.monotonic()), f"no {pattern!r}, but {self.text!r}"
        return found

    @property
    def text(self) -> str:
        return self._bytes.decode(errors="replace").replace("\r\n", "\n")

    def english(self) -> list[str]:
        """Return the words in Latin letters that were shown, but for identifiers."""
        return re.findall("[A-Za-z]{2,}", IDENTIFIERS.sub("", self.text))

    def _read(self) -> None:
        while data := os.read(self._person, 65536):
            with self._changed:
                self._bytes += data
                self._changed.notify_all()


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


@EACH_PROGRAM
def test_russian_on_a_terminal(terminal: Terminal, name: str, transport: str) -> None:
    server, client = f"impl_{name}.{transport}_server", f"impl_{name}.{transport}_client"
    for service in "echo", "time":
        text = {"echo": "привет", "time": "Анна"}[service]
        with terminal.running(server, service, "--port", "0", "--idle-timeout", "1", locale=RUSSIAN) as running:
            port = terminal.expect(rf"жду клиентов на {service}\+{transport}://127\.0\.0\.1:(\d+)\n")[1]
            ticks = ["--ticks", "1"] if service == "time" else []
            terminal.run(client, service, "--port", port, *ticks, locale=RUSSIAN, typed=f"{text}\n")
            who = r"Анна \(127\.0\.0\.1:\d+\)" if service == "time" else r"127\.0\.0\.1:\d+"
            terminal.expect(rf"есть связь с {service}\+{transport}://127\.0\.0\.1:{port}\n")
            terminal.expect(rf"клиент {who} подключился\n")
            if service == "echo" or transport == "tcp":
                terminal.expect(rf"клиент {who} ушёл\n")
            running.send_signal(signal.SIGINT)
            terminal.expect("остановлен\n")
    terminal.expect("ваше сообщение: ")
    terminal.expect("ваше имя: ")
    terminal.run(server, "echo", "--host", "192.0.2.1", locale=RUSSIAN)
    terminal.expect(r"ошибка: не удаётся слушать на echo\+\w+://192\.0\.2\.1:7007: такого адреса")
    terminal.run(client, "echo", "--host", "a..b", "x", locale=RUSSIAN)
    terminal.expect(r"ошибка: нет связи с echo\+\w+://a\.\.b:7007: это не имя узла")
    for program in server, client:
        terminal.run(program, "--help", locale=RUSSIAN)
        terminal.run(program, "echo", "--port", "x", locale=RUSSIAN)
        terminal.expect(r"ошибка: аргумент --port: 'x' — не целое число")
    terminal.expect(r"вызов: \w+_server\.py (.|\n)*вызов: \w+_client\.py ")
    assert terminal.english() == []


@EACH_PROGRAM
@pytest.mark.parametrize("role", ["server", "client"])
@pytest.mark.parametrize(("words", "stream"), [(["--help"], "stdout"), (["--port", "x", "echo"], "stderr")])
def test_english_into_a_pipe(
    terminal: Terminal, name: str, transport: str, role: str, words: list[str], stream: str
) -> None:
    """Though the other stream is a terminal."""
    program = f"impl_{name}.{transport}_{role}"
    came = [terminal.run(program, *words, locale=locale, pipe=stream) for locale in (RUSSIAN, ENGLISH)]
    assert came[0] == came[1] and came[0].startswith("usage: " if stream == "stdout" else "error: argument --port: 'x'")
    assert terminal.text == ""


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        ({"LC_MESSAGES": "ru_RU.UTF-8", "LANG": "en_GB.UTF-8"}, "ошибка"),
        ({"LANG": "ru_RU.UTF-8"}, "ошибка"),
        ({"LC_ALL": "C", "LANG": "ru_RU.UTF-8"}, "error"),
        ({"LC_ALL": "C.UTF-8", "LANGUAGE": "ru"}, "error"),
        ({"LANG": "xx_YY.UTF-8"}, "error"),
        ({}, "error"),
    ],
)
@pytest.mark.parametrize("program", ["impl_raw.tcp_server", "impl_with.udp_client"])
def test_the_language_is_that_of_the_locale(
    terminal: Terminal, program: str, locale: dict[str, str], said: str
) -> None:
    terminal.run(program, "ping", locale=locale)
    terminal.expect(rf"^{said}: \w+ service: ")


def test_the_persons_locale_changes_no_verdict() -> None:
    """The checks that give a client a terminal: it may speak Russian there, and is to conform all the same."""
    command = [sys.executable, "-m", "conformance", "run", "raw", "with", "--profile=quick"]
    wanted = ["--requirement=CLI-5", "--requirement=SRV-1", "--requirement=CLI-1"]
    environment = {**os.environ, "LC_ALL": "ru_RU.UTF-8", "LANG": "ru_RU.UTF-8", "LANGUAGE": "ru"}
    done = subprocess.run(
        [*command, *wanted], cwd=ROOT, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
