"""What an error of Python says of a program with sockets, and what is seen in a source after which nothing comes."""

import os
from pathlib import Path

import pytest

from conformance.labs import errors
from conformance.labs.console import Console
from conformance.labs.errors import cause_of_an_error
from conformance.labs.source import Source
from conformance.labs.traces import (
    accepted_without_with,
    asks_while_it_serves,
    changed_in_its_loop,
    closed_after_a_start,
    closed_under_a_thread,
    fixed_destinations,
    hidden_errors,
    suppressed_errors,
)
from conformance.timing import PATIENCE

OPEN = """
import selectors, socket, socketserver, threading
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
    'print("text: " + 5)': "text is joined with text alone",
    'print(("name", "time") + "text")': "text is joined with text alone",
    'Handler.__new__(Handler).sendall(b"text")': "the connection is self.request",
    "Handler.__new__(Handler).rfile.readline()": "the connection is self.request",
    "tcp.close(); selectors.DefaultSelector().register(tcp, 1)": "the socket was closed before",
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


@pytest.mark.parametrize(
    ("server", "place"),
    [
        ("import beside\n\nbeside.fail('x')\n", "beside.py, line 2"),
        ("import json\n\njson.loads('x')\n", "server.py, line 3"),
        ("import threading\nthreading.Thread(target=int, args=['x']).start()\n", ""),
        ("raise SystemExit('no')\n", ""),
    ],
    ids=["beside", "library", "nowhere", "no traceback"],
)
def test_an_error_is_shown_with_the_line_of_the_program(tmp_path: Path, server: str, place: str) -> None:
    """The innermost one that is its own: what Python's own modules do there is not to be mended."""
    file = tmp_path / "server.py"
    file.write_text(server, encoding="utf-8")
    (tmp_path / "beside.py").write_text("def fail(text):\n    int(text)\n", encoding="utf-8")
    with Console(file) as console:
        assert console.wait_for(lambda: bool(console.errors) and not console.running, PATIENCE)
        shown = errors.shown_error(console)
    assert shown.endswith(f"” ({place})" if place else "”"), shown


THREADS = """
import threading

def fail(text):
    int(text)

def serve():
    fail("x")

thread = threading.Thread(target=serve)
thread.start()
thread.join()
"""


def test_of_a_traceback_a_level_shows_what_is_in_the_programs_files(tmp_path: Path) -> None:
    """Frames of threading stand around them, and marks under them."""
    file = tmp_path / "server.py"
    file.write_text(THREADS, encoding="utf-8")
    with Console(file) as console:
        assert console.wait_for(lambda: bool(console.errors) and not console.running, PATIENCE)
        lines = console.errors
    assert errors.own_part(lines, tmp_path) == [
        *('  File "server.py", line 8, in serve', '    fail("x")'),
        *('  File "server.py", line 5, in fail', "    int(text)"),
        "ValueError: invalid literal for int() with base 10: 'x'",
    ]
    elsewhere = [*lines, "usage: server.py"]
    assert errors.own_part(elsewhere, tmp_path / "elsewhere") == elsewhere


@pytest.mark.parametrize(
    ("loop", "found"),
    [
        ("for each in clients:\n    clients.remove(each)", [(2, "clients")]),
        ("for each, name in self.clients.items():\n    del self.clients[each]", [(2, "self.clients")]),
        ("for each in list(clients):\n    clients.remove(each)", []),
        ("for each in clients[:]:\n    clients.remove(each)", []),
        ("for each in clients:\n    clients.remove(each)\n    break", []),
        ("for each in clients:\n    gone.remove(each)", []),
    ],
    ids=["list", "dictionary", "copy", "slice", "break", "another"],
)
def test_a_list_that_changes_in_its_loop_is_found(tmp_path: Path, loop: str, found: list[tuple[int, str]]) -> None:
    file = tmp_path / "server.py"
    file.write_text(f"{loop}\n", encoding="utf-8")
    assert changed_in_its_loop(Source(file)) == found


@pytest.mark.parametrize(
    ("function", "found"),
    [
        ("def serve(c, a):\n    c.sendall(b'')\n    c.close()", [8]),
        ("def serve(c, a):\n    with lock:\n        clients.append(c)", [8]),
        ("def serve(c, a):\n    with c:\n        c.sendall(b'')", []),
        ("def serve(c, a):\n    with suppress(OSError), closing(c):\n        c.sendall(b'')", []),
        ("def serve(c, a):\n    talk(c)\ndef talk(client):\n    with client:\n        pass", []),
        ("def serve(c, a):\n    stack.enter_context(c)", []),
        ("class serve(Thread):\n    def run(self):\n        with self.connection:\n            pass", []),
    ],
    ids=["close", "lock", "with", "closing", "handed on", "stack", "class"],
)
def test_a_connection_that_no_with_closes_is_found(tmp_path: Path, function: str, found: list[int]) -> None:
    file = tmp_path / "server.py"
    padding = "\n" * (5 - function.count("\n"))
    file.write_text(
        f"{function}{padding}\nwhile True:\n    connection, address = server.accept()\n"
        "    Thread(target=serve, args=(connection, address)).start()\n",
        encoding="utf-8",
    )
    assert accepted_without_with(Source(file)) == found


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
        (STARTED.replace("(connection,)", "(connection.dup(),)"), []),
        (STARTED.replace("Thread", "Process"), []),
        (f"{STARTED}    done.wait()\n", []),
        (
            "with socket() as connection:\n    while True:\n        Thread(target=serve, args=(connection,)).start()\n",
            [],
        ),
    ],
)
def test_a_with_that_ends_under_a_thread(tmp_path: Path, text: str, lines: list[int]) -> None:
    assert closed_under_a_thread(source(tmp_path, text)) == lines


LOOP = "while True:\n    connection, _ = server.accept()\n    {}\n"
START_IN_LOOP = "Thread(target=serve, args=(connection,)).start()"


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (f"{START_IN_LOOP}\n    connection.close()", [4]),
        (f"connection.close()\n    {START_IN_LOOP}", []),
        (f"{START_IN_LOOP}\n    other.close()", []),
        ("Process(target=serve, args=(connection,)).start()\n    connection.close()", []),
    ],
)
def test_a_close_that_follows_the_start_of_a_thread(tmp_path: Path, body: str, lines: list[int]) -> None:
    assert closed_after_a_start(source(tmp_path, LOOP.format(body))) == lines


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("continue", [3]),
        ("connection.close()", [3]),
        ("print(error)", []),
        ("logging.exception('no')", []),
        ("raise ValueError from None", []),
    ],
)
def test_an_except_that_hides_errors(tmp_path: Path, body: str, lines: list[int]) -> None:
    text = "while True:\n    try: f()\n    except Exception as error: BODY\n    except OSError: pass\n"
    assert hidden_errors(source(tmp_path, text.replace("BODY", body))) == lines


def test_a_suppress_that_hides_errors(tmp_path: Path) -> None:
    text = "with suppress(OSError): f()\nwith contextlib.suppress(BaseException): f()\n"
    assert suppressed_errors(source(tmp_path, text)) == [2]


@pytest.mark.parametrize(
    ("text", "sends"),
    [("s.makefile().read()", False), ("s.makefile('rw')", True), ("s.makefile(mode='w')", True), ("s.send(b'')", True)],
)
def test_what_makefile_returns_sends_if_it_is_opened_to_write(tmp_path: Path, text: str, sends: bool) -> None:
    assert source(tmp_path, text).sends == sends


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
