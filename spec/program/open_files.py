"""The limit of open files, one for each TCP client."""

import os
import sys
from errno import EMFILE, ENFILE, ENOBUFS, ENOMEM

from spec.limits import CLIENTS_DEFAULT

EXHAUSTED = frozenset({EMFILE, ENFILE, ENOBUFS, ENOMEM})
"""Errors of ``accept()`` after which it fails again at once: the connection waits for a file or for memory."""

PAUSE = 0.005
"""Seconds to do nothing after such an error: a server that tries again and again takes a core."""

if sys.platform == "win32":
    _SELECTED = 512  # so many sockets, the listener among them, CPython's select() takes there

    CLIENTS_HERE = min(CLIENTS_DEFAULT, _SELECTED - 1)
    """The default of ``--max-clients``, as far as the system lets a TCP server have it."""

    def allow_open_files(clients: int) -> None:
        """Raise ValueError if a server cannot wait for that many clients."""
        if clients >= _SELECTED:
            raise ValueError(f"{clients} clients, but on Windows a server serves {_SELECTED - 1} at most")

else:
    import resource

    _OTHER_FILES = 16  # listener, selector and the like

    CLIENTS_HERE = CLIENTS_DEFAULT
    """The default of ``--max-clients``, as far as the system lets a TCP server have it."""

    def allow_open_files(clients: int) -> None:
        """Raise the process's soft limit of open files, so that each client can have a socket.

        Raises ValueError if the hard limit is too low.
        """
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        needed = clients + len(os.listdir("/dev/fd")) + _OTHER_FILES
        if soft != resource.RLIM_INFINITY and soft < needed:
            if hard != resource.RLIM_INFINITY and hard < needed:
                raise ValueError(f"{clients} clients, but the limit of open files is {hard} (ulimit -Hn)")
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
