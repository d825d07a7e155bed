"""How many clients a TCP server may have: open files, and on Windows what select() takes."""

import os
import sys

import pytest

from spec.limits import CLIENTS_DEFAULT
from spec.program.arguments import parse_server_options
from spec.tests.test_arguments import Capture, assert_wrong

if sys.platform == "win32":

    def test_select_takes_512_sockets(capsys: Capture) -> None:
        """Section 14, CLIENTS_DEFAULT; SRV-10."""
        assert parse_server_options(["echo"], "tcp").max_clients == 511
        assert parse_server_options(["echo", "--max-clients", "511"], "tcp").max_clients == 511
        assert parse_server_options(["echo"], "udp").max_clients == CLIENTS_DEFAULT
        assert_wrong(lambda words, _: parse_server_options(words, "tcp"), ["echo", "--max-clients", "512"], capsys)

else:
    import resource

    @pytest.mark.parametrize(
        ("soft", "hard", "clients", "expected"),
        [
            (1024, 4096, 1000, None),
            (256, 4096, 1000, (1019, 4096)),
            (256, 1019, 1000, (1019, 1019)),
            (256, resource.RLIM_INFINITY, 1000, (1019, resource.RLIM_INFINITY)),
            (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 10**6, None),
        ],
    )
    def test_a_tcp_server_may_open_a_file_for_each_client(
        soft: int, hard: int, clients: int, expected: object, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """LOAD-3, ERR-10: busy comes at the limit of clients, not before it."""
        limits: list[object] = []
        monkeypatch.setattr(os, "listdir", lambda directory: ["0", "1", "2"])
        monkeypatch.setattr(resource, "getrlimit", lambda which: (soft, hard))
        monkeypatch.setattr(resource, "setrlimit", lambda which, limit: limits.append(limit))
        assert parse_server_options(["echo", "--max-clients", str(clients)], "tcp").max_clients == clients
        assert limits == ([] if expected is None else [expected])
        assert parse_server_options(["echo", "--max-clients", "999999"], "udp").max_clients == 999999, (
            "one socket serves all"
        )

    def test_more_clients_than_files(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
        """SRV-10, SRV-12."""
        monkeypatch.setattr(os, "listdir", lambda directory: ["0", "1", "2"])
        monkeypatch.setattr(resource, "getrlimit", lambda which: (256, 1018))
        assert_wrong(lambda words, _: parse_server_options(words, "tcp"), ["echo", "--max-clients", "1000"], capsys)

    def test_a_system_that_lists_no_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
        """A sandbox without /proc: they are counted, one by one."""

        def fail(directory: str) -> list[str]:
            raise FileNotFoundError(2, "No such file or directory", directory)

        def look(number: int) -> None:
            if number > 2:
                raise OSError(9, "Bad file descriptor")

        limits: list[object] = []
        with monkeypatch.context() as system:
            system.setattr(os, "listdir", fail)
            system.setattr(os, "fstat", look)
            system.setattr(resource, "getrlimit", lambda which: (256, 4096))
            system.setattr(resource, "setrlimit", lambda which, limit: limits.append(limit))
            assert parse_server_options(["echo"], "tcp").max_clients == CLIENTS_DEFAULT
        assert limits == [(1019, 4096)]
