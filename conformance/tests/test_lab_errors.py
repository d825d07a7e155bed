"""What an error of Python says of a program with sockets, and what is seen in a source after which nothing comes."""

import os
from pathlib import Path

import pytest

from conformance.labs import errors
from conformance.labs.console import Console
from conformance.labs.errors import cause_of_an_error
from conformance.labs.source import Source
from conformance.labs.traces import asks_while_it_serves, closed_under_a_thread, fixed_destinations
from conformance.timing import PATIENCE

OPEN = """
import socket, socketserver, threading
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
tcp = socket.socket()
tcp.bind(("localhost", 0))
def serve(address): pass
class Handler(socketserver.BaseRequestHandler): pass
"""
ENDED = {
    'udp.sendto("text", ("localhost", 5000))': "a socket carries bytes",
    'b"text".encode()': "a socket carries bytes",
    'print("text: " + b"text")': "a socket carries bytes",
    'socketserver.TCPServer(("localhost", 0), Handler())': "the server takes the class itself",
    "(tcp, 5000).recv(9)": "it is a pair",
    "tcp.accept()": "calls listen() after bind()",
    "raw_input()": "raw_input() was in Python 2",
    'threading.Thread(target=serve, args=("ab")).start()': "one argument for a thread needs a comma",
    "threading.Thread(target=serve, args=(5)).start()": "one argument for a thread needs a comma",
    "serve()": "too many arguments, or too few",
    "tcp.close(); tcp.listen()": "the socket was closed before",
    'udp.connect("localhost")': "an address is a pair",
    'udp.connect("localhost", 5000)': "an address is a pair",
    'udp.connect(("localhost", "5000"))': "an address is a pair",
    "socket.socket().bind(tcp.getsockname())": "the port is bound already",
    "tcp.listen(); tcp.recv(9)": "the socket that accept() has returned",
    'udp.send(b"text")': "use sendto(data, address)",
    "print(unknown)": "",
}

LATE = 1.0
"""Seconds that what was printed waits to be read, unless the program ends before."""


@pytest.mark.parametrize("line", ENDED)
def test_an_error_says_what_it_comes_from(tmp_path: Path, line: str) -> None:
    file = tmp_path / "server.py"
    file.write_text(f"{OPEN}{line}\n", encoding="utf-8")
    with Console(file) as console:
        assert console.wait_for(lambda: errors.failed(console) and not console.running, PATIENCE)
        cause = cause_of_an_error(console, file)
        assert ENDED[line] in cause and bool(cause) == bool(ENDED[line]), cause


def test_a_screen_has_both_streams_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    file = tmp_path / "client.py"
    file.write_text("print('connected')\nprint(input('Message: '))\ninput('Again: ')\n", encoding="utf-8")
    with Console(file) as console:
        assert console.wait_for(lambda: "connected" in console.text and "Message: " in console.screen(), PATIENCE)
        console.type("typed")
        assert console.wait_for(lambda: "typed" in console.text and "Again: " in console.screen(), PATIENCE)
        assert console.screen() == "connected\nMessage: \ntyped\nAgain: "


def test_a_prompt_stands_before_what_is_printed_for_its_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "client.py"
    file.write_text("print('connected')\nprint(input('Message: '))\n", encoding="utf-8")
    read = os.read

    def read_late(end: int, size: int) -> bytes:
        console.program.ends_within(LATE)
        return read(end, size)

    with Console(file, line_for_prompt="typed") as console:
        monkeypatch.setattr(os, "read", read_late)
        assert console.wait_for(lambda: "typed" in console.text, PATIENCE)
        assert console.screen() == "connected\nMessage: \ntyped\n"


def source(tmp_path: Path, text: str) -> Source:
    (tmp_path / "server.py").write_text(text, encoding="utf-8")
    return Source(tmp_path / "server.py")


STARTED = "with connection:\n    thread = Thread(target=serve, args=(connection,))\n    thread.start()\n"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (STARTED, [1]),
        (f"{STARTED}    thread.join()\n", []),
        (STARTED.replace("args=(connection,)", "args=(server,)"), []),
        (
            "with socket() as connection:\n    while True:\n        Thread(target=serve, args=(connection,)).start()\n",
            [],
        ),
    ],
)
def test_a_with_that_ends_under_a_thread(tmp_path: Path, text: str, lines: list[int]) -> None:
    assert closed_under_a_thread(source(tmp_path, text)) == lines


def test_an_address_that_stands_there(tmp_path: Path) -> None:
    text = (
        "s.sendto(a, address)\ns.sendto(a, (host, port))\ns.sendto(a, (address[0], 5001))\ns.sendto(a, (HOST, 5000))\n"
    )
    assert fixed_destinations(source(tmp_path, f'{text}s.sendto(a, ("localhost", PORT))')) == [4, 5]


def test_a_question_in_a_loop(tmp_path: Path) -> None:
    assert asks_while_it_serves(source(tmp_path, "while True:\n    input()\n"))
    assert not asks_while_it_serves(source(tmp_path, "port = input()\nwhile True: pass\n"))


def test_a_source_that_no_parser_takes_is_no_fault_of_the_host(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(f"x = {'-' * 50_000}1\n", encoding="utf-8")
    with pytest.raises(SyntaxError, match="nested too deeply"):
        Source(tmp_path / "server.py")
