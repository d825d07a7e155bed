"""Tokens: how a UDP client proves its address before the server keeps anything about it. SPEC.md, section 9."""

import hmac

from spec.address import Address
from spec.limits import TOKEN_BITS, TOKEN_INTERVALS, TOKEN_SECONDS


class Tokens:
    """Issues and checks tokens. A token is a MAC over the address and a slot of time, so the server stores nothing.

    The secret is 16 or more random bytes, the interval that of the ticks, ``now`` a monotonic clock, both in seconds.
    """

    def __init__(self, secret: bytes, interval: float) -> None:
        self._secret = secret
        self._slot_seconds = max(TOKEN_INTERVALS * interval, TOKEN_SECONDS)

    def issue(self, address: Address, now: float) -> str:
        """Return the token of that address in the current slot: TOKEN_BITS as hexadecimal digits (LEASE-2, LEASE-3)."""
        return self._token(address, self._slot(now))

    def accepts(self, token: str, address: Address, now: float) -> bool:
        """Whether the token was issued to that address in this slot or the one before (LEASE-4 to LEASE-6)."""
        slot = self._slot(now)
        given = token.encode()
        return any(hmac.compare_digest(given, self._token(address, s).encode()) for s in (slot, slot - 1))

    def _slot(self, now: float) -> int:
        return int(now // self._slot_seconds)

    def _token(self, address: Address, slot: int) -> str:
        host, port = address[:2]
        return hmac.digest(self._secret, f"{host} {port} {slot}".encode(), "sha256")[: TOKEN_BITS // 8].hex()
