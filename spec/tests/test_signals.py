"""Signals that stop a program."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from spec.program import signals
from spec.program.signals import Stopped, heed_no_signal, note_signals, on_first_signal, stop_on_signal

HANGUP = () if sys.platform == "win32" else (signal.SIGHUP,)
STOPPING = signal.SIGINT, signal.SIGTERM, *HANGUP


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Start with those of Python, and leave the handlers as they were."""
    before = [(number, signal.getsignal(number)) for number in STOPPING]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in STOPPING[1:]:
        signal.signal(number, signal.SIG_DFL)
    yield
    if sys.platform != "win32":
        for number in STOPPING:  # what has come and was blocked is to do nothing
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    for number, handler in before:
        signal.signal(number, handler)


@pytest.mark.parametrize("first", STOPPING)
@pytest.mark.parametrize("second", STOPPING)
def test_the_first_signal_is_noted_and_the_second_ignored(first: int, second: int) -> None:
    """SRV-8."""
    noted = note_signals()
    assert list(noted) == []
    signal.raise_signal(first)
    assert list(noted) == [first]
    signal.raise_signal(second)
    assert list(noted) == [first]


def test_a_second_signal_that_came_with_the_first_is_ignored() -> None:
    noted = note_signals()
    handle = signal.getsignal(signal.SIGTERM)
    assert callable(handle)
    handle(signal.SIGINT, None)
    handle(signal.SIGTERM, None)
    assert list(noted) == [signal.SIGINT]


def test_a_second_signal_does_not_disturb_what_the_first_one_does() -> None:
    seen: list[int] = []

    def act(number: int) -> None:
        signal.raise_signal(signal.SIGINT)
        seen.append(number)

    on_first_signal(act)
    signal.raise_signal(signal.SIGTERM)
    assert seen == [signal.SIGTERM]


@pytest.mark.parametrize("number", STOPPING)
def test_the_first_signal_stops_a_client(number: int) -> None:
    """CLI-6."""
    stop_on_signal()
    with pytest.raises(Stopped):
        signal.raise_signal(number)
    signal.raise_signal(number)


def test_a_client_that_is_done_is_not_stopped() -> None:
    """CLI-6."""
    stop_on_signal()
    heed_no_signal()
    for number in STOPPING:
        signal.raise_signal(number)


@pytest.mark.parametrize("number", STOPPING)
def test_what_was_ignored_stays_ignored(number: int) -> None:
    """SRV-8: as nohup has SIGHUP, and a shell SIGINT in the background."""
    signal.signal(number, signal.SIG_IGN)
    noted = note_signals()
    signal.raise_signal(number)
    assert list(noted) == []


def test_the_end_ignores_signals() -> None:
    """As the next test sees from outside."""
    note_signals()
    signals._ignore_at_the_end()
    assert [signal.getsignal(number) for number in STOPPING] == [signal.SIG_IGN] * len(STOPPING)


@pytest.mark.skipif(sys.platform == "win32", reason="a program on Windows can send no such signal to another")
@pytest.mark.parametrize(
    ("start", "status"), [("note_signals()", 0), ("stop_on_signal()", 1)], ids=["server", "client"]
)
def test_signals_until_the_end(start: str, status: int) -> None:
    """SRV-8, CLI-6: also those that come when the interpreter puts an end to itself."""
    program = f"""\
import time
from spec.program.signals import {start.removesuffix("()")}
noted = {start}
print(flush=True)
while not noted:
    time.sleep(0.01)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.readline()
        while process.poll() is None:
            for number in STOPPING:
                process.send_signal(number)
        assert (process.returncode, process.stderr.read()) == (status, "")
