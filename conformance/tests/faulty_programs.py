"""Programs with faults, as beginners write them: each with what `sockspec run` may name first.

One that is patched is a good program but for some lines, so its only fault has to be named. The others are whole
programs with several faults, of which one has to be named.
"""

from typing import NamedTuple

from conformance.targets.terms import Role, Service, Transport


class Faulty(NamedTuple):
    """A program. `first` are the requirements of which one has to be named first: all that it breaks by itself."""

    first: set[str]
    transport: Transport
    service: Service
    source: str
    role: Role = "server"


def patched(lines: str, transport: Transport = "tcp", role: Role = "server") -> str:
    """Return a good program with these lines before it starts."""
    head = "import sys\nfrom conformance.broken import patch, wrap\nfrom spec import codec, session\n"
    return f"{head}{lines}\nfrom impl_raw.{transport}_{role} import main\nsys.exit(main())\n"


def planted(name: str, transport: Transport = "tcp", role: Role = "server") -> str:
    """Return a good program with a fault of `conformance.broken`."""
    return f"""
import sys
from importlib import import_module
from conformance.broken import faults
fault = faults()[{name!r}]
program = import_module(f"impl_{{fault.implementation}}.{transport}_{role}")
fault.apply()
sys.exit(program.main())
"""


LAB = """
import hashlib, socket, sys
port = int(sys.argv[sys.argv.index("--port") + 1]) if "--port" in sys.argv else 7007
host = sys.argv[sys.argv.index("--host") + 1] if "--host" in sys.argv else "127.0.0.1"
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((host, port))
s.listen()
print(f"waiting for clients on echo+tcp://{s.getsockname()[0]}:{s.getsockname()[1]}", flush=True)
while True:
    c, a = s.accept()
    print(f"client {a[0]}:{a[1]} connected", flush=True)
    while True:
        data = c.recv(1024)
        if not data:
            break
        m = data.decode()[5:-1]
        r = f"OK\\nmessage: {m}\\nreversed: {m[::-1]}\\nupper: {m.upper()}\\nlength: {len(m)}\\n"
        r += f"bytes: {len(m.encode())}\\nsha256: {hashlib.sha256(m.encode()).hexdigest()}\\n\\n"
        c.send(r.encode())
    c.close()
    print(f"client {a[0]}:{a[1]} left", flush=True)
"""
"""The lab server: 26 lines with the right form of an answer, for one client at a time, without any error."""

LAB_FAULTS = {
    "ERR-1",
    "ERR-8",
    "ERR-6",
    "REQ-3",
    "TCP-1",
    "TCP-3",
    "TCP-4",
    "TCP-5",
    "LOAD-2",
    "LOAD-3",
    "SRV-8",
    "REQ-4",
}

UDP_LAB = """
import socket, sys
port = int(sys.argv[sys.argv.index("--port") + 1])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", port))
print(f"waiting for clients on echo+udp://127.0.0.1:{s.getsockname()[1]}", flush=True)
while True:
    data, addr = s.recvfrom(1024)
    m = data.decode().strip()[5:]
    s.sendto(f"OK\\nmessage: {m}\\nreversed: {m[::-1]}\\nupper: {m.upper()}\\nlength: {len(m)}\\n\\n".encode(), addr)
"""

UDP_TIME = """
import datetime, socket, sys, threading, time
port = int(sys.argv[sys.argv.index("--port") + 1])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", port))
print(f"waiting for clients on time+udp://127.0.0.1:{s.getsockname()[1]}", flush=True)
def ticks(name, addr):
    n = 1
    while True:
        now = datetime.datetime.utcnow().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        s.sendto(f"TICK\\nname: {name}\\ntime: {now}\\nseq: {n}\\n\\n".encode(), addr)
        n += 1
        time.sleep(3)
while True:
    data, addr = s.recvfrom(1024)
    name = data.decode()[5:]
    s.sendto(f"OK\\nname: {name}\\ninterval: 3\\nlease: 12\\n\\n".encode(), addr)
    threading.Thread(target=ticks, args=(name, addr), daemon=True).start()
"""

CLIENT = """
import socket, sys
port = int(sys.argv[sys.argv.index("--port") + 1]) if "--port" in sys.argv else 7007
host = sys.argv[sys.argv.index("--host") + 1] if "--host" in sys.argv else "127.0.0.1"
c = socket.socket()
c.connect((host, port))
print(f"connected to echo+tcp://{host}:{port}")
c.sendall(f"ECHO {sys.argv[-1]}\\n".encode())
data = b""
while not data.endswith(b"\\n\\n"):
    data += c.recv(1024)
for line in data.decode().split("\\n")[1:-2]:
    print(line)
"""
"""An echo client of 12 lines: good as long as all is well."""

NO_CONTROL = "patch(codec, 'check_message', lambda message: None)"
NO_CRLF = """
@wrap(codec, "parse_line")
def parse_line(good, line, verbs):
    if line.endswith(b"\\r"):
        raise codec.RequestError("bad-character")
    return good(line, verbs)
"""
SILENT_ERRORS = """
from spec import echo, ticks
def quiet(self, line, now, utc):
    try:
        verb, argument = codec.parse_line(line, self.handlers)
        return self.handlers[verb](self, argument, now, utc)
    except codec.RequestError:
        return b""
session.Session._reply = quiet
"""
ONE_REPLY = """
import impl_raw.tcp_server
@wrap(impl_raw.tcp_server.Server, "send")
def send(good, self, connection, data):
    good(self, connection, data)
    if data:
        self.drop(connection)
"""
STRIP = """
@wrap(codec, "parse_line")
def parse_line(good, line, verbs):
    verb, argument = good(line, verbs)
    return verb, argument.strip()
"""
SPLITLINES = """
@wrap(session.Session, "receive")
def receive(good, self, data, *clocks):
    text = data.decode("utf-8", "surrogateescape")
    ended = text.endswith("\\n")
    text = "\\n".join(text.splitlines()) + "\\n" * ended
    return good(self, text.encode("utf-8", "surrogateescape"), *clocks)
"""
DIES_AT_ONCE = """
@wrap(session.Session, "receive")
def receive(good, self):
    return b""
"""
NO_HOST = "sys.argv[1:] = [word for n, word in enumerate(sys.argv[1:]) if '--host' not in sys.argv[max(n, 1):n + 2]]"
DIES = """
import os
@wrap(codec, "parse_line")
def parse_line(good, line, verbs):
    try:
        return good(line, verbs)
    except codec.RequestError:
        print("Traceback (most recent call last):", file=sys.stderr)
        print("UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff", file=sys.stderr, flush=True)
        os._exit(1)
"""
WORDING = """
import builtins
from spec.program import output
@wrap(output, "say")
def say(good, line):
    good(line.replace("waiting for clients on", "Server is listening on"))
"""
NO_LF = """
import impl_raw.tcp_client
from spec import client
@wrap(codec, "build_request")
def build_request(good, verb, argument, **fields):
    return good(verb, argument, **fields).removesuffix(b"\\n")
"""

PROGRAMS: dict[str, Faulty] = {
    # One fault each: it has to be named.
    "no-flush": Faulty({"SRV-1"}, "tcp", "echo", planted("SRV-1/keeps_lines_back")),
    "wording": Faulty({"SRV-1"}, "tcp", "echo", patched(WORDING)),
    "no-host": Faulty({"SRV-2"}, "tcp", "echo", patched(NO_HOST)),
    "reverses-bytes": Faulty({"ECHO-3"}, "tcp", "echo", planted("ECHO-3/reverses_bytes")),
    "utf-16": Faulty({"ECHO-5"}, "udp", "echo", planted("ECHO-5/counts_utf_16_units", "udp")),
    "splitlines": Faulty({"TEXT-3"}, "tcp", "echo", patched(SPLITLINES)),
    "strip": Faulty({"TEXT-2", "ECHO-2"}, "tcp", "echo", patched(STRIP)),
    "send-once": Faulty({"TCP-5"}, "tcp", "echo", planted("TCP-5/sends_once")),
    "one-line": Faulty({"TCP-5"}, "tcp", "echo", planted("TCP-5/answers_one_line_of_a_segment")),
    "segment": Faulty({"TCP-3", "TCP-4"}, "tcp", "echo", planted("TCP-4/takes_a_segment_for_a_line")),
    "no-crlf": Faulty({"REQ-3"}, "tcp", "echo", patched(NO_CRLF)),
    "no-control": Faulty({"ERR-8"}, "tcp", "echo", patched(NO_CONTROL)),
    "silent-errors": Faulty({"ERR-1"}, "tcp", "echo", patched(SILENT_ERRORS)),
    "one-reply": Faulty({"TCP-1"}, "tcp", "echo", patched(ONE_REPLY)),
    "one-client": Faulty({"LOAD-2", "SRV-8"}, "tcp", "echo", planted("LOAD-2/serves_one_at_a_time")),
    "sigterm": Faulty({"SRV-8"}, "tcp", "echo", planted("SRV-8/is_killed_by_sigterm")),
    "dies": Faulty({"LOAD-3"}, "tcp", "echo", patched(DIES)),
    "dies-at-once": Faulty({"ECHO-1"}, "tcp", "echo", patched(DIES_AT_ONCE)),
    "crlf-replies": Faulty({"REP-2"}, "tcp", "echo", planted("REP-2/ends_lines_with_crlf")),
    "another-port": Faulty({"UDP-4"}, "udp", "echo", planted("UDP-4/answers_from_another_port", "udp")),
    "drifts": Faulty({"TIME-7", "TIME-10"}, "tcp", "time", planted("TIME-10/drifts")),
    # Several at once: one of them has to be named.
    "lab": Faulty(LAB_FAULTS, "tcp", "echo", LAB),
    "lab-udp": Faulty({"SRV-2", "SRV-3", "SRV-8", "TEXT-2", "UDP-2", "LOAD-3", "ERR-1"}, "udp", "echo", UDP_LAB),
    "lab-no-flush": Faulty({"SRV-1"}, "tcp", "echo", LAB.replace(", flush=True", "")),
    "lab-no-host": Faulty({"SRV-2"}, "tcp", "echo", LAB.replace("bind((host,", "bind(('127.0.0.1',")),
    "lab-bytes": Faulty({"ECHO-3"}, "tcp", "echo", LAB.replace("{m[::-1]}", "{m.encode()[::-1].decode('latin-1')!r}")),
    "lab-no-empty-line": Faulty({"REP-1", "ECHO-1"}, "tcp", "echo", LAB.replace("\\n\\n", "\\n")),
    "lab-no-prefix": Faulty({"ECHO-1"}, "tcp", "echo", LAB.replace('f"OK\\n', 'f"')),
    "lab-crash": Faulty({"ECHO-1"}, "tcp", "echo", LAB.replace("m = data", "m = date")),
    "lab-no-start": Faulty({"SRV-1"}, "tcp", "echo", LAB.replace("s.listen()", "s.lisen()")),
    "lab-mute": Faulty({"ECHO-1"}, "udp", "echo", UDP_LAB.replace("s.sendto(", "len(")),
    "lab-port": Faulty({"SRV-2"}, "udp", "echo", UDP_LAB.replace("port = int", "port = 7007 or int")),
    "time-no-tokens": Faulty({"LEASE-1"}, "udp", "time", UDP_TIME),
    "time-at-once": Faulty(
        {"TIME-2", "TIME-4"},
        "tcp",
        "time",
        """
import datetime, socket, sys, threading, time
s = socket.create_server(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])))
print(f"waiting for clients on time+tcp://127.0.0.1:{s.getsockname()[1]}", flush=True)
def serve(c):
    for n in range(1, 1000):
        now = datetime.datetime.utcnow().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        c.sendall(f"TICK\\nname: ?\\ntime: {now}\\nseq: {n}\\n\\n".encode())
        time.sleep(3)
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
""",
    ),
    # Clients.
    "client": Faulty(
        {"CLI-1", "CLI-4", "CLI-7", "CLI-8", "CLI-9", "CLI-10", "CLI-11"}, "tcp", "echo", CLIENT, "client"
    ),
    "client-buffers": Faulty(
        {"CLI-1"}, "tcp", "time", planted("CLI-1/keeps_lines_in_a_buffer", role="client"), "client"
    ),
    "client-no-port": Faulty({"CLI-1"}, "tcp", "echo", CLIENT.replace("port = int", "port = 7007 or int"), "client"),
    "client-mute": Faulty({"CLI-1"}, "tcp", "echo", CLIENT.replace("print(", "len("), "client"),
    "client-no-lf": Faulty({"CLI-3"}, "tcp", "echo", patched(NO_LF, role="client"), "client"),
    "client-crash": Faulty({"CLI-3"}, "tcp", "echo", CLIENT.replace("c.sendall", "c.sendal"), "client"),
    "client-url": Faulty({"CLI-1"}, "tcp", "echo", CLIENT.replace("connected to echo", "Connected to echo"), "client"),
    "client-raw": Faulty({"CLI-3"}, "tcp", "echo", CLIENT.replace('f"ECHO {', 'f"{'), "client"),
    "client-no-token": Faulty(
        {"CLI-16"}, "udp", "time", planted("CLI-16/keeps_the_token_to_itself", "udp", "client"), "client"
    ),
}
"""The programs by their names."""
