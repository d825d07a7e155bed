"""Step 1, an echo server: it serves one client and takes what each recv() returns for one line."""

import socket

from spec.codec import RECEIVE_BYTES
from spec.echo import echo_line

listener = socket.create_server(("127.0.0.1", 0))
print(f"waiting on port {listener.getsockname()[1]}", flush=True)
sock, address = listener.accept()
while data := sock.recv(RECEIVE_BYTES):
    message = data.decode().removeprefix("ECHO ").removesuffix("\n")
    sock.sendall(echo_line(message))
sock.close()
listener.close()
