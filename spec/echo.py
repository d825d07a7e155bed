"""The echo service: SPEC.md, section 7."""

from hashlib import sha256

from spec.codec import check_message

VERB = "ECHO"


def echo_datagram(message: str) -> bytes:
    """Return the reply over UDP. Raises RequestError, bad-character, for a message that breaks TEXT-1."""
    check_message(message)
    return _reply(message)


def echo_line(message: str) -> bytes:
    """Return the reply over TCP, with its addition (ECHO-6, ECHO-7). Raises as ``echo_datagram``."""
    check_message(message)
    encoded = message.encode()
    return _reply(message, f"bytes: {len(encoded)}\nsha256: {sha256(encoded).hexdigest()}\n")


def _reply(message: str, addition: str = "") -> bytes:
    # ECHO-2 to ECHO-5; str counts, reverses and upper-cases code points, which is what the protocol means by characters
    return (
        f"OK\nmessage: {message}\nreversed: {message[::-1]}\nupper: {message.upper()}\nlength: {len(message)}\n"
        f"{addition}\n"
    ).encode()
