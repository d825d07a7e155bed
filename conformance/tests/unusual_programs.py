"""Answers to exercises in styles that are seldom seen: right ones, and the changes that make them wrong."""

ONE_LINE_SERVER = """
import socket
with socket.create_server(("", 5000)) as server:
    print("Жду клиентов")
    while True:
        connection, address = server.accept()
        with connection, connection.makefile(encoding="utf-8") as lines:
            print("подключён", address)
            text = lines.readline().rstrip("\\n")
            answer = f"«{text}» | «{text[::-1]}» | «{text.upper()}» | {len(text)} | слов: {len(text.split())}"
            connection.sendall(answer.encode())
"""
ONE_LINE_CLIENT = """
import socket
with socket.create_connection(("localhost", 5000)) as client:
    print("Есть связь с", client.getpeername()[0])
    client.sendall((input("Сообщение (пустое тоже можно): ") + "\\n").encode())
    print("=== Ответ сервера ===")
    print(client.makefile(encoding="utf-8").read())
"""
WRAPPED_SERVER = """
import logging, socket
from datetime import datetime
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")

def bound(port):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((socket.gethostbyname(socket.gethostname()), port))
    return server

with bound(5000) as server:
    logging.info("ожидание клиентов")
    while True:
        data, address = server.recvfrom(65535)
        logging.info("%s, клиент с адреса %s", datetime.now(), address[0])
        text = data.decode("utf-16")
        for part in text, text[::-1], text.upper(), str(len(text)):
            server.sendto(part.encode("utf-16"), address)
"""
WRAPPED_CLIENT = """
import socket
class Client:
    def __init__(self):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    def run(self):
        with self.sock:
            print("Verbunden")
            while not (text := input("Сообщение: ")):
                pass
            self.sock.sendto(text.encode("utf-16"), (socket.gethostname(), 5000))
            for _ in range(4):
                print(self.sock.recv(65535).decode("utf-16"))
Client().run()
"""
ONCE_SERVER = """
from datetime import datetime
from socketserver import StreamRequestHandler as Base, TCPServer

class Named(Base):
    def setup(self):
        super().setup()
        print("клиент", self.client_address)

class Handler(Named):
    def handle(self):
        text = self.rfile.readline().decode().strip()
        parts = text, text[::-1], text.upper(), str(len(text)), datetime.now().strftime("сейчас %H:%M:%S")
        self.wfile.write("\\n".join(parts).encode())

class Server(TCPServer):
    pass

class Own(Server):
    pass

with Own(("localhost", 5000), Handler) as server:
    print("Ожидание")
    server.handle_request()
"""
COMMON_CLOCK_SERVER = """
import socket, threading, time
from datetime import datetime
clients = {}
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", 5000))
print("Waiting for clients")
START = datetime.now()

def now(name):
    return f"{name}: 05.11.2026 {datetime.now():%H:%M:%S}, с нами с {datetime.now():%H:%M}".encode()

def send():
    while True:
        for address, name in list(clients.items()):
            server.sendto(now(name), address)
        time.sleep(3)

threading.Thread(target=send, daemon=True).start()
while True:
    data, address = server.recvfrom(1024)
    clients[address] = data.decode()
    print("client", address)
    server.sendto(now(data.decode()), address)
"""
REWRITING_CLIENT = """
import socket
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
name = input("Name: ")
print(f"connected, {name}")
client.sendto(name.encode(), ("127.0.0.1", 5000))
while True:
    print("\\r" + client.recv(1024).decode(), end="", flush=True)
"""
ONE_LOOP_SERVER = """
import socket, threading, time
clients = {}

def send():
    while True:
        for connection, name in list(clients.items()):
            connection.sendall(f"{name} {time.ctime()}\\n".encode())
        time.sleep(3)

with socket.create_server(("localhost", 5000)) as server:
    threading.Thread(target=send, daemon=True).start()
    print("Waiting for clients")
    while True:
        connection, address = server.accept()
        name = connection.recv(1024).decode().strip()
        print(name, address)
        clients[connection] = name
"""
ANY_PORT_SERVER = """
from socket import *
with socket(AF_INET, SOCK_DGRAM) as server:
    server.bind(("", 0))
    print("Ожидаю клиентов на порту", server.getsockname()[1])
    while True:
        data, address = server.recvfrom(65535)
        text = data.decode()
        print("Клиент", address)
        server.sendto("\\n".join((text, text[::-1], text.upper(), str(len(text)))).encode(), address)
"""
ASKING_CLIENT = """
from socket import *
host = input("Адрес сервера: ")
port = int(input("Порт: "))
with socket(AF_INET, SOCK_DGRAM) as client:
    print("Подключено")
    while True:
        print("0. Выход")
        print("1. Отправить сообщение")
        if input("Ваш выбор: ") != "1":
            break
        text = input("Сообщение: ")
        if input("Отправить? (д/н) ") == "д":
            client.sendto(text.encode(), (host, port))
            print(client.recv(65535).decode())
"""
MENU_CLIENT = """
import socket
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
if input("1 - выйти, 2 - получать время: ") == "2":
    client.sendto(input("Имя: ").encode(), ("127.0.0.1", 5000))
    print("Подключено")
    while True:
        print(client.recv(1024).decode())
"""
WORD_CLIENT = """
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.sendto(sys.argv[1].encode(), ("127.0.0.1", 5000))
print("connected")
while True:
    print(client.recv(1024).decode())
"""
SERVICE_CLIENT = """
import argparse, socket
words = argparse.ArgumentParser()
words.add_argument("service")
words.add_argument("name")
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    client.sendto(words.parse_args().name.encode(), ("127.0.0.1", 5000))
    print("connected")
    while True:
        print(client.recv(1024).decode())
"""
DIGEST_SERVER = """
import hashlib, socket
with socket.create_server(("localhost", 5000)) as server:
    print("Жду клиентов")
    while True:
        connection, address = server.accept()
        with connection, connection.makefile("rw", encoding="utf-8") as lines:
            print("подключён", address)
            text = lines.readline().rstrip("\\n")
            parts = text, text[::-1], text.upper(), len(text), hashlib.md5(text.encode()).hexdigest()
            print(*parts, sep="\\n", file=lines, flush=True)
"""
COUNTING_CLIENT = """
import socket
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print("Connected")
for number in range(int(input("How many messages do you want to send? "))):
    client.sendto(input(f"Message {number + 1}: ").encode(), ("127.0.0.1", 5000))
    print(client.recv(65535).decode())
"""
CHOOSING_SERVER = """
from socket import *
with socket(AF_INET, SOCK_DGRAM) as server:
    server.bind(("", 5000))
    print("Ожидаю клиентов")
    while True:
        data, address = server.recvfrom(65535)
        choice, text = data.decode().split(":", 1)
        print("Клиент", address)
        parts = text, text[::-1], text.upper(), str(len(text))
        server.sendto("\\n".join(parts if choice == "5" else parts[int(choice) - 1 :][:1]).encode(), address)
"""
CHOOSING_CLIENT = """
from socket import *
with socket(AF_INET, SOCK_DGRAM) as client:
    print("Подключено")
    text = input("Сообщение: ")
    print("1. Само сообщение", "2. Наоборот", "3. Заглавными", "4. Длина", "5. Всё сразу", sep="\\n")
    client.sendto((input("Выберите операцию: ") + ":" + text).encode(), ("localhost", 5000))
    print(client.recv(65535).decode())
"""
TABLE_CLIENT = """
import socket, textwrap
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print("Подключено")
client.sendto(input("Сообщение: ").encode(), ("127.0.0.1", 5000))
print("┌" + "─" * 54 + "┐")
for name, part in zip(["сообщение", "наоборот", "заглавными", "длина"], client.recv(65535).decode().split("\\n")):
    for place, line in enumerate(textwrap.wrap(part, 40) or [""]):
        print(f"│ {str() if place else name:<11}│{line:<41}│")
print("└" + "─" * 54 + "┘")
"""
ENTER_CLIENT = """
import socket
print("Подключено")
text = input("Сообщение: ").encode()
input("Нажмите Enter для отправки...")
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    client.sendto(text, ("127.0.0.1", 5000))
    print(client.recv(65535).decode())
"""
TOWN_CLIENT = """
import socket
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
name = input("Имя: ")
town = input("Город: ")
age = int(input("How old are you? "))
client.sendto(f"{name} ({town})".encode(), ("127.0.0.1", 5000))
print("Подключено")
while True:
    print(client.recv(1024).decode())
"""
CHAT_SERVER = """
import socket, threading
def serve(connection, address):
    with connection, connection.makefile(encoding="utf-8", newline="\\n") as lines:
        name = connection.recv(1024).decode()
        print(name, address)
        connection.sendall(b"OK")
        for line in lines:
            text = line[:-1]
            parts = text, text[::-1], text.upper(), str(len(text)), f"слов: {len(text.split())}"
            connection.sendall("#".join(parts).encode() + b"\\n")

with socket.create_server(("localhost", 5000)) as server:
    print("Жду клиентов")
    while True:
        threading.Thread(target=serve, args=server.accept(), daemon=True).start()
"""
CHAT_CLIENT = """
import socket
with socket.create_connection(("localhost", 5000)) as client, client.makefile(encoding="utf-8") as lines:
    name = input("Ник: ")
    client.sendall(name.encode())
    print("Вы подключены как", name, client.recv(2).decode())
    while True:
        client.sendall((input("Ввод: ") + "\\n").encode())
        print(lines.readline().replace("#", "\\n"))
        if input("Ещё? (д/н): ") != "д":
            break
"""
FUNCTION_CLIENT = """
import socket

def ask(prompt, default=""):
    return input(f"{prompt} [{default}]: " if default else f"{prompt}: ") or default

address = ask("Хост", "127.0.0.1"), int(ask("Порт", "5000"))
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print("Подключено")
client.sendto(ask("Сообщение").encode(), address)
print(client.recv(65535).decode())
"""
BESIDE_CLIENT = """
import asyncio, socket

async def run():
    port = await asyncio.to_thread(input, "Порт: ")
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    print("Подключено")
    client.sendto((await asyncio.to_thread(input, "Сообщение: ")).encode(), ("127.0.0.1", int(port)))
    print(client.recv(65535).decode())

asyncio.run(run())
"""
STAMPING_CLIENT = """
import socket, time

def tell(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}")

client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
tell("Подключено")
client.sendto(input("Имя: ").encode(), ("127.0.0.1", 5000))
tell("Имя отправлено")
tell("Жду время")
while True:
    tell(client.recv(1024).decode())
"""
LOGGING_CLIENT = """
import logging, socket
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
logging.info("connected")
name = input("Name: ")
logging.info("the name is %s", name)
client.sendto(name.encode(), ("127.0.0.1", 5000))
logging.info("sent")
while True:
    logging.info(client.recv(1024).decode())
"""
UNUSUAL = {
    "one-line": (4, ONE_LINE_SERVER, ONE_LINE_CLIENT),
    "adds-in-brackets": (
        4,
        ONE_LINE_SERVER.replace("| слов: {len(text.split())}", "({len(text.encode())} bytes)"),
        ONE_LINE_CLIENT,
    ),
    "says-where": (4, ONE_LINE_SERVER, ONE_LINE_CLIENT.replace("getpeername()[0]", "getpeername()")),
    "spaces-alone": (
        *(4, ONE_LINE_SERVER.replace(" | слов: ", " ").replace(" | ", " ").replace("«", "").replace("»", "")),
        ONE_LINE_CLIENT,
    ),
    "wrapped": (3, WRAPPED_SERVER, WRAPPED_CLIENT),
    "one-request": (7, ONCE_SERVER, ONE_LINE_CLIENT),
    "common-clock": (2, COMMON_CLOCK_SERVER, REWRITING_CLIENT),
    "asks-much": (3, ANY_PORT_SERVER, ASKING_CLIENT),
    "asked-for-its-port": (
        3,
        ANY_PORT_SERVER.replace('("", 0)', '(input("IP-адрес: "), int(input("Порт (1024-65535): ")))'),
        ASKING_CLIENT,
    ),
    "asked-for-the-clients-port": (2, COMMON_CLOCK_SERVER.replace("5000", 'int(input("Port: "))'), WORD_CLIENT),
    "told-its-port": (3, ANY_PORT_SERVER.replace("0)", 'int(input("Порт [5999]: ")))'), ASKING_CLIENT),
    "has-a-menu": (2, COMMON_CLOCK_SERVER, MENU_CLIENT),
    "takes-a-word": (2, COMMON_CLOCK_SERVER, WORD_CLIENT),
    "takes-a-service": (2, COMMON_CLOCK_SERVER, SERVICE_CLIENT),
    "sends-on-enter": (
        *(1, ANY_PORT_SERVER.replace("0)", "5000)").replace('"Клиент", address', '"Клиент, порт", address[1]')),
        ENTER_CLIENT,
    ),
    "asks-for-a-town": (2, COMMON_CLOCK_SERVER, TOWN_CLIENT),
    "asks-for-a-nickname": (4, CHAT_SERVER, CHAT_CLIENT),
    "adds-base64": (
        4,
        DIGEST_SERVER.replace("hashlib", "base64").replace(
            "md5(text.encode()).hexdigest", "b64encode(text.encode()).decode"
        ),
        ONE_LINE_CLIENT,
    ),
    "adds-a-digest": (4, DIGEST_SERVER, ONE_LINE_CLIENT),
    "asks-in-a-function": (1, ANY_PORT_SERVER, FUNCTION_CLIENT),
    "asks-beside-its-loop": (1, ANY_PORT_SERVER, BESIDE_CLIENT),
    "stamps-its-lines": (2, COMMON_CLOCK_SERVER, STAMPING_CLIENT),
    "logs-what-comes": (2, COMMON_CLOCK_SERVER, LOGGING_CLIENT),
    "logs-in-another-form": (
        *(2, COMMON_CLOCK_SERVER),
        LOGGING_CLIENT.replace('message)s"', 'message)s", datefmt="%H:%M:%S"'),
    ),
    "asks-how-many": (1, ANY_PORT_SERVER.replace("0)", "5000)"), COUNTING_CLIENT),
    "asks-which-part": (3, CHOOSING_SERVER, CHOOSING_CLIENT),
    "draws-a-table": (1, ANY_PORT_SERVER.replace("0)", "5000)"), TABLE_CLIENT),
}
WRONG = {
    # name: the right one, what stands there, what stands there instead, what the verdict says
    "a-heading-is-no-addition": (
        "one-line",
        " | слов: {len(text.split())}",
        "",
        "the addition that exercise 4 asks for",
    ),
    "an-address-is-no-addition": (
        "says-where",
        " | слов: {len(text.split())}",
        "",
        "the addition that exercise 4 asks for",
    ),
    "spaces-are-no-addition": (
        "spaces-alone",
        " {len(text.split())}",
        "",
        "the addition that exercise 4 asks for",
    ),
    "numbers-of-parts-are-no-addition": (
        "spaces-alone",
        "{text} {text[::-1]} {text.upper()} {len(text)} {len(text.split())}",
        "1) {text} 2) {text[::-1]} 3) {text.upper()} 4) {len(text)} символов",
        "the addition that exercise 4 asks for",
    ),
    "a-log-has-no-time-of-the-server": (
        "logs-what-comes",
        " 05.11.2026 {datetime.now():%H:%M:%S}, с нами с {datetime.now():%H:%M}",
        "",
        "the name comes, and no time of the day beside it",
    ),
    "stamps-do-not-hide-a-clock-read-once": (
        "stamps-its-lines",
        "{datetime.now():%H:%M:%S}, с нами с {datetime.now():%H:%M}",
        "{START:%H:%M:%S}",
        "read once",
    ),
    "an-address-is-no-zero": (
        *("one-line", 'rstrip("\\n")', 'rstrip("\\n")\n            if not text: continue'),
        "the number 0 for an empty message",
    ),
    "a-traceback-is-no-word": (
        "one-line",
        'print("Есть связь с", client.getpeername()[0])',
        "connect()",
        "the word “conn",
    ),
    "a-port-twice": ("wrapped", "    return server", "    return bound(port)", "one port is bound twice"),
    "wants-words": ("wrapped", "bound(5000)", 'bound(__import__("sys").argv[1])', "it wants words after its name"),
    "has-no-upper": ("wrapped", "text.upper()", "text", r"upper case\n    came: .*\nexercise"),
    "reversed-and-printed": ("one-line", "text[::-1]", "text.encode()[::-1]", "the bytes were reversed"),
    "clock-read-once": (
        "common-clock",
        "{datetime.now():%H:%M:%S}, с нами с {datetime.now():%H:%M}",
        "{START:%H:%M:%S}",
        "read once",
    ),
    "sends-twice": (
        *(
            "common-clock",
            "        time.sleep(3)",
            "            server.sendto(now(name), address)\n        time.sleep(3)",
        ),
        "after 0",
    ),
    "asks-and-lacks-a-part": ("asks-much", "text.upper()", "text", r"upper case\n    came: .*\nexercise"),
    "asks-and-gets-nothing": (
        "has-a-menu",
        "server.sendto(now(",
        'server.sendto(b"" and (',
        r"Анна, [\d:]+\n    came: .*\nexercise",
    ),
    "asks-a-riddle": ("asks-much", '"Порт: "', '"Пароль: "', "client.py asks more than one question"),
    "waits-for-enter": (
        *("asked-for-its-port", 'input("IP-адрес: ")', '"" * len(input("Нажмите Enter"))'),
        "it waits for something to be typed",
    ),
    "takes-two-words": ("takes-a-word", "argv[1]", "argv[2]", "client.py was started with one word"),
    "no-time-of-day": (
        "has-a-menu",
        "05.11.2026 {datetime.now():%H:%M:%S}, с нами с {datetime.now():%H:%M}",
        "{time.time()}",
        "seconds since 1970",
    ),
    "greets-by-name": ("common-clock", "{name}: 05", "05", "on the client's screen: Анна"),
    "a-digest-has-no-zero": (
        *("adds-a-digest", "text = lines.readline()", "text = (lines.readline().strip() or '-')"),
        "an answer came, but no 0",
    ),
    "a-nickname-is-no-message": (
        "asks-for-a-nickname",
        "for line in lines",
        "for line in [name + '.']",
        "on the client's screen: the message",
    ),
    "a-table-without-a-part": ("draws-a-table", "[::-1], ", "[::-2], ", "the message reversed"),
}
