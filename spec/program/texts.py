"""The messages or the name that a client sends: SPEC.md, CLI-4, CLI-5 and CLI-8."""

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, Queue
from threading import Thread
from typing import BinaryIO

from spec.codec import RequestError, check_message, check_name
from spec.limits import MESSAGE_BYTES
from spec.message import Message, message_of
from spec.options import ClientOptions
from spec.program.language import translated, translator
from spec.program.system import ATTENTION


def read_texts(options: ClientOptions, reject: Callable[[str], object]) -> Iterator[str]:
    """Yield each text to send: MESSAGE or NAME if given, else a terminal's answer or each line of standard input.

    ``reject`` is called with the reason for each text that breaks the rules, and if there is no text at all.
    """
    if options.text is not None:
        yield options.text
        return
    number = 0
    for number, line in enumerate(_lines(options.service), 1):
        try:
            yield checked_text(options.service, line)
        except ValueError as error:
            reject(Message("line {number}: {problem}", number=number, problem=message_of(error)))
        if options.service == "time":
            return
    if not number:
        reject(Message("no message") if options.service == "echo" else Message("no name"))


def _lines(service: str) -> Iterator[bytes]:
    if not sys.stdin.isatty():
        yield from (line.removesuffix(b"\n").removesuffix(b"\r") for line in _read_lines(sys.stdin.buffer))
        return
    prompting = sys.stdout.isatty()  # CLI-5
    line = b""
    try:
        if prompting:
            prompt = Message("your message: ") if service == "echo" else Message("your name: ")
            print(translated(prompt, translator(sys.stdout)), end="", flush=True)
        line = sys.stdin.buffer.readline()
    finally:
        if prompting and not line:
            print()  # after Ctrl-C or Ctrl-D the cursor still stands behind the prompt
    if line:
        yield line.removesuffix(b"\n").removesuffix(b"\r")


def checked_text(service: str, encoded: bytes) -> str:
    """Return a message or name. Raises ValueError for one that a server would refuse."""
    if service == "echo" and len(encoded) > MESSAGE_BYTES:
        raise ValueError(Message("a message is at most {limit} bytes", limit=MESSAGE_BYTES))
    try:
        text = encoded.decode()
        (check_message if service == "echo" else check_name)(text)
    except UnicodeDecodeError:
        raise ValueError(Message("not well-formed UTF-8")) from None
    except RequestError as error:
        raise ValueError(Message("{code}: {reason}", code=error.code, reason=error.reason)) from None
    return text


def _read_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file, such as a pipe, until it ends or fails. A thread reads: the main one heeds signals."""
    try:
        number = file.fileno()
    except OSError:  # it is no file of the system, so nobody has to wait for it
        yield from file
        return
    lines: Queue[bytes] = Queue(1)

    def read() -> None:
        with suppress(OSError), open(number, "rb", closefd=False) as own:  # whose lock no one wants at the end
            for line in own:
                lines.put(line)
        lines.put(b"")

    Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=ATTENTION)
        except Empty:
            continue
        if not line:
            return
        yield line
