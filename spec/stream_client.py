"""Clients over TCP: SPEC.md, sections 5 and 13."""

from abc import abstractmethod

from spec.client import (
    Client,
    Print,
    TickPrinter,
    malformed,
    parse_tick,
    patience,
    require,
    subscribed_interval,
    unexpected,
)
from spec.codec import ECHO, TIME, Reply, ReplyError, build_request, parse_reply
from spec.limits import REPLY_BYTES
from spec.message import Message
from spec.options import ClientOptions
from spec.replies import ECHOED_OVER_TCP, SUBSCRIBED_OVER_TCP


class StreamClient(Client):
    """A client on a TCP connection."""

    def __init__(self, options: ClientOptions, url: str, show: Print, complain: Print) -> None:
        super().__init__(options, url, show, complain)
        self._received = b""
        self.connect()

    def receive(self, data: bytes, now: float) -> bytes:
        """Take bytes from the server; no bytes mean the end of the stream."""
        if not data:
            self.fail(Message("the server closed the connection"))
            return b""
        self._received += data
        try:
            while self.waiting and (end := self._received.find(b"\n\n")) >= 0:
                reply, self._received = self._received[: end + 2], self._received[end + 2 :]
                self._take(parse_reply(reply), now)
            if self.waiting and len(self._received) > REPLY_BYTES:
                raise ReplyError(Message("longer than {limit} bytes", limit=REPLY_BYTES))
        except ReplyError as error:
            self.fail(malformed(error))
        return self.wake(now)

    def unreachable(self, reason: str) -> None:
        """Call this when the socket reports an error, with the reason in words for the user."""
        self.fail(Message("the connection broke: {reason}", reason=reason))

    @abstractmethod
    def _take(self, reply: Reply, now: float) -> None:
        """Take one reply. Raises ReplyError if it is malformed."""


class EchoStreamClient(StreamClient):
    """Sends messages, one after the other."""

    def __init__(self, options: ClientOptions, url: str, show: Print, complain: Print) -> None:
        super().__init__(options, url, show, complain)
        self._message = ""

    def _request_for(self, text: str, now: float) -> bytes:
        self._message = text
        return build_request(ECHO, text)

    def _take(self, reply: Reply, now: float) -> None:
        if reply.status == "ERR":
            self._refuse(reply)
        elif reply.status != "OK":
            raise unexpected(reply)
        elif require(reply, "message") != [self._message]:
            raise ReplyError(Message("another message than was sent"))
        else:
            self._answer(reply, ECHOED_OVER_TCP)


class TimeStreamClient(StreamClient):
    """Subscribes under a name and prints ticks."""

    def __init__(self, options: ClientOptions, url: str, show: Print, complain: Print) -> None:
        super().__init__(options, url, show, complain)
        self._patience = options.timeout
        self._ticks = TickPrinter(show, lambda tick, last: tick.seq > last.seq)

    def _request_for(self, text: str, now: float) -> bytes:
        return build_request(TIME, text)

    def _take(self, reply: Reply, now: float) -> None:
        if reply.status == "ERR":
            self._refuse(reply)
        elif reply.status == "OK" and not self.subscribed:
            self._patience = patience(self._options, subscribed_interval(reply, SUBSCRIBED_OVER_TCP))
            self.subscribed = True
        elif reply.status == "TICK" and self.subscribed:
            printed = self._ticks.printed
            self._ticks.take(parse_tick(reply))
            self.waiting = self._ticks.printed != self._options.ticks
            if self._ticks.printed == printed:
                return  # CLI-7: one that is not newer is no sign of life
        else:
            raise unexpected(reply)
        self._give_up = now + self._patience


def open_stream_client(options: ClientOptions, url: str, show: Print, complain: Print) -> StreamClient:
    """Return the client for a connection that was just made. The arguments are those of ``Client``."""
    kind = EchoStreamClient if options.service == "echo" else TimeStreamClient
    return kind(options, url, show, complain)
