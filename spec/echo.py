"""The echo service: SPEC.md, section 7."""

from hashlib import sha256

from spec.codec import check_message
from spec.replies import ECHOED_OVER_TCP, ECHOED_OVER_UDP

# The text before each value and after the last: each request joins them, which is faster than ReplyForm.build()
_MESSAGE, _REVERSED, _UPPER, _LENGTH, _END = ECHOED_OVER_UDP.template.split("%s")
_BYTES, _SHA256 = ECHOED_OVER_TCP.template.split("%s")[len(ECHOED_OVER_UDP.fields) : -1]


def echo_datagram(message: str) -> bytes:
    """Return the reply over UDP. Raises RequestError, bad-character, for a message that breaks TEXT-1."""
    check_message(message)
    return _reply(message, _END)


def echo_line(message: str) -> bytes:
    """Return the reply over TCP, with size and hash (ECHO-6, ECHO-7). Raises RequestError as ``echo_datagram`` does."""
    check_message(message)
    encoded = message.encode()
    return _reply(message, f"{_BYTES}{len(encoded)}{_SHA256}{sha256(encoded).hexdigest()}{_END}")


def _reply(message: str, end: str) -> bytes:
    # ECHO-2 to ECHO-5: str counts, reverses and upper-cases code points, and these are the protocol's characters
    parts = (_MESSAGE, message, _REVERSED, message[::-1], _UPPER, message.upper(), _LENGTH, str(len(message)), end)
    return "".join(parts).encode()
