"""Compares replies with the expected ones, says what is wrong, and which requirement that breaks.

An expected reply is masked, see `oracle.masked`: ``{reason}``, ``{token}`` or ``{time}`` stands for any good value.
"""

from collections.abc import Mapping, Sequence

from conformance.as_client.observed import Malformed, Reply
from conformance.blame import blame
from conformance.expected.fields import OK_FIELDS, OTHER_FIELDS
from conformance.expected.oracle import masked, placeholder

_ALL_FIELDS = [field for fields in [*OK_FIELDS.values(), *OTHER_FIELDS.values()] for field in fields]

REQUIREMENTS = {field.name: field.requirement for field in _ALL_FIELDS if not field.is_argument and field.requirement}
"""The requirement that a wrong value breaks, by field-name. A wrong argument may break any."""

CHOICES = {placeholder(field): field.choice.words for field in _ALL_FIELDS if field.choice}
"""The values that a server may choose, in words, by what stands for them in an expected reply."""

_SHOWN = 60  # characters before and after the first difference


def require_reply(came: Reply | bytes, expected: bytes | None, prefix: str = "") -> None:
    """Raise AssertionError unless this reply came as expected; None: silence. `prefix` opens the message."""
    raw = came if isinstance(came, bytes) else came.raw
    if (good := masked(raw)) == expected:
        return
    prefix = f"{prefix}: " if prefix else ""
    assert expected is not None, f"{prefix}{_show(raw)} came; expected silence"
    problem = f"{prefix}{_show(raw, expected)} came; expected {_show(expected, raw)}"
    try:
        status, fields = Reply(good, 0.0).parse()
        expected_status, expected_fields = Reply(expected, 0.0).parse()
    except Malformed:
        error = AssertionError(f"{problem}; {_why_no_reply(raw)}")
        raise (blame(error, "REP-2") if b"\r\n" in raw else error) from None
    if status == expected_status and [*fields] == [*expected_fields]:
        _require_values(fields, expected_fields, prefix)
    if status == expected_status and {*fields} >= {*expected_fields}:
        raise blame(AssertionError(f"{problem}; it has other fields, or another order"), "REP-1")
    raise AssertionError(problem)


def _why_no_reply(raw: bytes) -> str:
    if _is_reply(raw.replace(b"\r\n", b"\n")):
        return "that is no reply: its lines end with CRLF"
    if _is_reply(raw + b"\n"):
        return "that is no reply: the empty line at its end is missing"
    if _is_reply(raw + b"\n\n"):
        return "that is no reply: its last line has no end, and the empty line is missing"
    return "that is no reply"


def _is_reply(raw: bytes) -> bool:
    try:
        Reply(raw, 0.0).parse()
    except Malformed:
        return False
    return True


def require_fields(came: Reply, expected: Mapping[str, str]) -> None:
    """Raise AssertionError unless the reply has these fields; it may have others."""
    _, fields = came.parse()
    missing = [name for name in expected if name not in fields]
    assert not missing, f"{_show(came.raw)} came, without {', '.join(missing)}"
    _require_values(fields, expected, "")


def require_status(came: Reply, *expected: str) -> None:
    """Raise AssertionError unless the reply has one of these statuses."""
    assert came.status in expected, f"{_show(came.raw)} came; expected {' or '.join(expected)}"


def require_replies(came: Sequence[bytes | None], expected: Sequence[bytes | None]) -> None:
    """Raise AssertionError unless these replies came as expected, in this order; None is silence."""
    for number, (raw, reply) in enumerate(zip(came, expected, strict=False), 1):
        prefix = f"reply {number} of {len(expected)}" if len(expected) > 1 else ""
        if raw is None:
            assert reply is None, f"{prefix}: nothing came; expected {_show(reply)}".removeprefix(": ")
        else:
            require_reply(raw, reply, prefix)
    missing = f"only {len(came)} of {len(expected)} replies came"
    assert len(came) >= len(expected), f"{missing}; expected next: {_show(expected[len(came)] or b'')}"
    assert len(came) <= len(expected), f"more than {len(expected)} replies came: {_show(came[len(expected)] or b'')}"


def require_whole(replies: Sequence[bytes], expected: bytes, count: int) -> None:
    """Raise AssertionError unless `count` equal requests got as many good replies; a cut reply breaks no field."""
    whole = list(replies).count(expected)
    others = len(replies) - whole
    assert (whole, others) == (count, 0), f"{whole} whole replies to {count} requests, and {others} others"


def _require_values(fields: Mapping[str, str], expected: Mapping[str, str], prefix: str) -> None:
    for name, value in expected.items():
        if (came := fields[name]) != value:
            wanted = CHOICES.get(value) or repr(_excerpt(value, came))
            error = AssertionError(f"{prefix}{name} is {_excerpt(came, value)!r}; expected {wanted}")
            if came == f"{value}\r":  # that of the request's CRLF
                blame(error, "REQ-3")
            elif (name, came) == ("code", "too-long"):  # it would come first
                blame(error, "REQ-4")
            elif name in REQUIREMENTS:
                blame(error, REQUIREMENTS[name])
            raise error


def _show(raw: bytes, other: bytes = b"") -> str:
    """Return a reply as text, cut to what is around its first difference from another one."""
    text, beside = raw.decode("utf-8", "backslashreplace"), other.decode("utf-8", "backslashreplace")
    return repr(_excerpt(text, beside)).replace("\\\\x", "\\x")


def _excerpt(text: str, other: str) -> str:
    """Return what is around the first difference from another text."""
    first = next((at for at, (one, two) in enumerate(zip(text, other, strict=False)) if one != two), len(other))
    start, end = max(0, first - _SHOWN), first + _SHOWN
    return "…" * (start > 0) + text[start:end] + "…" * (end < len(text))
