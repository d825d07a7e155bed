"""Addresses as people read them: SRV-1, SRV-4."""

import pytest

from spec.address import Address, format_address, format_url


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (("127.0.0.1", 50312), "127.0.0.1:50312"),
        (("::1", 50312, 0, 0), "[::1]:50312"),
        (("::ffff:192.0.2.1", 7007, 0, 0), "192.0.2.1:7007"),
        (("::ffff:1:2", 7007, 0, 0), "[::ffff:1:2]:7007"),  # no IPv4 address, although it starts like one
        (("fe80::1%lo", 7007, 0, 1), "[fe80::1%lo]:7007"),
        (("fe80::1", 7007, 0, 2), "[fe80::1%2]:7007"),
        (("пример.рф", 7007), "пример.рф:7007"),
    ],
)
def test_format_address(address: Address, expected: str) -> None:
    assert format_address(address) == expected


def test_format_url() -> None:
    assert format_url("echo", "udp", ("127.0.0.1", 7007)) == "echo+udp://127.0.0.1:7007"
    assert format_url("time", "tcp", ("::", 7037, 0, 0)) == "time+tcp://[::]:7037"
