"""Servers over UDP with many subscribers, or a large number for their socket."""

import os
import socket
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import impl_raw.udp_server
import impl_with.udp_server
from spec.endpoint import TICKS_AT_ONCE
from spec.tests.support import NOW, UTC, an_endpoint, subscribe

PROGRAMS = [impl_raw.udp_server, impl_with.udp_server]


def test_no_more_ticks_have_one_time_than_are_sent_in_a_moment() -> None:
    """TIME-12; and none is left out."""
    endpoint = an_endpoint("time")
    addresses = [("127.0.0.1", port) for port in range(50000, 50000 + 2 * TICKS_AT_ONCE + 1)]
    for address in addresses:
        subscribe(endpoint, "a", address)
    sent: list[list[object]] = []
    while endpoint.deadline == NOW + 3:
        sent.append([address for _, address in endpoint.wake(NOW + 3 + len(sent) / 64, UTC)])
    assert [len(each) for each in sent] == [TICKS_AT_ONCE, TICKS_AT_ONCE, 1]
    assert [address for each in sent for address in each] == addresses


if sys.platform != "win32":
    import resource

    @pytest.mark.parametrize("program", PROGRAMS, ids=["raw", "with"])
    def test_a_socket_with_a_number_above_1023(program: ModuleType) -> None:
        """LOAD-3: a parent process may leave that many files open."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < 1100:
            pytest.skip("so many files cannot be open here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1100), hard))
        try:
            with socket.socket(type=socket.SOCK_DGRAM) as low:
                number = os.dup2(low.fileno(), 1099)
            with socket.socket(fileno=number) as sock:
                sock.bind(("127.0.0.1", 0))
                endpoint = Once()
                program.serve(sock, endpoint, endpoint.signals)
                assert endpoint.signals
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Once(SimpleNamespace):
    """An endpoint for which ticks are due at once, and whose server is then told to stop."""

    def __init__(self) -> None:
        self.signals: list[int] = []
        self.deadline: float | None = 0.0

    def wake(self, *_: Any) -> list[Any]:
        self.signals.append(1)
        self.deadline = None
        return []
