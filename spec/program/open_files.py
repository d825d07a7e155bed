"""The limit of open files, one for each TCP client."""

import os
import resource

_OTHER_FILES = 16  # listener, selector and the like


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
