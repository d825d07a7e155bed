"""What a TCP server with one thread does in a turn of its loop, on a clock that the test moves."""

import socket
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from spec.codec import parse_reply
from spec.tests.support import NOW, UTC, code_of, rfc3339, server_options, split_replies

Connect = Callable[[], socket.socket]


@pytest.fixture
def clock(program: ModuleType, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Both clocks of the program: it is ``seconds`` after NOW and UTC."""
    clock = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(program, "monotonic", lambda: NOW + clock.seconds)
    monkeypatch.setattr(program, "time", SimpleNamespace(time=lambda: UTC + clock.seconds))
    return clock


@pytest.fixture
def server(program: ModuleType, clock: SimpleNamespace) -> Iterator[Any]:
    """A time server that was just started."""
    with program.listen(server_options("time", "tcp", port=0, quiet=True)) as listener:
        server = program.Server(server_options("time", "tcp", quiet=True), listener)
        yield server
        server.close()


@pytest.fixture
def connect(server: Any) -> Iterator[Connect]:
    """Connects a client, and has the server accept it."""
    clients = []

    def connect() -> socket.socket:
        clients.append(socket.create_connection(server.listener.getsockname(), timeout=20))
        server.step((), float("inf"))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def test_a_pause_between_two_ticks(server: Any, connect: Connect, clock: SimpleNamespace) -> None:
    """TIME-8, TIME-12: the next one is the tick of its own moment, with the time of that."""
    clients = [connect() for _ in range(3)]
    for client in clients:
        client.send("TIME Анна\n".encode())
        server.step((), float("inf"))
        client.recv(1000)
    send = server.send

    def send_and_sleep(connection: Any, data: bytes) -> None:
        send(connection, data)
        clock.seconds += 30.25

    server.send = send_and_sleep
    clock.seconds = 3
    server.wake(NOW + 3)
    ticks = [parse_reply(reply) for client in clients for reply in split_replies(client.recv(1000))]
    assert sorted((tick.fields["seq"], tick.fields["time"]) for tick in ticks) == [
        (seq, rfc3339(round((UTC + seconds) * 1000))) for seq, seconds in (("12", 33.25), ("2", 3), ("22", 63.5))
    ]


def test_thousands_of_lines_of_one_client(server: Any, connect: Connect) -> None:
    """LOAD-3: others have their turn between them. TCP-5, TCP-8: all are answered, though the end has come."""
    crowd, other = connect(), connect()
    crowd.sendall(b"\n" * 16384 + b"TIME \n")
    crowd.shutdown(socket.SHUT_WR)
    other.send(b"\n")
    server.step((), float("inf"))
    assert len(split_replies(other.recv(1000))) == 1
    assert len(split_replies(crowd.recv(1 << 20))) < 1000
    stream = b""
    while len(server.connections) == 2:
        server.step((), float("inf"))
        stream += crowd.recv(1 << 20) if server.connections else b""
    assert code_of(split_replies(stream)[-1]) == "bad-name"


def test_the_bytes_of_who_has_left_are_not_kept(server: Any, connect: Connect) -> None:
    """LOAD-3: not even in a timer that would end much later."""
    connect()
    (connection,) = server.connections
    server.send(connection, bytes(1 << 25))
    assert connection.unsent
    server.drop(connection)
    assert not connection.unsent


def test_a_turn_ends_in_time(server: Any, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """SRV-8: a stop waits for clients no longer than it may, though nothing is ready and no tick is due."""
    connect()
    waits: list[float] = []

    def select(wait: float) -> tuple[()]:
        waits.append(wait)
        return ()

    with monkeypatch.context() as patches:
        patches.setattr(server, "selector", SimpleNamespace(select=select))
        server.step((), NOW + 0.05)
    assert waits == [pytest.approx(0.05)]
