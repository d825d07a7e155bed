"""Servers that get text wrong."""

from typing import Any

from conformance.broken import fault, wrap
from spec import echo


@fault("ECHO-3", service="echo")
def reverses_bytes() -> None:
    """reverses bytes, not code points"""

    @wrap(echo, "_transformed")
    def transformed(good: Any, message: str) -> str:
        reply: str = good(message)
        backwards = message.encode()[::-1].decode(errors="replace")
        return reply.replace(f"reversed: {message[::-1]}\n", f"reversed: {backwards}\n")
