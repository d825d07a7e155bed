"""Exercises as people answer them: right ones take all steps, and each known mistake gets its name."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from conformance import ROOT
from conformance.labs.source import Source
from conformance.labs.submission import find_submission
from conformance.languages.texts import LANGUAGES
from conformance.tests.unusual_programs import ONE_LOOP_SERVER, UNUSUAL, WRONG

ECHO_UDP_SERVER = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("localhost", 5000))
print("Ожидание клиентов")
while True:
    data, address = server.recvfrom(65535)
    message = data.decode()
    print("Клиент", address)
    answer = f"{message}\\n{message[::-1]}\\n{message.upper()}\\n{len(message)}"
    server.sendto(answer.encode(), address)
"""
ECHO_UDP_CLIENT = """
import socket
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print("Подключение произошло")
client.sendto(input("Сообщение: ").encode(), ("localhost", 5000))
print(client.recvfrom(65535)[0].decode())
"""
ASYNCIO_UDP_CLIENT = """
import asyncio

class Client(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        print("connected")
        transport.sendto(input("Message: ").encode())

    def datagram_received(self, data, address):
        print(data.decode())

async def run():
    await asyncio.get_running_loop().create_datagram_endpoint(Client, remote_addr=("127.0.0.1", 5000))
    await asyncio.sleep(9)

asyncio.run(run())
"""
ECHO_TCP_SERVER = """
import socket
server = socket.create_server(("localhost", 5000))
print("Waiting for clients")
while True:
    connection, address = server.accept()
    print("client", address)
    message = connection.makefile(encoding="utf-8", newline="\\n").readline()[:-1]
    answer = f"{message}\\n{message[::-1]}\\n{message.upper()}\\n{len(message)}\\nwords: {len(message.split())}"
    connection.sendall(answer.encode())
    connection.close()
"""
ECHO_TCP_CLIENT = """
import socket
client = socket.create_connection(("localhost", 5000))
print("I am connected")
client.sendall(input("Message: ").encode() + b"\\n")
print(client.makefile(encoding="utf-8").read())
"""
TIME_TCP_SERVER = """
import socket, threading, time
from datetime import datetime

def serve(connection, address):
    with connection:
        name = connection.recv(1024).decode().strip()
        print(name, address)
        try:
            while True:
                connection.sendall(f"{name} {datetime.now():%H:%M:%S}\\n".encode())
                time.sleep(3)
        except OSError:
            print(name, "left")

with socket.create_server(("localhost", 5000)) as server:
    print("Waiting for clients")
    while True:
        threading.Thread(target=serve, args=server.accept(), daemon=True).start()
"""
TIME_TCP_CLIENT = """
import socket
with socket.create_connection(("localhost", 5000)) as client:
    print("connected")
    client.sendall(input("Name: ").encode())
    while data := client.recv(1024):
        print(data.decode(), end="")
"""
TIME_UDP_SERVER = """
import socket, threading, time
from datetime import datetime
clients = {}
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", 5000))
print("Waiting for clients")

def send():
    while True:
        for address, name in list(clients.items()):
            server.sendto(f"{name} {datetime.now():%H:%M:%S}".encode(), address)
        time.sleep(3)

threading.Thread(target=send, daemon=True).start()
while True:
    data, address = server.recvfrom(1024)
    clients[address] = data.decode()
    print("client", data.decode(), address)
"""
TIME_UDP_CLIENT = """
import socket
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.sendto(input("Name: ").encode(), ("127.0.0.1", 5000))
print("connected")
while True:
    print(client.recvfrom(1024)[0].decode())
"""
CONSOLE_SERVER = """{}def serve():
    while True:{}
__import__("threading").Thread(target=serve, daemon=True).start()
while input() != "exit":
    pass
""".format(*ECHO_UDP_SERVER.replace("\n    ", "\n        ").split("while True:"))
FRAMEWORK_UDP_SERVER = """
import socketserver

class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        message = data.decode()
        print("client", self.client_address)
        answer = f"{message}\\n{message[::-1]}\\n{message.upper()}\\n{len(message)}"
        sock.sendto(answer.encode(), self.client_address)

socketserver.UDPServer.max_packet_size = 65535
with socketserver.UDPServer(("localhost", 5000), Handler) as server:
    print("Waiting for clients")
    server.serve_forever()
"""
FRAMEWORK_TCP_SERVER = """
import socketserver, time
from contextlib import suppress
from datetime import datetime

class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        name = self.rfile.readline().decode().strip()
        print(name, self.client_address)
        with suppress(ConnectionError):
            while True:
                self.request.sendall(f"{name} {datetime.now():%H:%M:%S}\\n".encode())
                time.sleep(3)

socketserver.ThreadingTCPServer.daemon_threads = True
with socketserver.ThreadingTCPServer(("localhost", 5000), Handler) as server:
    print("Waiting for clients")
    server.serve_forever()
"""
PARTIAL = """\
from functools import partial
open_socket = partial(socket.create_connection, ("localhost", 5000))
"""
GOOD = {
    1: (ECHO_UDP_SERVER, ECHO_UDP_CLIENT),
    2: (TIME_UDP_SERVER, TIME_UDP_CLIENT),
    4: (ECHO_TCP_SERVER, ECHO_TCP_CLIENT),
    5: (TIME_TCP_SERVER, TIME_TCP_CLIENT),
    6: (FRAMEWORK_UDP_SERVER, ECHO_UDP_CLIENT),
    7: (FRAMEWORK_TCP_SERVER, TIME_TCP_CLIENT.replace("encode()", 'encode() + b"\\n"')),
}
_START = "        threading.Thread(target=serve, args=server.accept(), daemon=True).start()\n"
_UNDER = """        connection, address = server.accept()
        {}threading.Thread(target=serve, args=(connection, address)).start()
"""


def about(seconds: int) -> str:
    """Return a pattern for that many seconds, as they are told: a busy machine shows one tick later than another."""
    return rf"({seconds - 1}\.[5-9]|{seconds}\.\d)"


BAD: dict[str, tuple[int, str, str, str]] = {
    # name: exercise, where it stands, what stands there instead, what the verdict says
    "datagram-cut": (1, "recvfrom(65535)", "recvfrom(512)", r"recvfrom\(512\) throws away"),
    "reversed-bytes": (1, "message[::-1]", "data[::-1].decode(errors='replace')", "the bytes were reversed"),
    "upper-bytes": (1, "message.upper()", "data.upper().decode()", "Latin letters alone"),
    "upper-of-the-reversed": (1, "message.upper()", "message[::-1].upper()", "the reversed message was put in upper"),
    "reversed-words": (1, "{message[::-1]}", "{' '.join(message.split()[::-1])}", "the words were put the other"),
    "title-for-upper": (1, "message.upper()", "message.title()", r"title\(\) does not put all letters"),
    "capitalize-for-upper": (1, "message.upper()", "message.capitalize()", r"capitalize\(\) does not put all letters"),
    "reverses-the-upper": (1, "message[::-1]", "message.upper()[::-1]", "the message in upper case was reversed"),
    "cuts-in-place-of-reversing": (1, "message[::-1]", "message[:-1]", "leaves out the last character"),
    "lower-for-all": (1, "message = data.decode()", "message = data.decode().lower()", "the message itself was put in"),
    "counts-no-spaces": (1, "len(message)", "len(message.replace(' ', ''))", "the spaces were not counted"),
    "encodes-otherwise": (
        *(1, '"Сообщение: ").encode()', '"Сообщение: ").encode("cp1251")'),
        "client.py encodes as cp1251, and server.py decodes as utf-8",
    ),
    "decodes-otherwise": (
        *(1, "client.recvfrom(65535)[0].decode()", "client.recvfrom(65535)[0].decode('cp1251', 'replace')"),
        "server.py encodes as utf-8, and client.py decodes as cp1251",
    ),
    "encodes-for-another-purpose": (
        *(1, "    answer = f", "    sign = 'x'.encode('ascii')\n    answer = f"),
        "",
    ),
    "sends-four-datagrams": (
        *(1, "    server.sendto(answer.encode(), address)"),
        "    for part in answer.split('\\n'):\n        server.sendto(part.encode(), address)",
        "in several pieces, and client.py, line 6, takes one",
    ),
    "receives-before-it-sends": (
        *(1, 'print("Подключение', 'print(client.recv(99))\nprint("Подключение'),
        "client.py, line 4: the client receives before it has sent",
    ),
    "ends-with-an-empty-one": (
        *(1, "    message =", "    if not data:\n        break\n    message ="),
        "server.py, line 8: over UDP an empty datagram is a message",
    ),
    "says-that-it-failed": (
        *(1, "    message = data.decode()\n"),
        "    try:\n        message = data.text()\n    except Exception:\n        print('Ошибка!')\n        continue\n",
        "server.py, line 10: this except hides every error",
    ),
    "logs-what-nobody-sees": (
        *(1, 'print("Ожидание клиентов")'),
        *("import logging\nlogging.info('waiting')", "server.py, line 6: a log shows this after"),
    ),
    "logs-to-a-file-alone": (
        *(1, 'print("Клиент", address)', 'print("Клиент", address, file=open("log.txt", "a"))'),
        "what is written to a file is not seen here",
    ),
    "pair-of-recv": (
        *(1, "print(client.recvfrom(65535)[0].decode())", "data, address = client.recv(65535)"),
        r"recv\(\) returns the bytes alone",
    ),
    "address-before-data": (
        *(1, "sendto(answer.encode(), address)", "sendto(address, answer.encode())"),
        "takes bytes, then a pair",
    ),
    "no-such-module": (1, "import socket\nserver", "import socket, winsound\nserver", "this module is neither beside"),
    "calls-no-main": (
        *(
            1,
            ECHO_UDP_CLIENT,
            f"def main():{ECHO_UDP_CLIENT}".replace("\n", "\n    ") + "\nif __name__ == 'main':\n    main()\n",
        ),
        "client.py came to its last line and did nothing",
    ),
    "hides-that-it-does-nothing": (
        *(1, ECHO_UDP_CLIENT, "def main():\n    int('x')\ntry:\n    main()\nexcept Exception:\n    pass\n"),
        r"came: it printed nothing\n    .*\n    hint: ",
    ),
    "listens-over-udp": (1, 'print("Ожидание', 'server.listen()\nprint("Ожидание', "over UDP nothing listens"),
    "sends-one-message-for-ever": (
        *(1, 'client.sendto(input("Сообщение: ").encode(), ("localhost", 5000))\nprint('),
        "text = input('Сообщение: ')\nwhile True:\n    client.sendto(text.encode(), ('localhost', 5000))\n    print(",
        "sends the same message again",
    ),
    "upper-is-not-called": (1, "message.upper()", "message.upper", "an object was printed, not its value"),
    "counts-the-bytes-form": (1, "len(message)", "len(str(data))", "the characters of b'…' were counted"),
    "takes-ten-bytes": (1, "recvfrom(65535)[0]", "recvfrom(10)[0]", r"client.py, line 6: recvfrom\(10\) throws away"),
    "takes-a-constant": (
        *(1, ECHO_UDP_CLIENT, f"SIZE = 512{ECHO_UDP_CLIENT.replace('65535', 'SIZE')}"),
        r"client.py, line 6: recvfrom\(512\) throws away",
    ),
    "sends-nothing": (
        *(1, 'client.sendto(input("Сообщение: ").encode(), ("localhost", 5000))', 'input("Сообщение: ")'),
        "nothing in client.py sends",
    ),
    "answers-nothing": (1, "server.sendto(", "print(", "nothing in server.py sends"),
    "receives-nothing": (1, "print(client.recvfrom(65535)[0].decode())", "", "nothing in client.py receives"),
    "hides-its-errors": (
        *(1, "    message = data.decode()\n"),
        "    try:\n        message = data.text()\n    except Exception:\n        continue\n",
        "server.py, line 10: this except hides every error",
    ),
    "another-machine": (
        1,
        '("localhost", 5000))\nprint(client',
        '("192.0.2.1", 5000))\nprint(client',
        "no way leads to",
    ),
    "answers-to-itself": (
        1,
        "encode(), address)",
        'encode(), ("localhost", 5000))',
        "server.py, line 11: the answer goes",
    ),
    "client-binds": (
        1,
        'print("Подключение',
        'client.bind(("localhost", 5000))\nprint("Подключение',
        "a client needs no bind",
    ),
    "comes-to-its-end": (1, "while True:", "while False:", "it ended without an error; it printed “Ожидание"),
    "counts-bytes": (1, "len(message)", "len(data)", r"the bytes were counted \(27\)"),
    "takes-three-of-four-numbered": (
        *(1, "{message}\\n{message[::-1]}\\n{message.upper()}\\n{len(message)}"),
        *("1 {message}\\n2 {message[::-1]}\\n3 {message.upper()}", r"its characters\n    came: .*\n    hint: "),
    ),
    "counts-words": (1, "len(message)", "len(message.split())", r"the words were counted \(3\)"),
    "a-hole": (1, "{message.upper()}", "{...}", r"server.py, line 10: the \.\.\. there is still to be filled"),
    "prints-bytes": (1, "[0].decode())", "[0])", "bytes were printed"),
    "own-address": (1, 'print("Клиент", address)', 'print("Клиент", server.getsockname())', "this is the server's own"),
    "only-the-host": (1, 'print("Клиент", address)', 'print("Клиент", address[0], "к", server.getsockname())', ""),
    "long-and-latin-alone": (
        *(1, ECHO_UDP_SERVER),
        ECHO_UDP_SERVER.replace("65535", "4096").replace("decode()", "decode('utf-8' if len(data) < 99 else 'ascii')"),
        "ascii is another encoding than the other",
    ),
    "upper-for-nothing": (
        *(1, "    answer = f", "    message.upper()\n    answer = f"),
        "",
    ),
    "upper-thrown-away": (
        *(1, '    answer = f"{message}\\n{message[::-1]}\\n{message.upper()}'),
        *(
            '    message.upper()\n    answer = f"{message}\\n{message[::-1]}\\n{message}',
            r"server.py, line 10: upper\(\) returns a new text",
        ),
    ),
    "knows-latin-alone": (1, "data.decode()", "data.decode('ascii')", "ascii is another encoding than the other"),
    "tied-to-one-client": (
        *(1, "server.sendto(answer.encode(), address)"),
        *("server.connect(address); server.send(answer.encode())", r"line 11: connect\(\) ties the socket to one"),
    ),
    "client-takes-the-half": (
        *(1, ECHO_UDP_CLIENT, ECHO_UDP_CLIENT.replace("65535", "1024")),
        r"client.py, line 6: recvfrom\(1024\) throws away",
    ),
    "no-address": (1, 'print("Клиент", address)', 'print("Клиент")', "address beside the rest"),
    "other-transport": (1, ECHO_UDP_SERVER, ECHO_TCP_SERVER, "it opened a TCP port"),
    "does-not-start": (1, "import socket\nserver", "server", "NameError"),
    "asks-for-something": (
        1,
        'localhost", 5000))\nprint',
        'localhost", int(input("Number: "))))\nprint',
        "start without a quest",
    ),
    "keeps-back-its-line": (1, 'клиентов")', 'клиентов", end="")', r"server.py, line 5: what has no line's end"),
    "another-kind": (
        *(1, "DGRAM)\nprint"),
        *('STREAM)\nclient.connect(("localhost", 5000))\nprint', "SOCK_DGRAM is UDP, SOCK_STREAM is TCP"),
    ),
    "hides-what-is-typed": (1, "input(", "__import__('getpass').getpass(", ""),
    "a-hint-of-a-type-is-no-hole": (
        *(1, "{message.upper()}"),
        *("{(lambda *_: message)(tuple[str, ...])}", r"the message in upper case\n    came: .*\n    hint: "),
    ),
    "has-a-console-beside-its-thread": (
        *(1, ECHO_UDP_SERVER),
        *(
            CONSOLE_SERVER.replace("    server.sendto(", "    if len(data) > 99: server.sendto("),
            r"the number of its characters\n    came: .*\n    hint: ",
        ),
    ),
    "another-port": (
        *(1, "5000))\nprint(client", "5001))\nprint(client"),
        "the server waits at port 5000, and client.py names 5001",
    ),
    "escapes-letters": (1, "answer.encode()", '__import__("json").dumps(answer).encode()', "escaped as JSON does"),
    "prints-other-bytes": (
        *(1, 'print("Подключение'),
        *(
            '__import__("sys").stdout.reconfigure(encoding="cp1251")\nprint("Подключение',
            "client.py prints bytes that are not",
        ),
    ),
    "breaks-long-lines": (
        *(1, "print(client.recvfrom(65535)[0].decode())"),
        'print(__import__("textwrap").fill(client.recv(65535).decode(), 60))',
        "",
    ),
    "no-python": (1, "while True:", "while True", "line 6: "),
    "one-client": (1, "while True:\n", "if True:\n", r"server.py, line 7: recvfrom\(\) is called once"),
    "does-not-say": (1, 'print("Ожидание клиентов")\n', "", "says that the server waits"),
    "client-does-not-say": (1, 'print("Подключение произошло")\n', "", "with the word “connected”"),
    "recv-for-a-message": (
        *(4, 'connection.makefile(encoding="utf-8", newline="\\n").readline()[:-1]'),
        *("connection.recv(512).decode().strip()", r"recv\(512\) returns up to 512 bytes"),
    ),
    "accepts-once": (
        *(4, "while True:\n    connection, address = server.accept()\n"),
        "connection, address = server.accept()\nwhile True:\n",
        r"server.py, line 5: accept\(\) is called once",
    ),
    "accepts-in-its-place": (
        *(4, "connection, address = server.accept()\n", "server, address = server.accept()\n    connection = server\n"),
        "server.py, line 6: the connection takes the listening socket's name",
    ),
    "spins-without-an-answer": (
        *(4, 'print(client.makefile(encoding="utf-8").read())', "while True:\n    client.makefile().readline()"),
        "client.py goes round in a loop without waiting",
    ),
    "sends-with-the-listening-socket": (4, "connection.sendall(", "server.sendall(", "not with the listening one"),
    "does-not-connect": (4, 'create_connection(("localhost", 5000))', "socket()", "nothing in client.py connects"),
    "sends-no-line-end": (4, '.encode() + b"\\n"', ".encode()", "both programs wait"),
    "counts-the-line-end": (4, "readline()[:-1]", "readline()", "the end of the line was counted"),
    "cuts-off-a-verb": (4, "readline()[:-1]", "readline()[5:-1]", "the first 5 characters are missing"),
    "no-addition": (4, "\\nwords: {len(message.split())}", "", "the addition that exercise 4 asks for"),
    "with-a-partial": (
        *(5, 'with socket.create_connection(("localhost", 5000)) as client:'),
        *(f"{PARTIAL}with open_socket() as client:", ""),
    ),
    "no-with-but-a-partial": (
        *(5, 'with socket.create_connection(("localhost", 5000)) as client:'),
        *(f"{PARTIAL}client = open_socket()\nif True:", "line 5 opens one without"),
    ),
    "no-with": (
        *(5, 'with socket.create_connection(("localhost", 5000)) as client:'),
        *('client = socket.create_connection(("localhost", 5000))\nif True:', "line 3 opens one without"),
    ),
    "first-client-alone": (
        *(5, "threading.Thread(target=serve, args=server.accept(), daemon=True).start()", "serve(*server.accept())"),
        "the server serves its first client alone",
    ),
    "calls-in-place-of-a-thread": (
        *(5, "target=serve, args=server.accept()", "target=serve(*server.accept())"),
        r"server.py, line 19: target=serve\(…\) calls it at once",
    ),
    "waits-for-its-thread": (
        *(5, "        threading.Thread(target=serve, args=server.accept(), daemon=True).start()"),
        "        t = threading.Thread(target=serve, args=server.accept())\n        t.start()\n        t.join()",
        r"server.py, line 21: join\(\) waits here",
    ),
    "waits-for-a-thread-of-its-own-class": (
        *(5, "        threading.Thread(target=serve, args=server.accept(), daemon=True).start()"),
        *(
            """\
        class Serving(threading.Thread):
            def run(self):
                serve(*self.client)
        thread = Serving()
        thread.client = server.accept()
        thread.start()
        thread.join()""",
            r"server.py, line 25: join\(\) waits here",
        ),
    ),
    "runs-its-thread": (5, "True).start()", "True).run()", r"server.py, line 19: run\(\) calls the function here"),
    "does-not-start-its-thread": (5, "True).start()", "True)", r"server.py, line 19: nothing starts this thread"),
    "closes-under-its-thread": (
        *(5, _START, _UNDER.format("with connection: ")),
        "server.py, line 20: this with block closes the connection",
    ),
    "closes-after-the-start": (
        *(5, _START, f"{_UNDER.format('')}        connection.close()\n"),
        r"server.py, line 21: close\(\) closes the connection",
    ),
    "fails-after-a-time": (
        *(5, "time.sleep(3)", "name.loud()"),
        r"cause: the server ended with “AttributeError: .*” \(server.py, line 12\)",
    ),
    "suppresses-all-errors": (
        *(5, "    with connection:\n        name = connection.recv(1024).decode().strip()"),
        "    with __import__('contextlib').suppress(Exception), connection:\n        name = connection.recv(1024) + ''",
        r"server.py, line 6: this suppress\(\) hides every error",
    ),
    "sends-to-all-in-each-thread": (
        *(5, '                connection.sendall(f"{name} {datetime.now():%H:%M:%S}\\n".encode())'),
        *(
            """\
                clients = serve.__dict__
                clients[name] = connection
                for other in clients:
                    clients[other].sendall(f"{other} {datetime.now():%H:%M:%S}\\n".encode())""",
            "two loops send to one client",
        ),
    ),
    "sends-from-two-loops": (
        *(5, "                time.sleep(3)"),
        *(
            """\
                time.sleep(0.9)
                connection.sendall(f"{name} {datetime.now():%H:%M:%S}\\n".encode())
                time.sleep(2.1)""",
            "two loops send to one client",
        ),
    ),
    "one-connection-for-all": (
        *(5, TIME_TCP_SERVER),
        TIME_TCP_SERVER.replace("serve(connection, address):", "serve():")
        .replace("    with connection:", "    if connection:")
        .replace("target=serve, args=server.accept()", "target=serve")
        .replace("        threading", "        connection, address = server.accept()\n        threading"),
        "what is for Анна goes to the other client",
    ),
    "sends-three-times": (
        *(
            5,
            "            while True:\n                connection",
            "            for _ in range(3):\n                connection",
        ),
        "server.py, line 10: this loop ends after 3 rounds",
    ),
    "waits-for-the-next-client": (
        *(5, TIME_TCP_SERVER),
        """
import socket, time
clients = []
with socket.create_server(("localhost", 5000)) as server:
    print("Waiting for clients")
    while True:
        connection, address = server.accept()
        name = connection.recv(1024).decode()
        clients.append((connection, name))
        for connection, name in clients:
            connection.sendall(f"{name} {time.strftime('%H:%M:%S')}\\n".encode())
""",
        "server.py, line 7: here the loop waits for the next client",
    ),
    "waits-twice": (
        *(5, "time.sleep(3)", "time.sleep(3)\n                for _ in range(3):\n                    time.sleep(1)"),
        rf"came: after {about(6)} s\n    The interval",
    ),
    "starts-without-super": (
        *(7, "    def handle(self):"),
        "    def __init__(self, *words):\n        self.words = words\n\n    def handle(self):",
        r"server.py, line 7: the framework's __init__\(\) calls handle\(\)",
    ),
    "unpacks-a-connection": (
        *(7, "name = self.rfile.readline().decode().strip()", "name, sock = self.request"),
        "in handle.. of a TCP server self.request is the connection",
    ),
    "handle-without-self": (7, "def handle(self)", "def handle()", "a method has self before all else"),
    "module-for-class": (7, "from datetime import datetime", "import datetime", "datetime is a module and a class in"),
    "serves-one-client": (7, "serve_forever", "handle_request", r"handle_request\(\) serves one client: "),
    "framework-without-with": (
        *(7, 'with socketserver.ThreadingTCPServer(("localhost", 5000), Handler) as server:'),
        'server = socketserver.ThreadingTCPServer(("localhost", 5000), Handler)\nif True:',
        "hint: with ThreadingTCPServer",
    ),
    "prints-its-file": (
        *(5, "    while data := client.recv(1024):\n        print(data.decode()"),
        *(
            "    file = client.makefile()\n    while data := file.readline():\n        print(file",
            "an object was printed",
        ),
    ),
    "ends-after-a-time": (
        *(5, "            while True:\n                connection", "            if True:\n                connection"),
        "over TCP a client ends when its connection is closed",
    ),
    "sends-no-time": (5, "{name} {datetime.now():%H:%M:%S}", "{name}", "no time of the day beside it"),
    "sends-a-tuple": (5, "{name} {datetime.now():%H:%M:%S}", "{(name, datetime.now())}", r"with strftime\(\)"),
    "one-name-for-all": (
        *(5, "        name = connection", "        global name\n        name = connection"),
        "a variable of its thread, not in a global one",
    ),
    "does-not-start-the-thread-of-an-open-connection": (
        *(5, "        threading.Thread(target=serve, args=server.accept(), daemon=True).start()"),
        *(
            "        connection = server.accept()\n        threading.Thread(target=serve, args=connection)",
            r"server.py, line 20: nothing starts this thread",
        ),
    ),
    "both-wait-for-the-time": (
        *(
            5,
            "connection.recv(1024).decode().strip()",
            "connection.makefile().readline().strip()",
            "both programs wait",
        ),
    ),
    "keeps-back-the-time": (
        2,
        "print(client.recvfrom(1024)[0].decode())",
        'print(client.recvfrom(1024)[0].decode(), end=" ")',
        "client.py, line 7: what has no line's end",
    ),
    "a-hole-in-place-of-a-thread": (
        *(2, "threading.Thread(target=send, daemon=True).start()\n", "...\n"),
        r"server.py, line 15: the \.\.\. there is still to be filled",
    ),
    "a-hole-that-closes-the-connection": (
        *(5, "threading.Thread(target=serve, args=server.accept(), daemon=True).start()"),
        *("connection, _ = server.accept()\n        ...", r"server.py, line 20: the \.\.\. there is still"),
    ),
    "prints-bytes-of-the-time": (2, "[0].decode())", "[0])", "bytes were printed"),
    "takes-the-firsts-place": (
        *(2, TIME_UDP_SERVER),
        TIME_UDP_SERVER.replace("in list(clients.items())", "in list(clients.values())").replace(
            "clients[address] = data.decode()", "clients[address[0]] = address, data.decode()"
        ),
        "the second client has taken its place",
    ),
    "sends-all-names-in-one": (
        *(2, 'f"{name} {datetime', "f\"{', '.join(clients.values())} {datetime"),
        "each client gets the names of all",
    ),
    "many-times-a-second": (
        *(2, "        time.sleep(3)", "        time.sleep(0.4)"),
        r"line 13: sleep\(0.4\) is the interval",
    ),
    "month-for-minutes": (2, "%H:%M:%S", "%H:%m:%S", "%m is the month"),
    "does-not-sleep": (2, "time.sleep(3)", "pass", "nothing waits between two times"),
    "client-takes-one": (
        2,
        "while True:\n    print(client",
        "if True:\n    print(client",
        "client.py has ended: the loop",
    ),
    "every-four-seconds": (5, "time.sleep(3)", "time.sleep(4)", rf"after {about(4)} s\n    .*line 12: sleep\(4\) is"),
    "begins-late-and-is-slow": (
        *(5, TIME_TCP_SERVER),
        TIME_TCP_SERVER.replace("time.sleep(3)", "pass").replace(
            "                connection.s", "                time.sleep(4)\n                connection.s"
        ),
        rf"after {about(4)} s\n    .*sleep\(4\) is the interval",
    ),
    "every-two-seconds": (2, "time.sleep(3)", "time.sleep(2)", rf"after {about(2)} s\n    .*sleep\(2\) is the int"),
    "sends-all-to-all": (
        *(2, "            server.sendto(", "            for name in list(clients.values()): server.sendto("),
        "each client gets the names of all",
    ),
    "never-flushes": (
        *(4, "    connection.sendall(answer.encode())\n    connection.close()\n"),
        '    files = connection.makefile("w", encoding="utf-8")\n    files.write(answer)\n',
        r"server.py, line \d+: what is written to a makefile\(\) is kept back",
    ),
    "too-slow": (5, "time.sleep(3)", "time.sleep(5)", rf"after {about(5)} s\n    .*line 12: sleep\(5\) is"),
    "another-interval-by-name": (
        *(2, "        time.sleep(3)"),
        *(
            "        time.sleep(PAUSE)\nPAUSE = 1",
            r"after (0\.[5-9]|1\.\d) s\n    .*line 13: sleep\(1\) is the interval",
        ),
    ),
    "times-without-names": (2, "{name} {datetime", "{datetime", "the time comes without the name"),
    "ends-with-a-client": (
        *(5, "except OSError:", "except ZeroDivisionError:"),
        "",  # the thread of that client ends alone
    ),
    "names-mixed": (
        2,
        "address, name in list(clients.items())",
        "address, name in zip(clients, ['Анна'] * 9)",
        "the name is another client's",
    ),
    "compares-a-name-in-upper-case": (
        *(7, "        print(name, self"),
        '        if name.upper() == "EXIT": return\n        print(name, self',
        "",
    ),
    "fails-in-a-handler": (6, "self.request\n", "self.request.recv(9)\n", "ended with “AttributeError: 'tuple'"),
    "no-handler": (6, "(socketserver.BaseRequestHandler)", "(socketserver.BaseRequestHandler, object)", ""),
    "one-at-a-time": (
        *(6, FRAMEWORK_UDP_SERVER),
        "import time"
        + FRAMEWORK_UDP_SERVER.partition("        answer")[0].replace("message =", "name =")
        + """        while True:
            sock.sendto(f"{name} {time.ctime()}".encode(), self.client_address)
            time.sleep(3)

with socketserver.UDPServer(("localhost", 5000), Handler) as server:
    print("Waiting for clients")
    server.serve_forever()
""",
        "ThreadingUDPServer",
    ),
    "other-framework": (
        6,
        "socketserver.UDPServer(",
        "socketserver.TCPServer(",
        "TCPServer and ThreadingTCPServer are TCP",
    ),
    "serves-in-a-thread": (
        *(6, "    server.serve_forever()"),
        *(
            "    from threading import Thread\n    Thread(target=server.serve_forever).start()\n    input()",
            "",
        ),
    ),
    "handle-of-another-class": (
        *(6, FRAMEWORK_UDP_SERVER),
        FRAMEWORK_UDP_SERVER.replace("class Handler(socketserver.BaseRequestHandler):", "class Answering:").replace(
            "socketserver.UDPServer.max",
            "class Handler(Answering, socketserver.BaseRequestHandler):\n    pass\n\nsocketserver.UDPServer.max",
        ),
        "",
    ),
    "handle-misspelt": (6, "def handle(", "def hanlde(", "no handler of yours has a method of that name"),
    "no-with-server": (
        *(6, 'with socketserver.UDPServer(("localhost", 5000), Handler) as server:\n'),
        *(
            'server = socketserver.UDPServer(("localhost", 5000), Handler)\nif True:\n',
            "the server object is made without one",
        ),
    ),
}


def write(directory: Path, server: str, client: str) -> None:
    (directory / "server.py").write_text(server, encoding="utf-8")
    (directory / "client.py").write_text(client, encoding="utf-8")


def lab(
    number: int, directory: Path, *options: str, language: str = "en", env: dict[str, str] | None = None
) -> tuple[int, str]:
    """Return the exit status and what is said."""
    command = [sys.executable, "-m", "conformance", "lab", str(number), str(directory), "--lang", language, *options]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, encoding="utf-8", check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("number", [3, 4])
def test_what_is_no_python_is_told_in_each_exercise(tmp_path: Path, number: int) -> None:
    """Also where the source says which service it is to be."""
    write(tmp_path, "import socket\nprint('waiting'\n", GOOD[4][1])
    status, said = lab(number, tmp_path, "--hint")
    assert status == 1 and "expected: server.py is a Python program\n    came: line 2: " in said, said


def test_a_server_that_goes_into_the_background_is_told_so(tmp_path: Path) -> None:
    write(tmp_path, f"import os\nif os.fork(): os._exit(0)\n{GOOD[4][0]}", GOOD[4][1])
    status, said = lab(4, tmp_path)
    assert status == 1 and "it has started another process and left it alone" in said, said


def test_a_program_that_deletes_another_is_told_so(tmp_path: Path) -> None:
    write(tmp_path, f"import os\nos.remove('client.py')\n{GOOD[4][0]}", GOOD[4][1])
    status, said = lab(4, tmp_path)
    assert status == 1 and "client.py is not there any more" in said, said


@pytest.mark.parametrize(
    ("last_act", "ending"),
    [
        ("while True: os.write(1, b'x' * 100_000)", "он печатал без конца"),
        ("os._exit(3)", "код 3"),
        ("os.abort()", "сигнал SIGABRT"),
        ("os.kill(os.getpid(), 40)", "сигнал 40"),
        ("os.kill(os.getpid(), 9)", "сигнал SIGKILL"),
    ],
)
def test_a_server_that_ends_without_a_word_is_told_how(tmp_path: Path, last_act: str, ending: str) -> None:
    """In the reader's language, and as no other mistake."""
    write(tmp_path, f"import os, sys\nwords = sys.argv\n{last_act}\n", GOOD[4][1])
    status, said = lab(4, tmp_path, language="ru")
    assert status == 1 and f"получено: он завершился: «{ending}»" in said, said
    assert ("причина" in said) == (ending == "код 3"), said


@pytest.mark.parametrize("number", GOOD)
def test_a_good_answer_takes_all_steps_of_the_assignment(tmp_path: Path, number: int) -> None:
    write(tmp_path, *GOOD[number])
    status, said = lab(number, tmp_path)
    assert status == 0, said
    assignment = said.partition("protocol\n")[0]
    assert "✗" not in assignment, said


@pytest.mark.parametrize("name", BAD)
def test_a_known_mistake_gets_its_name(tmp_path: Path, name: str) -> None:
    number, good, bad, said_of_it = BAD[name]
    server, client = GOOD[number]
    assert (good in server) + (good in client) >= 1
    write(tmp_path, server.replace(good, bad), client.replace(good, bad) if good not in server else client)
    status, said = lab(number, tmp_path, "--hint")
    if not said_of_it:
        assert status == 0, said
        return
    assert status == 1, said
    assert re.search(said_of_it, said), said
    assert said.count("✗") <= 1, said
    assert "likely cause: " not in said or "hint: " not in said, said


def test_a_file_that_is_imported_for_a_module_of_python(tmp_path: Path) -> None:
    write(tmp_path, *GOOD[6])
    (tmp_path / "server.py").rename(tmp_path / "socketserver.py")
    assert "socketserver.py stands in the way of Python's own module" in lab(6, tmp_path)[1]
    (tmp_path / "socketserver.py").rename(tmp_path / "my_server.py")
    (tmp_path / "socket.py").write_text("print('my test')\n", encoding="utf-8")
    assert "socket.py stands in the way of Python's own module" in lab(6, tmp_path)[1]


def test_a_client_that_makes_the_answer_itself(tmp_path: Path) -> None:
    """The server is to make it; a server that has it in another file does."""
    own = "text = client.recv(65535).decode()\nprint(text, text[::-1], text.upper(), len(text))"
    client = ECHO_UDP_CLIENT.replace("print(client.recvfrom(65535)[0].decode())", own)
    answer = ECHO_UDP_SERVER.partition("    answer")[0] + "    server.sendto(data, address)\n"
    write(tmp_path, answer, client)
    status, said = lab(1, tmp_path)
    assert status == 1 and "server.py turns no text round and puts none in upper case, client.py does" in said, said
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "texts.py").touch()
    write(tmp_path, f"from work import texts\n{answer}", client)
    status, said = lab(1, tmp_path)
    assert status == 0, said


def test_a_client_that_looks_at_its_own_clock(tmp_path: Path) -> None:
    client = """
import socket, time
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.sendto(input("Name: ").encode(), ("127.0.0.1", 5000))
print("connected")
name = client.recv(1024).decode()
while True:
    print(name, time.ctime())
    time.sleep(3)
"""
    server = ECHO_UDP_SERVER.partition("    answer")[0] + "    server.sendto(data, address)\n"
    write(tmp_path, server, client)
    status, said = lab(2, tmp_path)
    assert status == 1 and "server.py looks at no clock, client.py does" in said, said


def test_a_body_that_is_empty_has_no_hole(tmp_path: Path) -> None:
    file = tmp_path / "server.py"
    file.write_text('def f():\n    """Do it."""\n    ...\ntry:\n    f()\nexcept OSError: ...\nclass A: ...\n')
    assert Source(file).holes() == []
    file.write_text("Address = tuple[str, ...]\ndef f(*parts: Callable[..., str]) -> dict[tuple[int, ...], str]: ...\n")
    assert Source(file).holes() == []
    file.write_text("f()\n...\nx = ...")
    assert Source(file).holes() == [2, 3]


def test_a_hole_is_no_cause_of_what_fails_elsewhere(tmp_path: Path) -> None:
    write(tmp_path, ECHO_UDP_SERVER.replace("upper()", "loud()"), f"{ECHO_UDP_CLIENT}\nlater = ...")
    _, said = lab(1, tmp_path)
    assert "server.py ended with “AttributeError" in said and "to be filled" not in said, said


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_answer_takes_all_steps(tmp_path: Path, name: str) -> None:
    number, server, client = UNUSUAL[name]
    write(tmp_path, server, client)
    status, said = lab(number, tmp_path, "--all")
    assert (status, said.count("✗")) == (0, 0), said


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_in_an_unusual_answer_is_seen(tmp_path: Path, name: str) -> None:
    right, good, bad, said_of_it = WRONG[name]
    number, server, client = UNUSUAL[right]
    assert (good in server) + (good in client) == 1
    write(tmp_path, server.replace(good, bad), client.replace(good, bad))
    status, said = lab(number, tmp_path)
    assert (status, said.count("✗")) == (1, 1), said
    assert re.search(said_of_it, said), said


@pytest.mark.parametrize(
    ("server", "opened"),
    [(UNUSUAL["wrapped"][1], []), (ECHO_UDP_SERVER, [("beside.py", 3)])],
    ids=["with", "without"],
)
def test_a_program_may_be_in_a_module_beside_it(tmp_path: Path, server: str, opened: list[tuple[str, int]]) -> None:
    (tmp_path / "beside.py").write_text(server, encoding="utf-8")
    (tmp_path / "server.py").write_text("import beside", encoding="utf-8")
    source = Source(tmp_path / "server.py")
    assert (source.service, source.opened_without_with(), source.opens_sockets) == ("echo", opened, True)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    write(tmp_path, "\0", ECHO_UDP_CLIENT)
    status, said = lab(1, tmp_path)
    assert (status, "None" in said) == (1, False), said


def test_a_name_that_comes_once(tmp_path: Path) -> None:
    server, client = GOOD[5]
    named = server.replace("        try:", "        connection.sendall(name.encode())\n        try:")
    write(tmp_path, named.replace("{name} {datetime", "{datetime"), client)
    status, said = lab(5, tmp_path)
    assert (status, "the time comes without the name" in said) == (1, True), said


def test_a_client_that_sleeps_shows_an_old_time(tmp_path: Path) -> None:
    server, client = GOOD[2]
    sleeping = f"import time{client}    time.sleep(3)\n"
    write(tmp_path, server.replace("time.sleep(3)", "time.sleep(1)"), sleeping)
    status, said = lab(2, tmp_path)
    assert (status, "✗ the time is that of now" in said) == (1, True), said
    assert "client.py, line 8: while the client sleeps, what has come waits" in said, said
    write(tmp_path, server, sleeping)
    status, said = lab(2, tmp_path)
    assert status == 0, said


def test_a_client_that_prints_on_when_its_connection_is_closed(tmp_path: Path) -> None:
    server, client = GOOD[5]
    spinning = client.replace("while data := client.recv(1024):", "while True:\n        data = client.recv(1024)")
    ending = server.replace("            while True:\n", "            if True:\n")
    write(tmp_path, ending, spinning.replace(', end=""', ""))
    status, said = lab(5, tmp_path)
    assert (status, "client.py prints without end: over TCP recv() returns b''" in said) == (1, True), said


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="there is no IPv6")
def test_a_client_of_another_family(tmp_path: Path) -> None:
    server, client = GOOD[4]
    server = server.replace('(("localhost", 5000))', '(("::1", 5000), family=socket.AF_INET6)')
    opened = "socket.socket()\nclient.connect"
    write(tmp_path, server, client.replace('socket.create_connection(("localhost"', f'{opened}(("127.0.0.1"'))
    status, said = lab(4, tmp_path)
    assert status == 1 and "the server waits at ::1, and client.py has a socket of IPv4" in said, said


def test_two_that_receive_first(tmp_path: Path) -> None:
    server, client = GOOD[4]
    server = server.replace('makefile(encoding="utf-8", newline="\\n").readline()', "recv(1024).decode()")
    write(tmp_path, server, client.replace("client.sendall", "print(client.recv(99))\nclient.sendall"))
    status, said = lab(4, tmp_path)
    assert status == 1 and "client.py, line 5: the client receives before it has sent" in said, said


def test_one_client_that_leaves_stops_all(tmp_path: Path) -> None:
    write(tmp_path, ONE_LOOP_SERVER, TIME_TCP_CLIENT)
    status, said = lab(5, tmp_path, "--all")
    assert (status, said.count("✗")) == (1, 1), said
    assert "Борис gets the time after Анна has left" in said


def test_a_server_that_ends_costs_one_step(tmp_path: Path) -> None:
    write(tmp_path, ECHO_UDP_SERVER.replace("    message =", "    if not data: break\n    message ="), ECHO_UDP_CLIENT)
    status, said = lab(1, tmp_path, "--all")
    assert (status, said.count("✗")) == (1, 1), said
    assert "✗ an empty message has an answer" in said


def test_a_server_that_prints_without_end(tmp_path: Path) -> None:
    write(tmp_path, ECHO_UDP_SERVER.replace("while True:", "while True: print('x' * 1000)\nif True:"), ECHO_UDP_CLIENT)
    status, said = lab(1, tmp_path)
    assert status == 1, said
    assert "“it printed without end”" in said  # it has opened its port before that, or it is ended too early for it


def test_a_server_that_sends_no_time_fails_each_step_that_needs_one(tmp_path: Path) -> None:
    server, client = GOOD[2]
    write(tmp_path, server.replace("threading.Thread(target=send, daemon=True).start()\n", ""), client)
    status, said = lab(2, tmp_path, "--all")
    assert status == 1, said
    assert "✗ the time is that of now" in said


def test_a_server_that_never_waits_costs_no_step(tmp_path: Path) -> None:
    wait = "    data, address = server.recvfrom(65535)\n"
    never = f"    try:\n    {wait}    except BlockingIOError:\n        continue\n"
    busy = ECHO_UDP_SERVER.replace("while True:", "server.setblocking(False)\nwhile True:").replace(wait, never)
    write(tmp_path, busy, ECHO_UDP_CLIENT)
    status, said = lab(1, tmp_path)
    assert (status, said.count("a remark: the server keeps a processor busy")) == (0, 1), said


def test_a_good_server_gets_no_remark(tmp_path: Path) -> None:
    write(tmp_path, ECHO_UDP_SERVER, ECHO_UDP_CLIENT)
    assert "a remark" not in lab(1, tmp_path)[1]


def test_a_connection_without_with_is_remarked_and_costs_no_step(tmp_path: Path) -> None:
    write(tmp_path, TIME_TCP_SERVER.replace("with connection", "if connection"), TIME_TCP_CLIENT)
    status, said = lab(5, tmp_path)
    assert (status, said.count("a remark: ")) == (0, 1) and "no with block closes the connection" in said, said


CHANGING_SERVER = """
import socket, threading, time
clients = []

def send():
    while True:
        for client, name in clients:
            try:
                client.sendall(f"{name} {time.strftime('%H:%M:%S')}\\n".encode())
            except OSError:
                clients.remove((client, name))
        time.sleep(3)

threading.Thread(target=send, daemon=True).start()
with socket.create_server(("localhost", 5000)) as server:
    print("Waiting for clients", flush=True)
    while True:
        client, address = server.accept()
        print(address, flush=True)
        name = client.recv(1024).decode().strip()
        client.sendall(f"{name} {time.strftime('%H:%M:%S')}\\n".encode())
        clients.append((client, name))
"""
"""It forgets a client in the loop over all, and passes over the next one."""


def test_a_list_that_changes_in_its_loop_is_the_cause(tmp_path: Path) -> None:
    write(tmp_path, CHANGING_SERVER, TIME_TCP_CLIENT)
    status, said = lab(5, tmp_path)
    assert status == 1 and "✗ when one client leaves, the other goes on" in said, said
    assert "server.py, line 11: the loop goes over clients while something is taken out of it" in said, said


def test_a_server_of_socketserver_in_a_with_is_a_socket_in_a_with(tmp_path: Path) -> None:
    """Exercise 5 does not ask for the framework, nor forbid it."""
    server, client = GOOD[7]
    write(tmp_path, server, client)
    status, said = lab(5, tmp_path)
    assert status == 0, said


def test_programs_may_be_in_a_package(tmp_path: Path) -> None:
    package = tmp_path / "echo"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "common.py").write_text("ADDRESS = 'localhost', 5000\n")
    server, client = (
        f"from .common import ADDRESS{program}".replace('("localhost", 5000)', "ADDRESS") for program in GOOD[1]
    )
    write(package, server, client)
    status, said = lab(1, tmp_path)
    assert status == 0, said


def test_programs_may_be_packages_of_their_own(tmp_path: Path) -> None:
    server, client = GOOD[1]
    files = {
        "server/__init__.py": "",
        "server/__main__.py": "from server.app import run\nrun()\n",
        "server/app.py": f"def run():\n{textwrap.indent(server, '    ')}",
        "client/__main__.py": client,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    status, said = lab(1, tmp_path)
    assert status == 0, said
    assert lab(3, tmp_path)[1].count("app.py opens its socket in a with block") == 1


def test_an_error_that_stops_nothing_is_remarked(tmp_path: Path) -> None:
    fails = "__import__('threading').Thread(target=int, args=['x']).start()\nwhile True:"
    write(tmp_path, ECHO_UDP_SERVER.replace("while True:", fails), ECHO_UDP_CLIENT)
    status, said = lab(1, tmp_path)
    assert (status, said.count("a remark: the server printed an error and went on: “ValueError")) == (0, 1), said


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="asyncio sends empty datagrams since Python 3.13")
def test_an_empty_message_that_is_not_sent(tmp_path: Path) -> None:
    write(tmp_path, ECHO_UDP_SERVER, ASYNCIO_UDP_CLIENT)
    status, said = lab(1, tmp_path, "--all")
    assert (status, said.count("✗")) == (1, 1), said
    assert "sends no empty datagram" in said


def test_a_file_in_another_encoding(tmp_path: Path) -> None:
    write(tmp_path, ECHO_UDP_SERVER, ECHO_UDP_CLIENT)
    (tmp_path / "server.py").write_bytes(ECHO_UDP_SERVER.encode("cp1251"))
    status, said = lab(1, tmp_path)
    assert (status, "save it as UTF-8" in said) == (1, True), said
    (tmp_path / "server.py").write_bytes(f"# coding: cp1251{ECHO_UDP_SERVER}".encode("cp1251"))
    assert lab(1, tmp_path)[0] == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_terminal_breaks_no_word(tmp_path: Path, language: str) -> None:
    write(tmp_path, ECHO_UDP_SERVER.replace("message[::-1]", "message"), ECHO_UDP_CLIENT)
    terminal = {**os.environ, "FORCE_COLOR": "1", "TERM": "dumb"}  # 80 columns
    words = lab(1, tmp_path, "--hint", language=language)[1].split()
    status, said = lab(1, tmp_path, "--hint", language=language, env=terminal)
    assert (status, said.split()) == (1, words)
    assert max(map(len, said.splitlines())) <= 80


def test_only_the_steps_of_the_wanted_levels_are_counted(tmp_path: Path) -> None:
    write(tmp_path, ECHO_UDP_SERVER, ECHO_UDP_CLIENT)
    assert "exercise 1: 7 of 7\n" in lab(1, tmp_path)[1]


def test_nothing_is_judged_without_two_programs(tmp_path: Path) -> None:
    status, said = lab(1, tmp_path)
    assert (status, said.count("\n")) == (2, 1), said
    assert "no Python files" in said


def test_a_client_by_spec_md_and_a_server_that_needs_no_words(tmp_path: Path) -> None:
    words = "import argparse\nwords = argparse.ArgumentParser()\n"
    words += "words.add_argument('service')\nwords.add_argument('text')\n"
    write(tmp_path, ECHO_UDP_SERVER, words + ECHO_UDP_CLIENT.replace('input("Сообщение: ")', "words.parse_args().text"))
    status, said = lab(1, tmp_path, "--all")
    assert (status, said.count("✗")) == (0, 0), said


def test_a_traceback_is_no_menu(tmp_path: Path) -> None:
    fails = "def find(a):\n    a.index('?')\n\nb = []\nb.extend(find([input()]))\n"
    write(tmp_path, ECHO_UDP_SERVER, ECHO_UDP_CLIENT.partition("client.sendto")[0] + fails)
    status, said = lab(1, tmp_path)
    assert (status, "client.py ended with “ValueError" in said, "menu" in said) == (1, True, False), said


def test_only_the_number_is_required() -> None:
    command = [sys.executable, "-m", "conformance", "lab", "--lang", "en"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr.endswith("required: N\n")) == (2, True), done.stderr


@pytest.mark.parametrize(
    ("server", "client"),
    [
        ("сервер.py", "клиент.py"),
        ("udp_srv.py", "udp-cl.py"),
        ("server/main.py", "client/main.py"),
    ],
)
def test_programs_are_found_by_their_names(tmp_path: Path, server: str, client: str) -> None:
    for name in server, client:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_submission([tmp_path])
    assert found == (tmp_path / server, tmp_path / client)


def test_programs_are_found_by_what_they_do(tmp_path: Path) -> None:
    (tmp_path / "first.py").write_text(ECHO_UDP_SERVER, encoding="utf-8")
    (tmp_path / "second.py").write_text(ECHO_UDP_CLIENT, encoding="utf-8")
    status, said = lab(1, tmp_path)
    assert status == 0, said
