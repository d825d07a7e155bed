"""The sockets that a program has, as psutil tells them."""

import contextlib
from typing import Any

import psutil


def sockets_of(pid: int, kind: str, *, descendants: bool = True) -> list[Any]:
    """Return psutil's entries, with ``laddr``, ``raddr`` and ``status``, of a process and its descendants.

    `kind` is that of psutil, such as ``tcp``. Processes that have ended, or may not be looked at, have none.
    """
    found: list[Any] = []
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in [process, *(process.children(recursive=True) if descendants else [])]:
            # The name since psutil 6, and the one before.
            connections = getattr(each, "net_connections", None) or each.connections
            found += [known for known in connections(kind=kind) if known.laddr]
    return found
