"""The echo service: SPEC.md, section 7."""

from hashlib import sha256

from spec.codec import check_message

VERB = "ECHO"


def echo_datagram(message: str) -> bytes:
    """Return the reply over UDP. Raises RequestError, bad-character, for a message that breaks TEXT-1."""
    check_message(message)
    return f"{_transformed(message)}\n".encode()


def echo_line(message: str) -> bytes:
    """Return the reply over TCP, with its addition (ECHO-6, ECHO-7). Raises as ``echo_datagram``."""
    check_message(message)
    encoded = message.encode()
    addition = f"bytes: {len(encoded)}\nsha256: {sha256(encoded).hexdigest()}\n"
    return f"{_transformed(message)}{addition}\n".encode()


def _transformed(message: str) -> str:
    # ECHO-2 to ECHO-5; str counts, reverses and upper-cases code points, which is what the protocol means by characters
    return f"OK\nmessage: {message}\nreversed: {message[::-1]}\nupper: {message.upper()}\nlength: {len(message)}\n"
