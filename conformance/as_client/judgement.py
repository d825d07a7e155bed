"""Whether the replies that came are those that are owed; if not, what is wrong with them, and what that is about.

What is owed is given as `oracle.masked` gives it: with ``{reason}``, ``{token}`` or ``{time}`` for any good value.
"""

from collections.abc import Mapping, Sequence

from conformance.as_client.peers import Malformed, Reply
from conformance.blame import blame
from conformance.expected.oracle import masked
from spec.limits import REASON_CHARACTERS, TOKEN_CHARACTERS

FIELDS = {
    "reversed": "ECHO-3",
    "upper": "ECHO-4",
    "length": "ECHO-5",
    "bytes": "ECHO-6",
    "sha256": "ECHO-7",
}
"""What a wrong field is about, where the message came back as it went."""

OF_CHOICE = {
    "{reason}": f"1 to {REASON_CHARACTERS} printable ASCII characters",
    "{token}": f"1 to {TOKEN_CHARACTERS} visible ASCII characters",
    "{time}": "UTC as in 2026-11-23T09:00:00.000Z",
}

_SHOWN = 60  # characters before and after the first difference


def require_reply(came: Reply | bytes, due: bytes | None, told: str = "") -> None:
    """Raise AssertionError unless the reply is the one that is owed; what is `told` opens the message."""
    raw = came if isinstance(came, bytes) else came.raw
    if (good := masked(raw)) == due:
        return
    told = f"{told}: " if told else ""
    assert due is not None, f"{told}{_show(raw)} came where silence is due"
    problem = f"{told}{_show(raw, due)} came; due is {_show(due, raw)}"
    try:
        (status, fields), (due_status, due_fields) = Reply(good, 0.0).parse(), Reply(due, 0.0).parse()
    except Malformed:
        raise AssertionError(f"{problem}; that is no reply") from None
    if status == due_status and [*fields] == [*due_fields]:
        _require_fields(fields, due_fields, told)
    raise AssertionError(problem)


def require_fields(came: Reply, due: Mapping[str, str]) -> None:
    """Raise AssertionError unless the reply has these fields; it may have others."""
    _, fields = came.parse()
    missing = [name for name in due if name not in fields]
    assert not missing, f"{_show(came.raw)} came, without {', '.join(missing)}"
    _require_fields(fields, due, "")


def require_status(came: Reply, *due: str) -> None:
    """Raise AssertionError unless the reply has one of these statuses."""
    assert came.status in due, f"{_show(came.raw)} came; due is {' or '.join(due)}"


def require_replies(came: Sequence[bytes | None], due: Sequence[bytes | None]) -> None:
    """Raise AssertionError unless each reply is the one that is owed, in their order; None is silence."""
    for number, (raw, owed) in enumerate(zip(came, due, strict=False), 1):
        told = f"reply {number} of {len(due)}" if len(due) > 1 else ""
        if raw is None:
            assert owed is None, f"{told}: nothing came; due is {_show(owed)}".removeprefix(": ")
        else:
            require_reply(raw, owed, told)
    assert len(came) >= len(due), f"only {len(came)} of {len(due)} replies came; next is {_show(due[len(came)] or b'')}"
    assert len(came) <= len(due), f"more than {len(due)} replies came: {_show(came[len(due)] or b'')}"


def _require_fields(fields: Mapping[str, str], due: Mapping[str, str], told: str) -> None:
    for name, value in due.items():
        if (came := fields[name]) != value:
            wanted = OF_CHOICE.get(value) or repr(_excerpt(value, came))
            error = AssertionError(f"{told}{name} is {_excerpt(came, value)!r}; due is {wanted}")
            if name in FIELDS:
                blame(error, FIELDS[name])
            raise error


def _show(raw: bytes, other: bytes = b"") -> str:
    text, beside = raw.decode("utf-8", "backslashreplace"), other.decode("utf-8", "backslashreplace")
    return repr(_excerpt(text, beside))


def _excerpt(text: str, other: str) -> str:
    """Return what is around the first difference."""
    first = next((at for at, (one, two) in enumerate(zip(text, other, strict=False)) if one != two), len(other))
    start, end = max(0, first - _SHOWN), first + _SHOWN
    return "…" * (start > 0) + text[start:end] + "…" * (end < len(text))
