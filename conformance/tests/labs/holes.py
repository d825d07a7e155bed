"""The skeletons of ``sockspec init``, completed."""

import re
import socket
from pathlib import Path

from conformance.labs.exercises import EXERCISES

_ANSWER = 'answer = f"{message}\\n{message[::-1]}\\n{message.upper()}\\n{len(message)}"'
_WHO, _MESSAGE, _TEXT = 'print("+", address)', "message = data.decode()", "text = data.decode()"
_TIME, _LINE = 'text = f"{name} {now}"', 'print(line, end="")'
_THREAD = "threading.Thread(target={function}, args=({arguments}, address), daemon=True).start()"

FILLED = {
    1: ([_WHO, _MESSAGE, _ANSWER], [_TEXT]),
    2: ([_TIME, _THREAD.format(function="send_time", arguments="name")], [_TEXT]),
    3: ([_WHO, _MESSAGE, _ANSWER], [_TEXT]),
    4: ([_ANSWER, 'addition = f"words: {len(message.split())}"'], ["text = lines.read()"]),
    5: ([_TIME, _THREAD.format(function="serve", arguments="connection")], [_LINE]),
    6: ([_MESSAGE, _ANSWER], [_TEXT]),
    7: ([_TIME, 'self.request.sendall((text + "\\n").encode())'], [_LINE]),
}
"""What completes the holes of the server and of the client, in their order: a line each."""


def take_free_port(number: int, directory: Path) -> None:
    """Give the two programs of an exercise, in whose skeletons a port is written, one that is free."""
    kind = socket.SOCK_STREAM if EXERCISES[number].transport == "tcp" else socket.SOCK_DGRAM
    with socket.socket(type=kind) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    for file in directory / "server.py", directory / "client.py":
        text = file.read_text(encoding="utf-8")
        assert text.count(f" 500{number})") == 1
        file.write_text(text.replace(f" 500{number})", f" {port})"), encoding="utf-8")


def complete(number: int, directory: Path) -> None:
    """Put a line where each hole is; a hole is a line of its own, but for what it is indented by."""
    for name, lines in zip(("server.py", "client.py"), FILLED[number], strict=True):
        text = (directory / name).read_text(encoding="utf-8")
        holes = re.findall(r"^ *((?:\S.*?)?\.\.\..*# TODO: .*)$", text, re.MULTILINE)
        assert len(holes) == len(lines) == text.count("# TODO")
        for hole, line in zip(holes, lines, strict=True):
            text = text.replace(hole, line, 1)
        (directory / name).write_text(text, encoding="utf-8")
