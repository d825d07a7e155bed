"""A loopback network of one's own, in which a port is free whatever else runs on the machine (Linux)."""

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import psutil

from conformance import ROOT
from conformance.targets.terms import Transport

NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000  # CLONE_NEWUSER, CLONE_NEWNET of <sched.h>
SET_ADDRESS, SET_MASK, GET_FLAGS, SET_FLAGS = 0x8916, 0x891C, 0x8913, 0x8914  # SIOC… of <bits/ioctls.h>
UP = 0x1  # IFF_UP
LOOPBACK = "127.0.0.1"


def enter_own_network() -> bool:
    """Move this process, and what it starts, into a new network that has the loopback interface alone.

    The machine's own IPv4 addresses are there too, for programs that look theirs up. Return False where that is not
    possible: on other systems, without the permission, and after a second thread has been started.
    """
    if sys.platform != "linux":
        return False
    addresses = [
        known.address
        for each in psutil.net_if_addrs().values()
        for known in each
        if known.family == socket.AF_INET and not known.address.startswith("127.")
    ]
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEW_NETWORK) != 0:
        if libc.unshare(NEW_USER | NEW_NETWORK) != 0:
            return False
        for name, ids in ("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1"):
            with contextlib.suppress(OSError):  # then the process has no name for its user, and the same rights
                Path("/proc/self", name).write_text(ids, encoding="ascii")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        _bring_up(sock, b"lo")
        for number, address in enumerate(addresses):
            with contextlib.suppress(OSError):
                _add(sock, f"lo:{number}".encode(), address)
    return True


def free_port(transport: Transport) -> int:
    """Return a port of the loopback address that nobody has bound."""
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind((LOOPBACK, 0))
        port: int = sock.getsockname()[1]
        return port


def has_own_network() -> bool:
    """Return whether a process can have a network of its own here; it is tried in one."""
    source = f"from {__name__} import enter_own_network as enter; raise SystemExit(not enter())"
    return subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, check=False).returncode == 0


def _bring_up(sock: socket.socket, name: bytes) -> None:
    request = struct.pack("16sh22x", name, 0)
    [flags] = struct.unpack_from("h", fcntl.ioctl(sock, GET_FLAGS, request), 16)
    fcntl.ioctl(sock, SET_FLAGS, struct.pack("16sh22x", name, flags | UP))


def _add(sock: socket.socket, name: bytes, address: str) -> None:
    for number, value in (SET_ADDRESS, address), (SET_MASK, "255.255.255.255"):
        fcntl.ioctl(sock, number, struct.pack("16sHH4s16x", name, socket.AF_INET, 0, socket.inet_aton(value)))
    _bring_up(sock, name)
