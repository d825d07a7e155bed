"""What each client program does with its client, whatever the transport: SPEC.md, CLI-4 and CLI-6."""

from collections.abc import Callable

from spec.client import Client
from spec.options import ClientOptions
from spec.program.signals import Stopped, heed_no_signal
from spec.program.system import monotonic
from spec.program.texts import read_texts


def run_client(client: Client, options: ClientOptions, exchange: Callable[[bytes], object]) -> int:
    """Ask the server about each text in turn, until all are answered or a signal comes; return the exit status.

    ``exchange`` gets a request, sends it and goes on until the client is no longer ``waiting``.
    """
    try:
        for text in read_texts(options, client.reject):
            exchange(client.ask(text, monotonic()))
            if client.over:
                break
        heed_no_signal()
    except Stopped:
        client.stop()
    return client.status
