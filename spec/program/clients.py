"""What each client program does with its client, whatever the transport: SPEC.md, CLI-4, CLI-6 and CLI-7."""

from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeAlias, TypeVar

from spec.address import Address, format_url
from spec.client import Client, Print
from spec.message import Message
from spec.options import UNREACHABLE, ClientOptions
from spec.program.output import complain, explain, fail, show
from spec.program.signals import Stopped, heed_no_signal, stop_on_signal
from spec.program.system import ATTENTION, LONGEST_TIMEOUT, monotonic
from spec.program.texts import read_texts

AnyClient = TypeVar("AnyClient", bound=Client)
OpenClient: TypeAlias = Callable[[ClientOptions, str, Print, Print], AnyClient]
"""``open_datagram_client`` or ``open_stream_client``."""

Place = TypeVar("Place")
Result = TypeVar("Result")


class ClientRun:
    """One run of a client program: its options, and the texts that it has still to send."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._text: str | None = None
        self._clients: list[Client] = []
        self._texts = read_texts(options, lambda reason: self._clients[0].reject(reason))

    def open(self, open_client: OpenClient[AnyClient], address: Address) -> AnyClient:
        """Return the client for a socket that was just connected to that address."""
        url = format_url(self._options.service, self._options.transport, address)
        client = open_client(self._options, url, show, complain)
        for before in self._clients:
            client.status = before.status
        self._clients = [client]
        return client

    def ask(self, client: Client, exchange: Callable[[bytes], object]) -> int:
        """Ask the server about each text in turn, until all are answered or a signal comes; return the exit status.

        ``exchange`` gets a request, sends it and goes on until the client is no longer ``waiting``. If it raises
        OSError, so does this, and the text is kept for the next address.
        """
        try:
            for text in self._texts_left():
                exchange(client.ask(text, monotonic()))
                if client.over:
                    break
            heed_no_signal()
        except Stopped:
            client.stop()
        return client.status

    def _texts_left(self) -> Iterator[str]:
        while (text := next(self._texts, None) if self._text is None else self._text) is not None:
            self._text = text
            yield text
            self._text = None


def run_client(
    options: ClientOptions,
    look_up: Callable[[], Sequence[Place]],
    talk: Callable[[Place, float, ClientRun], int],
) -> int:
    """Look up the server's addresses, then talk to the first one where a server is reached; return the exit status.

    ``talk`` gets an address, the seconds left for connecting, and the run. It raises OSError if no server
    is reached there. Exits with status 1 if none is reached at all, or at a signal (CLI-6).
    """
    stop_on_signal()
    timeout = min(options.timeout, LONGEST_TIMEOUT)  # of the connection; an answer is waited for without it
    deadline = monotonic() + timeout
    try:
        places = wait_for(look_up, timeout)
        run = ClientRun(options)
        for place in places[:-1]:
            try:
                return talk(place, max(deadline - monotonic(), 0.001), run)
            except OSError:
                continue
        return talk(places[-1], max(deadline - monotonic(), 0.001), run)
    except (OSError, UnicodeError) as error:
        fail(Message("cannot reach {url}: {reason}", url=options.url, reason=explain(error)), UNREACHABLE)


def wait_for(call: Callable[[], Result], seconds: float) -> Result:
    """Return what a call returns, or raise its OSError or UnicodeError; raise TimeoutError after so many seconds.

    The call is made in a thread, which is left alone if a signal comes or the time is up: the system's look-up of a
    host heeds neither.
    """
    results: SimpleQueue[tuple[Result, None] | tuple[None, OSError | UnicodeError]] = SimpleQueue()

    def make() -> None:
        try:
            results.put((call(), None))
        except (OSError, UnicodeError) as error:
            results.put((None, error))

    Thread(target=make, daemon=True).start()
    deadline = monotonic() + seconds
    while True:
        left = deadline - monotonic()
        try:
            result, error = results.get(timeout=max(0, min(left, ATTENTION)))
        except Empty:
            if left <= 0:
                raise TimeoutError(Message("the look-up of the host takes too long")) from None
            continue
        if error is not None:
            raise error
        return result  # type: ignore[return-value]  # which is None only beside an error
