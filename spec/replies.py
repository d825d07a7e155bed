"""Every reply and every field of one, in one place: SPEC.md, sections 7 to 10.

Servers build replies from these forms; clients check and print by them. A new field is one entry in ``FIELDS``, and its
name in each reply that has it.
"""

from spec.limits import TOKEN_CHARACTERS

_WHOLE_NUMBER = "(0|[1-9][0-9]{0,15})"
_SECONDS = r"(0|[1-9][0-9]{0,8})(\.[0-9]{0,8}[1-9])?"
_TEXT = ".*"
_TEXT_WITHOUT_TAB = r"[^\t]*"

FIELDS = {
    "message": _TEXT,
    "reversed": _TEXT,
    "upper": _TEXT,
    "length": _WHOLE_NUMBER,
    "bytes": _WHOLE_NUMBER,
    "sha256": "[0-9a-f]{64}",
    "name": _TEXT,
    "interval": _SECONDS,
    "lease": _SECONDS,
    "time": r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z",
    "seq": "[1-9][0-9]{0,15}",
    "token": f"[\x21-\x7e]{{1,{TOKEN_CHARACTERS}}}",
    "code": _TEXT_WITHOUT_TAB,
    "reason": _TEXT_WITHOUT_TAB,
}
"""The form of each field's value: a regular expression for all of it."""


class ReplyForm:
    """The form of one reply: its status and the names of its fields, in order (REP-1)."""

    def __init__(self, status: str, *fields: str) -> None:
        self.status = status
        self.fields = fields
        self.template = build_reply(status, *((name, "%s") for name in fields)).decode()
        """The reply's text, with ``%s`` for each value."""

    def build(self, *values: object) -> bytes:
        """Return the reply with these values, one for each field."""
        return (self.template % values).encode()


def build_reply(status: str, *fields: tuple[str, object]) -> bytes:
    """Return a reply: status line, fields in the order given, empty line (REP-1, REP-2)."""
    lines = [status, *(f"{name}: {value}" for name, value in fields)]
    return ("\n".join(lines) + "\n\n").encode()


ECHOED_OVER_UDP = ReplyForm("OK", "message", "reversed", "upper", "length")  # ECHO-1
ECHOED_OVER_TCP = ReplyForm("OK", *ECHOED_OVER_UDP.fields, "bytes", "sha256")  # ECHO-1
SUBSCRIBED_OVER_TCP = ReplyForm("OK", "name", "interval")  # TIME-2
SUBSCRIBED_OVER_UDP = ReplyForm("OK", *SUBSCRIBED_OVER_TCP.fields, "lease")  # TIME-2
TICK = ReplyForm("TICK", "name", "time", "seq")  # TIME-4
CHALLENGE = ReplyForm("CHALLENGE", "token")  # LEASE-1
ERROR = ReplyForm("ERR", "code", "reason")  # ERR-1

FORMS = (ECHOED_OVER_UDP, ECHOED_OVER_TCP, SUBSCRIBED_OVER_TCP, SUBSCRIBED_OVER_UDP, TICK, CHALLENGE, ERROR)
STATUSES = {form.status for form in FORMS}
