"""Step 3: recv() of one client must not keep the others waiting. A selector says whose bytes have arrived."""

import selectors
import socket
import time

from spec.codec import RECEIVE_BYTES
from spec.options import ServerOptions
from spec.session import open_session

listener = socket.create_server(("127.0.0.1", 0))
selector = selectors.DefaultSelector()
selector.register(listener, selectors.EVENT_READ)
print(f"waiting on port {listener.getsockname()[1]}", flush=True)
while True:
    for key, _ in selector.select():
        if key.data is None:
            sock, address = listener.accept()
            session = open_session(ServerOptions("echo", "tcp", quiet=True), "", time.monotonic(), print)
            selector.register(sock, selectors.EVENT_READ, (sock, session))
            continue
        sock, session = key.data
        if data := sock.recv(RECEIVE_BYTES):
            sock.sendall(session.receive(data, time.monotonic(), time.time()))
        else:
            selector.unregister(sock)
            sock.close()
