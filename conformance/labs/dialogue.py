"""A client that asks for more than the message: a menu, a host, a port, a yes. It is answered as a person would."""

import re
from collections.abc import Callable

from conformance.labs.console import Console
from conformance.timing import SCALE

MOST = 8
"""Questions that are answered; a client that asks more is left alone."""

SETTLED = 0.2 * SCALE
"""Seconds without a new word, after which a question is taken to be complete."""

_ENTRY = re.compile(r"(?:^|(?<=[\s,;(/\[]))(\d\d?|[^\W\d_])\s*[\]).:=–—-]+\s*([^\W\d][^\n,;/\[(]*)", re.MULTILINE)
_SENDING = re.compile(
    r"send|echo|messag|text|time|start|отправ|посл|сообщ|эхо|текст|врем|начать", re.IGNORECASE
)  # English, Russian
_MESSAGE = re.compile(r"messag|text|name|сообщ|текст|строк|имя", re.IGNORECASE)
_PORT = re.compile(r"\bport\b|\bпорт", re.IGNORECASE)
_HOST = re.compile(r"\bhost|\bip\b|\baddress|\bхост|\bадрес", re.IGNORECASE)
_CONSENT = re.compile(r"[(\[](y|yes|д|да)/", re.IGNORECASE)


def shows_menu(text: str) -> bool:
    """Return whether a text has a menu: two entries or more, each with a number or a letter to choose it by."""
    return len({key for key, _ in _ENTRY.findall(text)}) > 1


def answer(question: str, message: str, address: tuple[str, int]) -> str | None:
    """Return what is typed when a client has printed this; None: it is no question that is known.

    `address` is the server's, host and port. Of a menu, the entry is chosen that sends something.
    """
    if shows_menu(question):
        entries: list[tuple[str, str]] = _ENTRY.findall(question)
        return next((key for key, title in entries if _SENDING.search(title)), entries[0][0])
    prompt = question.rstrip().rpartition("\n")[2]
    if consent := _CONSENT.search(prompt):
        return consent[1]
    if _MESSAGE.search(prompt):
        return message
    if _PORT.search(prompt):
        return str(address[1])
    return address[0] if _HOST.search(prompt) else None


def converse(client: Console, message: str, address: tuple[str, int], is_done: Callable[[], bool], wait: float) -> None:
    """Answer what a client asks until `is_done`, or until it has printed nothing new for `wait` seconds."""
    has_sent, seen = False, ("", "")
    for _ in range(MOST):
        if not client.wait_for(lambda: is_done() or _screen(client) != seen, wait) or is_done():  # noqa: B023
            return
        question = _new(client, seen)
        while client.wait_for(lambda: _new(client, seen) != question, SETTLED):  # noqa: B023
            question = _new(client, seen)
        seen = _screen(client)
        typed = answer(question, message, address)
        if typed is None and not has_sent:
            typed = message
        if typed is not None:
            client.type(typed)
            has_sent = has_sent or typed == message


def _screen(client: Console) -> tuple[str, str]:
    return client.text, client.program.unfinished_error


def _new(client: Console, seen: tuple[str, str]) -> str:
    """Return what is new on both streams; ``input`` writes its prompt to standard error."""
    return "\n".join(now[len(before) :] for now, before in zip(_screen(client), seen, strict=True))
