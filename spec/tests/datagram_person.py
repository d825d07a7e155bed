"""A client over UDP without a socket, with what it sends, shows and complains of."""

from typing import Any

from spec.datagram_client import open_datagram_client
from spec.tests.support import NOW, client_options

CONNECTED = "connected to {}+udp://127.0.0.1:7"


class Person:
    """A client with what it shows and complains of."""

    def __init__(self, service: str, **changes: Any) -> None:
        self.shown: list[str] = []
        self.complaints: list[str] = []
        options = client_options(service, **changes)
        self.client = open_datagram_client(
            options, f"{service}+udp://127.0.0.1:7", self.shown.append, self.complaints.append
        )


def asking(text: str = "hi", service: str = "echo", **changes: Any) -> Person:
    person = Person(service, **changes)
    assert person.client.ask(text, NOW) == f"{service.upper()} {text}\n".encode()
    assert person.shown == []  # CLI-2
    return person


def challenge(token: str) -> bytes:
    return f"CHALLENGE\ntoken: {token}\n\n".encode()


def proof(token: str) -> bytes:
    return f"TIME Анна\ntoken: {token}\n".encode()


def leased(interval: int = 3) -> bytes:
    return f"OK\nname: Анна\ninterval: {interval}\nlease: {4 * interval}\n\n".encode()


def tick(seq: int, second: int) -> bytes:
    return f"TICK\nname: Анна\ntime: 2026-11-23T09:00:{second:02}.000Z\nseq: {seq}\n\n".encode()


def subscriber(**changes: Any) -> Person:
    """Return a client that has proved itself at NOW with the token ``a``, and has its OK."""
    person = asking("Анна", "time", **changes)
    assert person.client.receive(challenge("a"), NOW) == proof("a")
    assert person.client.receive(leased(), NOW) == b""
    return person


def sendings(person: Person, until: float) -> list[tuple[float, bytes]]:
    """Wake the client whenever it is due; return when, in seconds after NOW, it sent what."""
    sent = []
    while person.client.waiting and (now := person.client.deadline) <= NOW + until:
        assert person.client.wake(now - 1 / 64) == b"", "early"
        if out := person.client.wake(now):
            sent.append((now - NOW, out))
    return sent
