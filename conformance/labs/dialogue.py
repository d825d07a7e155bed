"""Programs that ask for more than the message: a menu, a host, a port, a yes. They are answered as a person would."""

import re
from collections.abc import Callable

from conformance.labs.console import Console
from conformance.timing import SCALE

MOST = 8
"""Questions that are answered; a program that asks more is left alone."""

SETTLED = 0.2 * SCALE
"""Seconds without a new word, after which a question is taken to be complete."""

_ENTRY = re.compile(r"(?:^|(?<=[\s,;(/\[]))(\d\d?|[^\W\d_])\s*[\]).:=–—-]+\s*([^\W\d][^\n,;/\[(]*)", re.MULTILINE)
_SENDING = (
    re.compile(r"send|echo|start|отправ|посл|эхо|начать", re.IGNORECASE),  # English, Russian
    re.compile(r"\b(all|everything|вс[её])\b", re.IGNORECASE),
    re.compile(r"messag|text|time|сообщ|текст|врем", re.IGNORECASE),
)
"""What an entry of a menu has in it that sends something: the first of these that any of them has."""

_HOW_MANY = re.compile(r"how (many|old)|number of|\bage\b|\bвозраст|\bсколько|\bколичеств|\bчисло", re.IGNORECASE)
_MESSAGE = re.compile(r"messag|text|сообщ|текст|строк", re.IGNORECASE)
_PORT = re.compile(r"\bport\b|\bпорт", re.IGNORECASE)
_USUAL_PORT = re.compile(r"[\[(=:][^\d\n]*(\d{4,5})[\])]")
_HOST = re.compile(r"\bhost|\bip\b|\baddress|\bserver name|\bхост|\bадрес|\bимя сервера", re.IGNORECASE)
_ENTER = re.compile(r"(press|hit|нажм).*\b(enter|return|key|ввод|клавиш)", re.IGNORECASE)
_ANY_QUESTION = re.compile(r"[:?>]\s*$")
_WHO = re.compile(r"name|\bnick|\blogin|\bимя|\bник|\bлогин|\bзовут", re.IGNORECASE)
_CONSENT = re.compile(r"[(\[](y|yes|д|да)/", re.IGNORECASE)


def shows_menu(text: str) -> bool:
    """Return whether a text has a menu: two entries or more, each with a number or a letter to choose it by."""
    return len({key for key, _ in _ENTRY.findall(text)}) > 1


def answer(question: str, message: str | None, name: str | None, address: tuple[str, int]) -> str | None:
    """Return what is typed when a program has printed this; None: it is no question that is known.

    `address` is the server's, host and port. Of a menu, the entry is chosen that sends something, or does all that
    there is to be done. `message` is None for a server: it is asked for none, and gets the port that its question
    names, if it names one.
    """
    if shows_menu(question):
        entries: list[tuple[str, str]] = _ENTRY.findall(question)
        return next((key for kind in _SENDING for key, title in entries if kind.search(title)), entries[0][0])
    prompt = question.rstrip().rpartition("\n")[2]
    if consent := _CONSENT.search(prompt):
        return consent[1]
    if message is not None and _HOW_MANY.search(prompt):
        return "1"
    if _MESSAGE.search(prompt):
        return message
    if message is not None and _ENTER.search(prompt):
        return ""
    if _PORT.search(prompt):
        usual = _USUAL_PORT.search(prompt) if message is None else None
        return usual[1] if usual else str(address[1])
    if _HOST.search(prompt):
        return address[0]
    return name if _WHO.search(prompt) else None


def converse(
    asking: Console,
    message: str | None,
    address: tuple[str, int],
    is_done: Callable[[], bool],
    wait: float,
    *,
    name: str | None = None,
) -> None:
    """Answer what a program asks until `is_done`, or until it has printed nothing new for `wait` seconds.

    A client gets its message also if it asks for nothing that is known, and again if it asks for something more.
    `name` is what is typed where a name is asked for, if that is not the message.
    """
    has_sent, seen = False, ""
    for _ in range(MOST):
        if not asking.wait_for(lambda: is_done() or asking.screen() != seen, wait) or is_done():  # noqa: B023
            return
        before, seen = seen, asking.screen()
        while asking.wait_for(lambda: asking.screen() != seen, SETTLED):  # noqa: B023
            seen = asking.screen()
        typed = answer(seen[len(before) :], message, message if name is None else name, address)
        if typed is None and (not has_sent or _ANY_QUESTION.search(seen)):
            typed = message
        if typed is not None:
            asking.type(typed)
            has_sent = has_sent or typed == message
