"""Interrupts end all programs at once; whoever waits for anything else looks now and then whether there was one."""

import atexit
import contextlib
import threading
from collections.abc import Iterator
from signal import SIG_DFL, SIG_IGN, SIG_SETMASK, SIGCHLD, SIGHUP, SIGINT, SIGTERM, getsignal, pthread_sigmask
from signal import signal as set_handler
from types import FrameType
from typing import Protocol

ATTENTION = 0.5
"""Seconds after which whoever waits for something else than a program looks whether there was an interrupt."""


class Running(Protocol):
    """What an interrupt ends."""

    def end(self) -> None:
        """Kill it, if it has not ended, and what it has started."""


class _State:
    """A plain attribute, not an Event: a second signal would wait for that one's lock for ever."""

    interrupted = False


_running: set[Running] = set()
_here = threading.local()
_lock = threading.RLock()  # a second signal may find the handler at work


def heed_interrupts() -> None:
    """Let SIGINT, SIGTERM and SIGHUP end all programs and raise KeyboardInterrupt.

    A program inherits which signals are ignored and blocked: SIGINT in the background, SIGHUP under ``nohup``. What is
    caught here is as usual in all that is started. A SIGHUP that was ignored still ends nothing.
    """
    pthread_sigmask(SIG_SETMASK, ())
    set_handler(SIGCHLD, SIG_DFL)  # where it is ignored, no program has an exit status
    for number in SIGINT, SIGTERM, SIGHUP:
        is_ignored = number == SIGHUP and getsignal(number) == SIG_IGN
        set_handler(number, _disregard if is_ignored else _interrupt)


@contextlib.contextmanager
def ignored_interrupts() -> Iterator[None]:
    """A block that no interrupt ends."""
    handlers = {number: set_handler(number, SIG_IGN) for number in (SIGINT, SIGTERM, SIGHUP)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            set_handler(number, handler)


def _disregard(number: int, frame: FrameType | None) -> None:
    pass


def _interrupt(number: int, frame: FrameType | None) -> None:
    if getattr(_here, "is_starting", False):
        _State.interrupted = True
    else:
        end_all()  # threads that wait for a program need wait no longer
        raise KeyboardInterrupt


def end_all() -> None:
    """End all programs that run, in whatever thread; who starts another one is interrupted."""
    with _lock:
        _State.interrupted = True
        for program in list(_running):
            program.end()


def raise_if_interrupted() -> None:
    """Raise KeyboardInterrupt if there was one; what follows from the end of all programs may have hidden it."""
    if _State.interrupted:
        end_all()
        raise KeyboardInterrupt


@contextlib.contextmanager
def starting(program: Running) -> Iterator[None]:
    """A block that starts a program. An interrupt, which would lose it, waits for its end."""
    _here.is_starting = True
    try:
        with _lock:
            raise_if_interrupted()
            yield
            _running.add(program)
    finally:
        _here.is_starting = False
    raise_if_interrupted()


def reaped(program: Running) -> None:
    """The program has ended; an interrupt need not end it."""
    _running.discard(program)


atexit.register(end_all)
