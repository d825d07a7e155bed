"""Signals that stop a program."""

import signal
from collections.abc import Iterator

import pytest

from spec.program.signals import interrupt_on_sigterm, note_signals, on_first_signal

BOTH = signal.SIGINT, signal.SIGTERM


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Start with those of Python, and leave the handlers as they were."""
    before = [(number, signal.getsignal(number)) for number in BOTH]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    for number, handler in before:
        signal.signal(number, handler)


@pytest.mark.parametrize("first", BOTH)
@pytest.mark.parametrize("second", BOTH)
def test_the_first_signal_is_noted_and_the_second_ignored(first: int, second: int) -> None:
    """SRV-8."""
    noted = note_signals()
    assert list(noted) == []
    signal.raise_signal(first)
    assert list(noted) == [first]
    signal.raise_signal(second)
    assert list(noted) == [first]


def test_a_second_signal_does_not_disturb_what_the_first_one_does() -> None:
    seen: list[int] = []

    def act(number: int) -> None:
        signal.raise_signal(signal.SIGINT)
        seen.append(number)

    on_first_signal(act)
    signal.raise_signal(signal.SIGTERM)
    assert seen == [signal.SIGTERM]


@pytest.mark.parametrize("number", BOTH)
def test_sigterm_interrupts_as_sigint_does(number: int) -> None:
    """CLI-6."""
    interrupt_on_sigterm()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
