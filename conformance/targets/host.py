"""What this host offers to a check. What it lacks is no fault of the target."""

import errno
import os
import re
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from itertools import pairwise
from math import ceil, inf
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING
from unittest import SkipTest

from conformance.addresses import OWN_HOST, Address
from conformance.clocks import LOST_AFTER, loopback_delay
from conformance.inconclusive import Inconclusive, Unjudged
from conformance.languages.texts import say
from conformance.targets.environment import clean_environment
from conformance.targets.limits import KIB, MIB, OWN_FILES
from conformance.targets.terms import Transport
from conformance.timing import SCALE

if TYPE_CHECKING:
    from conformance.targets.target import Target

OUT_OF = errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOBUFS
"""Errors of a host that has no more files, memory, processes or buffers; no program is at fault."""

PORTS = 2000
"""Local ports that a run needs: its checks of load have several hundred sockets each, in a few processes at once."""

THREADS = 1000
"""Threads that a run needs: a server may have one for each client, and the checks of load have several hundred."""

ADDRESSES = 4096
"""MiB of addresses that a run needs: Linux reserves 8 MiB for each thread, and a check may have 200 clients."""

CONTROL_GROUPS = Path("/sys/fs/cgroup")

SPARE_PORTS = 100
"""With so many left, no program gets none because of those that run beside it."""

NO_PORT = "this host has no port left for programs"

NO_MEMORY = "this host has no memory left for programs"

NO_DATAGRAMS = "this host's loopback loses datagrams or changes their order"

BURSTS = 40

LOST_FOR_GOOD = 4 * LOST_AFTER
"""Seconds, since a busy kernel may keep a datagram back: what is found here is held against all that fails later."""

FAILED_BURSTS = 2
"""So many failed bursts are no accident: a busy kernel may lose a datagram, too."""

BURST = bytes(range(20))
"""Of each of these bytes a datagram: few enough for any receive buffer."""

LOOK_UP = 2 * SCALE
"""Seconds in which a resolver says that it does not know a host."""

USUAL_BUFFERS = 24 * KIB, 4 * MIB
"""Bytes with which a connection may begin in both directions; the default of Linux is 144 KiB."""

PRELOADED = "LD_PRELOAD"

CLOCKS_APART = 1
"""Seconds by which a clock is another one."""

IANA_PORTS = 16_384
"""Dynamic ports by RFC 6335, section 6: 49152 to 65535."""

_taking_ports = threading.Lock()

_VMSTAT = Path("/proc/vmstat")

_PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")

_BUFFERS = Path("/proc/sys/net/ipv4/tcp_rmem"), Path("/proc/sys/net/ipv4/tcp_wmem")

_LACKING = errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT


def processors() -> int:
    """Return how many processors this process may use: in a container, or with taskset, fewer than the host has."""
    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, ceil(min(usable, _quota())))


def _quota() -> float:
    """Return for how many processors the control groups of this process have time (cgroups(7)); no limit: infinity."""
    try:
        groups = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return inf
    quotas = [inf]
    for _, controllers, group in (line.split(":", 2) for line in groups):
        kind = "cpu" if "cpu" in controllers.split(",") else ""
        own = CONTROL_GROUPS / kind / group.lstrip("/")
        for place in (own, *own.parents):  # in a container the group may be that of the host, and its root the own one
            quotas.append(_quota_of(place))
    return min(quotas)


def _quota_of(group: Path) -> float:
    """Return the share of one control group: cpu.max of version 2, or the two files of version 1."""
    try:
        if (both := group / "cpu.max").exists():
            quota, period = both.read_text(encoding="ascii").split()
        else:
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text(encoding="ascii") for name in ("quota", "period"))
        return int(quota) / int(period) if int(quota) > 0 else inf
    except (OSError, ValueError):  # there is no such group, or "max"
        return inf


def require_address(transport: Transport, host: str, port: int = 0) -> None:
    """Raise Inconclusive unless a program could listen on that IP address and port (0: any) of this host."""
    kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, kind) as sock:
            if transport == "tcp":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((host, port))
    except OSError as error:
        if error.errno in _LACKING:
            what = f"IPv6 ({host})" if ":" in host else f"the address {host}"
            raise Inconclusive(f"this host lacks {what}") from None
        if error.errno == errno.EADDRINUSE and not port:
            raise Unjudged(NO_PORT) from None
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise Inconclusive(f"port {port} of {host} is not free on this host: {error.strerror}") from None
        raise


def require_localhost(transport: Transport) -> str:
    """Return the first address of the name localhost. Raises Inconclusive if it has none, or none to listen on."""
    try:
        host = str(socket.getaddrinfo("localhost", 0)[0][4][0])
    except OSError:
        raise Inconclusive("this host lacks an address of localhost") from None
    require_address(transport, host)
    return host


def addresses_of_localhost() -> set[str]:
    """Return the addresses of the name localhost; it has some, see `require_localhost`."""
    return {str(found[4][0]) for found in socket.getaddrinfo("localhost", 0)}


def require_foreign(transport: Transport, host: str) -> None:
    """Raise Inconclusive if a program can listen on that IP address, which is none of this host's own.

    Linux can let it, where a service moves with its address from one host to another (ip_nonlocal_bind).
    """
    try:
        require_address(transport, host)
    except Inconclusive:
        return
    raise Inconclusive(f"this host lets programs listen on {host}")


def require_refusals(host: str) -> None:
    """Raise Inconclusive unless this host says of that IP address that nobody listens on a UDP port there.

    It says so by ICMP, which a firewall may drop.
    """
    require_address("udp", host)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        free = sock.getsockname()
    with socket.socket(sock.family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(LOST_AFTER + loopback_delay())
        try:
            sock.connect(free)
            sock.send(b"")
            sock.recv(1)
        except ConnectionRefusedError:
            return
        except TimeoutError:
            pass
    raise Inconclusive(f"this host does not report that nobody listens on a UDP port of {host}")


@cache
def is_unknown(host: str) -> bool:
    """Return whether this host says at once that there is no such host.

    A resolver may be out of reach; then each program waits for it. Others know any name.
    """
    answers: SimpleQueue[bool] = SimpleQueue()

    def look_up() -> None:
        try:
            socket.getaddrinfo(host, 0)
        except (OSError, UnicodeError):
            answers.put(True)
        else:
            answers.put(False)

    threading.Thread(target=look_up, daemon=True).start()
    try:
        return answers.get(timeout=LOOK_UP)
    except Empty:
        return False


def require_fit_host(targets: "Iterable[Target]") -> None:
    """Raises OSError with one line unless this host can run the programs of these targets."""
    if any(not target.url for target in targets):
        require_processes()
        require_loopback()
        require_common_clock()


def require_usual_buffers() -> None:
    """Raise Inconclusive where Linux begins with other buffers for each connection, as it may be set to (tcp(7)).

    With large ones it takes tens of MiB for a client that does not read, and hides what the server does. With small
    ones it takes next to nothing for a server that does not read.
    """
    with suppress(OSError, ValueError, IndexError):  # no Linux, or no /proc
        size = sum(int(file.read_text(encoding="ascii").split()[1]) for file in _BUFFERS)
        least, most = USUAL_BUFFERS
        if not least <= size <= most:
            raise Inconclusive(f"this host has buffers of {size // KIB} KiB for each connection")


def require_processes() -> None:
    """Raises OSError with one line where Linux does not show processes as they are: what a program starts is found so.

    A sandbox may have no /proc, or that of another PID namespace.
    """
    if sys.platform == "linux":
        try:
            shown = os.readlink("/proc/self")
        except OSError:
            shown = ""
        if shown != str(os.getpid()):
            raise OSError(say("this host has no /proc that shows its processes"))


def require_common_clock() -> None:
    """Raises OSError with one line where this process has another clock than the programs, as faketime(1) makes it.

    Programs do not get the variable by which it does so.
    """
    if PRELOADED not in os.environ:
        return
    command = [sys.executable, "-I", "-S", "-c", "import time; print(time.time())"]
    before = time.time()
    told = subprocess.run(command, env=clean_environment(), stdout=subprocess.PIPE, check=True).stdout
    if not before - CLOCKS_APART < float(told) < time.time() + CLOCKS_APART:
        raise OSError(
            say("this process has another clock than the programs that it starts ({variable})", variable=PRELOADED)
        )


def require_loopback() -> None:
    """Raises OSError with one line unless a connection to 127.0.0.1 can be made, as all checks do."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
            pass
    except OSError as error:
        reason = say(error.strerror) if error.strerror else error
        raise OSError(say("this host has no loopback that works (127.0.0.1): {reason}", reason=reason)) from None


def require_datagrams() -> None:
    """Raise Unjudged where datagrams are lost or overtaken on the loopback, which plays another network (tc-netem(8)).

    What a check sends or awaits may not come there, or too late, and no program is at fault.
    """
    try:
        is_orderly = _loopback_is_orderly()
    except OSError:  # no file or port is left: the check will say so
        return
    if not is_orderly:
        raise Unjudged(NO_DATAGRAMS)


@cache
def _loopback_is_orderly() -> bool:
    failed = 0
    for _ in range(BURSTS):
        with socket.socket(type=socket.SOCK_DGRAM) as receiver, socket.socket(type=socket.SOCK_DGRAM) as sender:
            receiver.bind((OWN_HOST, 0))
            receiver.settimeout(LOST_FOR_GOOD)
            failed += not _carried(sender, receiver, receiver.getsockname())
        if failed == FAILED_BURSTS:
            return False
    return True


def _carried(sender: socket.socket, receiver: socket.socket, address: Address) -> bool:
    """Return whether several datagrams that are sent to that address are received, in their order."""
    for number in BURST:
        sender.sendto(bytes([number]), address)
    try:
        return all(receiver.recv(1) == bytes([number]) for number in BURST)
    except TimeoutError:
        return False


def local_ports() -> int:
    """Return how many ports this host has for those who ask for any port."""
    try:
        first, last = map(int, _PORT_RANGE.read_text(encoding="ascii").split())
    except (OSError, ValueError):  # no Linux, or no /proc
        return IANA_PORTS
    return last - first + 1


def require_ports() -> None:
    """Raises OSError with one line if this host has fewer than `PORTS` for those who ask for any port."""
    if (ports := local_ports()) < PORTS:
        problem = say(
            "this host has {ports} local ports for all programs ({file}), and the checks need {needed}",
            ports=ports,
            file=_PORT_RANGE,
            needed=PORTS,
        )
        raise OSError(problem)


def require_threads() -> None:
    """Raises OSError with one line unless `THREADS` can be started at once: a container or ``ulimit -u`` has limits."""
    ended = threading.Event()
    started: list[threading.Thread] = []
    size = threading.stack_size(1 << 18)
    try:
        for _ in range(THREADS):
            thread = threading.Thread(target=ended.wait)
            thread.start()
            started.append(thread)
    except RuntimeError:
        problem = say(
            "this host has no more than {count} threads for programs (ulimit -u, or the container's limit),"
            " and the checks need {needed}",
            count=len(started),
            needed=THREADS,
        )
        raise OSError(problem) from None
    finally:
        ended.set()
        threading.stack_size(size)
        for thread in started:
            thread.join()


def require_files() -> None:
    """Raises OSError with one line unless a program may open `OWN_FILES` files: one for each of 1000 clients."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < OWN_FILES:
        problem = say(
            "this host lets a program have no more than {count} open files (ulimit -Hn), and the checks need {needed}",
            count=most,
            needed=OWN_FILES,
        )
        raise OSError(problem)


def killed_for_memory() -> int:
    """Return how many processes the kernel has killed since no memory was left; 0 where the system does not tell.

    Those of a control group count too, such as a container, and those of other ones.
    """
    try:
        found = re.search("^oom_kill ([0-9]+)$", _VMSTAT.read_text(encoding="ascii"), re.MULTILINE)
    except (OSError, ValueError):
        return 0
    return int(found[1]) if found else 0


def require_addresses() -> None:
    """Raises OSError with one line unless a program has `ADDRESSES`, most of them for the stacks of its threads."""
    for limit, command in (resource.RLIMIT_AS, "ulimit -v"), (resource.RLIMIT_DATA, "ulimit -d"):
        most, _ = resource.getrlimit(limit)
        if most != resource.RLIM_INFINITY and most < ADDRESSES * MIB:
            problem = say(
                "this host lets a program have no more than {count} MiB of addresses ({command}), and the checks need"
                " {needed}",
                count=most // MIB,
                command=command,
                needed=ADDRESSES,
            )
            raise OSError(problem)


@contextmanager
def unjudged_without_resources() -> Iterator[None]:
    """A block that raises Unjudged if it fails while this host has no port left for who asks for any, or no memory.

    So it does where the loopback does not carry what is sent, see `require_datagrams`.
    """
    killed = killed_for_memory()
    try:
        yield
    except SkipTest:
        raise
    except Exception as error:
        if killed_for_memory() > killed:
            raise Unjudged(NO_MEMORY) from None
        if isinstance(error, (AssertionError, OSError)):
            require_datagrams()
            for kind in socket.SOCK_DGRAM, socket.SOCK_STREAM:
                _require_spare_ports(kind)
        raise


def _require_spare_ports(kind: socket.SocketKind) -> None:
    with _taking_ports, ExitStack() as taken:
        try:
            for _ in range(SPARE_PORTS):
                taken.enter_context(socket.socket(socket.AF_INET, kind)).bind(("127.0.0.1", 0))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise Unjudged(NO_PORT) from None


def with_hosts(file: str, name: str) -> tuple[str, ...]:
    """Return the words before a command that let its program look up that name in that file, in place of /etc/hosts.

    Raises Inconclusive where a program cannot have files of its own, or where names are looked up elsewhere.
    """
    words = "unshare", "--map-root-user", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', file
    look_up = sys.executable, "-I", "-S", "-c", "import socket, sys; socket.getaddrinfo(sys.argv[1], 0)", name
    try:
        subprocess.run([*words, *look_up], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        raise Inconclusive("a program cannot have an /etc/hosts of its own on this host") from None
    return words


def require_option(transport: Transport, options: Sequence[str]) -> None:
    """Raise Inconclusive if a server is to listen on a loopback address or a wildcard that this host lacks."""
    for option, host in pairwise(options):
        if option == "--host" and host.startswith(("127.", "::")):
            require_address(transport, host)
