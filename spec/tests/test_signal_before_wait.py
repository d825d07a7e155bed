"""CLI-6, SRV-8: a signal that comes just before a call that waits. The system does not end that call.

The programs run with a C library that makes the moment before such calls longer.
"""

import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from spec.replies import build_reply

PATIENCE = 30
ROOT = Path(__file__).parents[2]
PACKAGES = sorted(path.name for path in ROOT.glob("impl_*"))
LINGER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

static void linger(void) {
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < 100);
}

#define BEFORE(condition, type, name, parameters, arguments) \
    type name parameters { \
        type (*original) parameters = dlsym(RTLD_NEXT, #name); \
        if (condition) linger(); \
        return original arguments; \
    }

BEFORE(timeout, int, poll, (struct pollfd *files, nfds_t count, int timeout), (files, count, timeout))
BEFORE(timeout, int, epoll_wait, (int set, struct epoll_event *events, int count, int timeout),
       (set, events, count, timeout))
BEFORE(1, int, select, (int count, fd_set *in, fd_set *out, fd_set *other, struct timeval *timeout),
       (count, in, out, other, timeout))
BEFORE(file == 0, ssize_t, read, (int file, void *buffer, size_t size), (file, buffer, size))
"""


@pytest.fixture(scope="module")
def preload(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the path of the library, which the dynamic linker of Linux puts before the others."""
    compiler = shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("needs Linux and a C compiler")
    folder: Path = tmp_path_factory.mktemp("linger")
    (folder / "linger.c").write_text(LINGER, encoding="ascii")
    library = str(folder / "linger.so")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, folder / "linger.c", "-ldl"], check=True)
    return library


def start(preload: str, module: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"LD_PRELOAD": preload, "PYTHONPATH": str(ROOT)},
    )


def ends_at_a_signal(process: "subprocess.Popen[str]", status: int) -> None:
    """Send it while the program lingers."""
    process.send_signal(signal.SIGTERM)
    try:
        assert process.wait(PATIENCE) == status
    finally:
        process.kill()


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_server(package: str, transport: str, preload: str) -> None:
    with start(preload, f"{package}.{transport}_server", "time", "--port", "0") as process:
        assert process.stdout
        process.stdout.readline()
        ends_at_a_signal(process, 0)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_client_that_waits_for_its_input(package: str, preload: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        with start(preload, f"{package}.tcp_client", "echo", "--host", "127.0.0.1", "--port", port) as process:
            connection, _ = listener.accept()
            with connection:
                ends_at_a_signal(process, 1)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_tcp_client(package: str, preload: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        options = "--host", "127.0.0.1", "--port", port, "--timeout", "3600"
        with start(preload, f"{package}.tcp_client", "echo", *options, "hi") as process:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1)
                ends_at_a_signal(process, 1)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_subscribed_udp_client(package: str, preload: str) -> None:
    ok = build_reply("OK", ("name", "Анна"), ("interval", "3600"), ("lease", "14400"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = str(server.getsockname()[1])
        with start(preload, f"{package}.udp_client", "time", "--host", "127.0.0.1", "--port", port, "Анна") as process:
            assert process.stdout
            _, client = server.recvfrom(2048)
            server.sendto(build_reply("CHALLENGE", ("token", "abc")), client)
            while b"token" not in server.recv(2048):
                pass
            server.sendto(ok, client)
            tick = ("name", "Анна"), ("time", "2026-11-23T09:00:00.000Z"), ("seq", "1")
            server.sendto(build_reply("TICK", *tick), client)
            while not process.stdout.readline().startswith("Анна"):
                pass
            ends_at_a_signal(process, 0)
