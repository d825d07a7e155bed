"""Step 4: sendall() waits for a client that does not read. So sockets do not block, and the rest is sent later."""

import selectors
import socket
import time

from spec.codec import RECEIVE_BYTES
from spec.options import ServerOptions
from spec.session import Session, open_session


class Connection:
    """A client's socket, its session, and the bytes that the socket has not taken yet."""

    def __init__(self, sock: socket.socket, session: Session) -> None:
        self.sock = sock
        self.session = session
        self.unsent = b""


def accept() -> None:
    sock, _ = listener.accept()
    sock.setblocking(False)
    session = open_session(ServerOptions("echo", "tcp", quiet=True), "", time.monotonic(), print)
    selector.register(sock, selectors.EVENT_READ, Connection(sock, session))


def receive(connection: Connection) -> None:
    try:
        data = connection.sock.recv(RECEIVE_BYTES)
    except OSError:  # the client has reset the connection
        data = b""
    if data:
        send(connection, connection.session.receive(data, time.monotonic(), time.time()))
    else:
        drop(connection)


def send(connection: Connection, data: bytes) -> None:
    """Send what the socket takes and keep the rest; until it is sent, receive nothing from this client."""
    try:
        sent = connection.sock.send(data)
    except BlockingIOError:
        sent = 0
    except OSError:
        drop(connection)
        return
    connection.unsent = data[sent:]
    interest = selectors.EVENT_WRITE if connection.unsent else selectors.EVENT_READ
    selector.modify(connection.sock, interest, connection)


def drop(connection: Connection) -> None:
    selector.unregister(connection.sock)
    connection.sock.close()


listener = socket.create_server(("127.0.0.1", 0))
selector = selectors.DefaultSelector()
selector.register(listener, selectors.EVENT_READ)
print(f"waiting on port {listener.getsockname()[1]}", flush=True)
while True:
    for key, events in selector.select():
        if key.data is None:
            accept()
        elif events & selectors.EVENT_WRITE:
            send(key.data, key.data.unsent)
        else:
            receive(key.data)
