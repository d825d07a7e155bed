"""The loops in the docstrings of Session, Endpoint and Client run as they are written there."""

import queue
import secrets
import socket
import textwrap
import threading
import time
from decimal import Decimal
from typing import Any

import pytest

from spec.address import format_address
from spec.client import Client
from spec.codec import DATAGRAM_BYTES, RECEIVE_BYTES
from spec.datagram_client import open_datagram_client
from spec.endpoint import Endpoint, open_endpoint
from spec.session import Session, open_session
from spec.stream_client import open_stream_client
from spec.tests.support import SERVICES, client_options, server_options

TEXT = "привет"


def loop_of(documented: type) -> str:
    """Return the code block of a docstring."""
    _, _, rest = (documented.__doc__ or "").partition("::\n\n")
    lines = rest.split("\n")
    end = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith(" " * 8)), len(lines))
    return textwrap.dedent("\n".join(lines[:end]))


def run(documented: type, **names: Any) -> None:
    exec(  # noqa: S102
        loop_of(documented),
        {
            "time": time,
            "secrets": secrets,
            "format_address": format_address,
            "open_session": open_session,
            "open_endpoint": open_endpoint,
            "RECEIVE_BYTES": RECEIVE_BYTES,
            "DATAGRAM_BYTES": DATAGRAM_BYTES,
            **names,
        },
    )


def ask(client: Client, sock: socket.socket) -> None:
    run(Client, client=client, sock=sock, text=TEXT)
    assert client.status == 0


@pytest.mark.parametrize("service", SERVICES)
def test_a_stream_client_and_a_session(service: str) -> None:
    announced: list[str] = []
    shown: list[str] = []
    options = server_options(service, "tcp", interval=Decimal("0.01"))
    ours, theirs = socket.socketpair()
    names = {"options": options, "address": ("127.0.0.1", 50312), "sock": theirs, "announce": announced.append}
    server = threading.Thread(target=run, args=[Session], kwargs=names)
    with theirs:
        server.start()
        with ours:
            ask(open_stream_client(client_options(service, "tcp", ticks=2), "url", shown.append, shown.append), ours)
        server.join(20)
    assert any(TEXT in line for line in shown)
    assert [line.split()[-1] for line in announced] == ["connected", "left"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_datagram_client_and_an_endpoint(service: str) -> None:
    announced: queue.Queue[str] = queue.Queue()
    shown: list[str] = []
    stopping = threading.Event()
    options = server_options(service, "udp", interval=Decimal("0.01"), idle_timeout=0.2)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours,
    ):
        theirs.bind(("127.0.0.1", 0))
        ours.connect(theirs.getsockname())
        names = {"options": options, "sock": theirs, "announce": announced.put, "stopped": stopping.is_set}
        server = threading.Thread(target=run, args=[Endpoint], kwargs=names)
        server.start()
        ask(open_datagram_client(client_options(service, ticks=2), "url", shown.append, shown.append), ours)
        lines = [announced.get(timeout=20) for _ in range(2)]  # the loop wakes the endpoint without a datagram
        stopping.set()
        ours.send(b"stop")
        server.join(20)
    assert any(TEXT in line for line in shown)
    assert [line.split()[-1] for line in lines] == ["connected", "left"]
