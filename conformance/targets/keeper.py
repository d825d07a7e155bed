"""Starts the keeper, which ends all programs when this process has ended, and tells it what starts and ends."""

import atexit
import contextlib
import os
import secrets
import subprocess
import sys
import threading
from pathlib import Path

from conformance.targets.environment import MARK
from conformance.targets.families import starting_child, waited_for

SCRIPT = Path(__file__).with_name("keeper_process.py")
CLOSING = 5
"""Seconds that the keeper gets to end when this process ends."""


class Keeper:
    """This process's keeper; it is started with the first program. Where it cannot be, there is none."""

    def __init__(self) -> None:
        self.token = f"{os.getpid()}-{secrets.token_hex(4)}"
        """What names this process in the environments of all its programs."""
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: int | None = None

    def start(self) -> None:
        """Start it, unless it runs."""
        with self._lock:
            if self._process is not None:
                return
            reading, self._pipe = os.pipe()
            # In a session of its own: what ends this process's session, as Ctrl-C may, must not end the keeper.
            with contextlib.suppress(OSError), starting_child():
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(SCRIPT), f"{MARK}={self.token}."],
                    stdin=reading,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    env={},
                    start_new_session=True,
                )
                waited_for.add(self._process.pid)
            os.close(reading)

    def tell(self, what: str, group: int) -> None:
        """Tell it of a process group that has started, ``+``, or ended, ``-``."""
        if self._pipe is not None:
            with contextlib.suppress(OSError):
                os.write(self._pipe, f"{what}{group}\n".encode())

    def close(self) -> None:
        """Let it end what is left, and wait for that."""
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(CLOSING)

    def forget(self) -> None:
        """In a copy of this process: leave the keeper to the original; this one gets another."""
        if self._pipe is not None:
            os.close(self._pipe)
        if self._process is not None:
            self._process.returncode = 0  # it is no child of this process
        self.__init__()  # type: ignore[misc]


keeper = Keeper()
atexit.register(keeper.close)
os.register_at_fork(after_in_child=keeper.forget)
