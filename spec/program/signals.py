"""Signals that stop a program: SPEC.md, SRV-8 and CLI-6."""

import signal
import sys
from collections.abc import Callable, Sequence

if sys.platform == "win32":
    _STOPPING = signal.SIGINT, signal.SIGTERM, signal.SIGBREAK  # the last: Ctrl-Break, or the window is closed
else:
    _STOPPING = signal.SIGINT, signal.SIGTERM


def on_first_signal(act: Callable[[int], object]) -> None:
    """Call ``act`` with the number of the first signal that stops a program, in the main thread; ignore any further."""

    def handle(number: int, _: object) -> None:
        for each in _STOPPING:
            signal.signal(each, signal.SIG_IGN)  # another one must not disturb the orderly end
        act(number)

    for number in _STOPPING:
        signal.signal(number, handle)


def note_signals() -> Sequence[int]:
    """Return a list, empty until the first such signal, which then adds its number to it and does nothing else.

    A system call that waits goes on waiting after that (PEP 475), so a server looks at the list now and then.
    """
    noted: list[int] = []
    on_first_signal(noted.append)
    return noted


def interrupt_on_sigterm() -> None:
    """Have SIGTERM, or what stands for it, raise KeyboardInterrupt in the main thread, as SIGINT does."""
    for number in _STOPPING:
        if number != signal.SIGINT:  # which the shell may have had ignored
            signal.signal(number, signal.default_int_handler)
