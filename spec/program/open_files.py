"""The limit of open files, one for each TCP client."""

import os
import sys
from contextlib import suppress
from errno import EMFILE, ENFILE, ENOBUFS, ENOMEM
from time import sleep

from spec.limits import CLIENTS_DEFAULT
from spec.message import Message

PAUSE = 0.005
"""Seconds to do nothing when ``accept()`` finds no file or memory: who tries again and again takes a core."""


def pause_if_exhausted(error: OSError) -> None:
    """Wait for PAUSE if this error of ``accept()`` is one after which it would fail again at once."""
    if error.errno in (EMFILE, ENFILE, ENOBUFS, ENOMEM):
        sleep(PAUSE)


if sys.platform == "win32":
    SELECTOR_CAPACITY = 512
    """So many sockets, the listener among them, the server's selector takes: it is CPython's select() there."""

    CLIENTS_HERE = min(CLIENTS_DEFAULT, SELECTOR_CAPACITY - 1)
    """The default of ``--max-clients``, as far as the system lets a TCP server have it."""

    def allow_open_files(clients: int) -> None:
        """Raise ValueError if a server cannot wait for that many clients."""
        if clients >= SELECTOR_CAPACITY:
            raise ValueError(
                Message(
                    "{clients} clients, but on Windows a server serves {most} at most",
                    clients=clients,
                    most=SELECTOR_CAPACITY - 1,
                )
            )

else:
    import resource

    SELECTOR_CAPACITY = sys.maxsize
    """So many sockets, the listener among them, the server's selector takes: no fewer than there are files."""

    _OTHER_FILES = 16  # listener, selector and the like
    _LOOKED_AT = 256  # where the system does not list open files

    CLIENTS_HERE = CLIENTS_DEFAULT
    """The default of ``--max-clients``, as far as the system lets a TCP server have it."""

    def allow_open_files(clients: int) -> None:
        """Raise the process's soft limit of open files, so that each client can have a socket.

        Raises ValueError if the hard limit is too low.
        """
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        needed = clients + _count_open_files() + _OTHER_FILES
        if soft != resource.RLIM_INFINITY and soft < needed:
            if hard != resource.RLIM_INFINITY and hard < needed:
                raise ValueError(
                    Message(
                        "{clients} clients, but the limit of open files is {hard} (ulimit -Hn)",
                        clients=clients,
                        hard=hard,
                    )
                )
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))

    def _count_open_files() -> int:
        try:
            return len(os.listdir("/dev/fd"))
        except OSError:  # a sandbox may have no /proc, where Linux has them
            return sum(map(_is_open, range(_LOOKED_AT)))

    def _is_open(number: int) -> bool:
        with suppress(OSError):
            os.fstat(number)
            return True
        return False
