"""Answers each line with the reply to the first line after a client came. The cost is that of Python and the kernel."""

import select
import signal
import socket
import sys
from contextlib import suppress

from spec.address import format_url
from spec.codec import RECEIVE_BYTES
from spec.program.arguments import parse_server_options
from spec.program.output import say
from spec.session import Session, open_session


def serve(listener: socket.socket, poll: select.epoll, session: Session) -> None:
    """Accept clients, have the core answer the first line after that, and answer every line with its reply."""
    clients: dict[int, socket.socket] = {}
    constant = b""
    poll.register(listener, select.EPOLLIN)
    while True:
        for number, _ in poll.poll():
            if number == listener.fileno():
                client, _ = listener.accept()
                clients[client.fileno()] = client
                poll.register(client, select.EPOLLIN)
                constant = b""
                continue
            try:
                data = clients[number].recv(RECEIVE_BYTES)
                constant = constant or session.receive(data[: data.find(b"\n") + 1], 0, 0)
                clients[number].sendall(constant * data.count(b"\n"))
            except ConnectionError:
                data = b""
            if not data:
                clients.pop(number).close()


def main() -> int:
    options = parse_server_options(None, "tcp")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    listener = socket.create_server((options.host, options.port), backlog=1024)
    with suppress(KeyboardInterrupt), listener, select.epoll() as poll:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited by each connection
        say(f"waiting for clients on {format_url(options.service, 'tcp', listener.getsockname())}")
        serve(listener, poll, open_session(options._replace(quiet=True), "", 0, say))
    say("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
