"""Step 2: TCP carries bytes, not lines. A session keeps half a line until its end has come."""

import socket
import time

from spec.codec import RECEIVE_BYTES
from spec.options import ServerOptions
from spec.session import open_session

listener = socket.create_server(("127.0.0.1", 0))
print(f"waiting on port {listener.getsockname()[1]}", flush=True)
while True:
    sock, address = listener.accept()
    session = open_session(ServerOptions("echo", "tcp", quiet=True), "", time.monotonic(), print)
    while data := sock.recv(RECEIVE_BYTES):
        sock.sendall(session.receive(data, time.monotonic(), time.time()))
    sock.close()
