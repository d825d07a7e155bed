"""Tokens: SPEC.md, section 9."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spec.limits import (
    TOKEN_BITS,
    TOKEN_CHARACTERS,
    TOKEN_INTERVALS,
    TOKEN_INTERVALS_END,
    TOKEN_SECONDS,
    TOKEN_SECONDS_END,
)
from spec.tests.support import CLIENT, NOW, SECRET
from spec.tokens import Tokens

INTERVAL = 0.25
moments = st.integers(0, 2**20).map(lambda n: n / 64)


@given(moments, st.integers(0, 64 * 10), st.sampled_from([0.01, INTERVAL]))
def test_a_token_is_valid_for_its_time_and_no_longer(issued: float, age: int, interval: float) -> None:
    """LEASE-5, LEASE-6; between the two bounds a server is free."""
    tokens = Tokens(SECRET, interval)
    token, now = tokens.issue(CLIENT, issued), issued + age / 64
    if age / 64 <= max(TOKEN_INTERVALS * interval, TOKEN_SECONDS):
        assert tokens.accepts(token, CLIENT, now)
    elif age / 64 >= max(TOKEN_INTERVALS_END * interval, TOKEN_SECONDS_END):
        assert not tokens.accepts(token, CLIENT, now)


def test_a_token_is_good_for_its_address_and_secret_alone() -> None:
    """LEASE-4, LEASE-6: another port, another host, a server that has restarted."""
    tokens = Tokens(SECRET, INTERVAL)
    token = tokens.issue(CLIENT, NOW)
    assert tokens.accepts(token, CLIENT, NOW)
    for address in (("127.0.0.1", 50313), ("127.0.0.2", 50312), ("127.0.0.15", 312), ("::1", 50312, 0, 0)):
        assert not tokens.accepts(token, address, NOW)
    assert not Tokens(bytes(16), INTERVAL).accepts(token, CLIENT, NOW)
    assert Tokens(SECRET, INTERVAL).accepts(token, CLIENT, NOW), "nothing needs to be stored"


@pytest.mark.parametrize(
    "change", [str.upper, str.swapcase, lambda token: token[:-1], lambda token: token + "0", lambda token: ""]
)
def test_a_changed_token_is_worthless(change: object) -> None:
    """LEASE-1."""
    assert callable(change)
    tokens = Tokens(SECRET, INTERVAL)
    token = next(token for port in range(99) if (token := tokens.issue(("::1", port), NOW)).upper() != token)
    port = next(port for port in range(99) if tokens.issue(("::1", port), NOW) == token)
    assert tokens.accepts(token, ("::1", port), NOW)
    assert not tokens.accepts(change(token), ("::1", port), NOW)


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_any_text_is_refused_without_an_error(text: str) -> None:
    """LEASE-1."""
    assert not Tokens(SECRET, INTERVAL).accepts(text, CLIENT, NOW)


def test_tokens_have_their_form_and_all_their_bits() -> None:
    """LEASE-2, LEASE-3: no bit is constant, or the same as another or its opposite."""
    issued = [Tokens(SECRET, INTERVAL).issue(("127.0.0.1", port), NOW) for port in range(200)]
    assert all(
        1 <= len(token) <= TOKEN_CHARACTERS and all("!" <= character <= "~" for character in token) for token in issued
    )
    values = [int(token, 16) for token in issued]
    assert len(set(values)) == len(values)
    bits = [tuple(value >> bit & 1 for value in values) for bit in range(TOKEN_BITS)]
    assert all(0 < sum(bit) < len(bit) for bit in bits)
    assert len({min(bit, tuple(1 - value for value in bit)) for bit in bits}) == TOKEN_BITS
