"""Signals that stop a program: SPEC.md, SRV-8 and CLI-6."""

import atexit
import signal
import sys
from collections.abc import Callable, Sequence

from spec.options import UNREACHABLE

if sys.platform == "win32":
    _STOPPING = signal.SIGINT, signal.SIGTERM, signal.SIGBREAK  # the last: Ctrl-Break, or the window is closed

    def _hold_further_ones() -> None:
        """Do nothing: there a signal does not end a call that waits."""

else:
    _STOPPING = signal.SIGINT, signal.SIGTERM, signal.SIGHUP

    def _hold_further_ones() -> None:
        """Block the signals: each would begin anew the wait of a call that it interrupts (PEP 475)."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)


class Stopped(SystemExit):
    """Raised in the main thread of a client by the first signal. Where nothing catches it, the exit status is 1."""

    def __init__(self) -> None:
        super().__init__(UNREACHABLE)


def on_first_signal(act: Callable[[int], object]) -> None:
    """Call ``act`` with the number of the first signal that stops a program, in the main thread.

    A further one does nothing, until the process has ended. A signal that was ignored when the program started stays
    ignored.
    """
    came = False

    def handle(number: int, _: object) -> None:
        nonlocal came
        if came:  # SIG_IGN would not do: Python prints an error if a signal has just come whose handler is gone
            return
        came = True
        _hold_further_ones()
        act(number)

    _handle_with(handle)
    atexit.register(_ignore_at_the_end)


def note_signals() -> Sequence[int]:
    """Return a list, empty until the first such signal, which then adds its number to it and does nothing else.

    A system call that waits goes on waiting after that (PEP 475), so a server looks at the list now and then.
    """
    noted: list[int] = []
    on_first_signal(noted.append)
    return noted


def stop_on_signal() -> None:
    """Have the first signal raise `Stopped` in the main thread."""

    def stop(number: int) -> None:
        raise Stopped

    on_first_signal(stop)


def heed_no_signal() -> None:
    """Have no signal do anything any more: the program has done what it was asked for."""
    _handle_with(lambda number, frame: None)


def _handle_with(handler: Callable[[int, object], None]) -> None:
    for number in _STOPPING:
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup, or & in a script, has it
            signal.signal(number, handler)


def _ignore_at_the_end() -> None:
    """Ignore the signals. The interpreter, when it ends, sets the default of all others, which kills the process."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None  # see the comment above
    for number in _STOPPING * 2:  # once more, since signal() sees first to those that have come
        signal.signal(number, signal.SIG_IGN)
    sys.unraisablehook = hook
