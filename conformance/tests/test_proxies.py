"""What holds of a server behind nginx and HAProxy, with the configurations of conformance/proxies."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conformance import ROOT
from conformance.as_client.conversation import good_request
from conformance.as_client.judgement import require_status
from conformance.as_client.peers import TcpPeer, connect
from conformance.targets.server import Server
from conformance.targets.terms import SERVICES, Service, Transport
from conformance.timing import interval
from spec.limits import MESSAGE_BYTES
from spec.requirements import SPECIFICATION

PROXIES = ROOT / "conformance" / "proxies"
CHECKS = "conformance/checks/servers"
NGINX, HAPROXY = PROXIES / "nginx.conf", PROXIES / "haproxy.cfg"

needs_nginx = pytest.mark.skipif(
    not (shutil.which("nginx") and Path("/usr/lib/nginx/modules/ngx_stream_module.so").exists()),
    reason="needs nginx with its module stream (Debian: nginx-light, libnginx-mod-stream)",
)
needs_haproxy = pytest.mark.skipif(not shutil.which("haproxy"), reason="needs HAProxy (Debian: haproxy)")

BEHIND = [
    pytest.param(NGINX, "udp", marks=needs_nginx, id="nginx-udp"),
    pytest.param(NGINX, "tcp", marks=needs_nginx, id="nginx-tcp"),
    pytest.param(HAPROXY, "tcp", marks=needs_haproxy, id="haproxy-tcp"),
]

#: What a client can see. SRV is about the program, which is the same with a proxy and without.
SEEN = re.findall(
    r"^\*\*((?:TEXT|REQ|REP|TCP|UDP|ECHO|TIME|LEASE|ERR|LOAD)-\d+)\.", SPECIFICATION.read_text("utf-8"), re.MULTILINE
)

LINES = "test_together.py::test_clients_together"
LEFT = "test_load.py::test_a_connection_is_closed_that_takes_nothing"
RESET = "test_busy.py::test_a_reset_by_a_client_that_does_not_read_makes_room"

#: The checks that fail behind a proxy, and the requirement that they are then about. The lines of the server name an
#: address of the proxy. HAProxy goes on offering the server what a client had sent before its reset; the server does
#: not read while replies wait (LOAD-5), and sees a silent client until its idle timeout.
DIFFERS = [
    pytest.param(NGINX, "udp", "echo", LINES, "SRV-4", marks=needs_nginx, id="nginx-udp-echo"),
    pytest.param(NGINX, "udp", "time", LINES, "SRV-5", marks=needs_nginx, id="nginx-udp-time"),
    pytest.param(NGINX, "tcp", "echo", LINES, "SRV-4", marks=needs_nginx, id="nginx-tcp-echo"),
    pytest.param(NGINX, "tcp", "echo", LEFT, "LOAD-4", marks=needs_nginx, id="nginx-left"),
    pytest.param(HAPROXY, "tcp", "echo", LINES, "SRV-4", marks=needs_haproxy, id="haproxy-tcp-echo"),
    pytest.param(HAPROXY, "tcp", "echo", LEFT, "LOAD-4", marks=needs_haproxy, id="haproxy-left"),
    pytest.param(HAPROXY, "tcp", "echo", RESET, "LOAD-3", marks=needs_haproxy, id="haproxy-reset"),
]

#: These fail at times. Clients that connect to a proxy one after another may reach the server in another order, or only
#: after it has been stopped.
LATER = {
    "test_busy.py::test_a_tcp_server_fills_up_to_its_limit",
    "test_busy.py::test_who_counts_for_the_limit",
    "test_server_stop.py::test_who_finds_no_room_is_told_before_the_stop",
}
#: A proxy takes from the server what its client has not taken yet: to the server that client is idle earlier.
TAKEN = {"test_load.py::test_who_takes_what_waited_stays"}
#: And HAProxy sometimes resets a client that has half-closed, before all of many replies have come.
MANY_REPLIES = {"test_tcp.py::test_replies_that_the_socket_does_not_take_at_once"}
AT_TIMES = {NGINX: LATER | TAKEN, HAPROXY: LATER | TAKEN | MANY_REPLIES}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # the directories of proxies that the suite has killed


def command(configuration: Path, transport: Transport) -> list[str]:
    """Return what starts a server behind a proxy."""
    return [sys.executable, "-m", "conformance.tests.behind_proxy", str(configuration), f"impl_raw.{transport}_server"]


def behind(configuration: Path, service: Service, transport: Transport, *options: str) -> Server:
    """Return a server behind a proxy; its URL is the proxy's."""
    return Server(command(configuration, transport), service, transport, *options, cwd=ROOT)


def manifest(configuration: Path, transport: Transport) -> str:
    """Write a manifest of a target whose server is behind a proxy; return its path."""
    program = json.dumps(command(configuration, transport))
    path = Path("sockspec.toml").absolute()
    text = f'name = "behind"\ndirectory = "{ROOT}"\n[programs]\n{transport}_server = {program}\n'
    path.write_text(text, encoding="utf-8")
    return str(path)


def check(*words: str) -> tuple[int, str]:
    """Run checks of servers, chosen by pytest's own options; return its status, and what it says."""
    words = "-q", "-p", "no:cacheprovider", *words
    run = [sys.executable, "-m", "pytest", *words, "--role=server", "--profile=quick", "--regardless"]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.timeout(600)
@pytest.mark.parametrize("configuration, transport", BEHIND)
def test_what_holds_behind_a_proxy(configuration: Path, transport: Transport) -> None:
    """All that a client can see, but for what the tables above name; with all options, paused, stopped and full."""
    left_out = AT_TIMES[configuration] | {
        str(row.values[3]) for row in DIFFERS if row.values[:2] == (configuration, transport)
    }
    choice = [f"--requirement={id_}" for id_ in SEEN] + [f"--deselect={CHECKS}/{each}" for each in left_out]
    status, said = check("--implementation", manifest(configuration, transport), CHECKS, *choice)
    assert status == 0, said


@pytest.mark.timeout(300)
@pytest.mark.parametrize("configuration, transport, service, name, id_", DIFFERS)
def test_what_differs(configuration: Path, transport: Transport, service: Service, name: str, id_: str) -> None:
    choice = f"{CHECKS}/{name}", f"--service={service}", f"--transport={transport}"
    status, said = check("--implementation", manifest(configuration, transport), *choice)
    assert status == 1, said
    assert f"\n{id_}. " in said, said


@pytest.mark.timeout(600)
@pytest.mark.parametrize("configuration, transport", BEHIND)
def test_the_proxy_s_url_is_judged(configuration: Path, transport: Transport) -> None:
    """By its URL a proxy conforms: what differs is not seen in replies, or only by a server with other options."""
    echo, time = (behind(configuration, service, transport) for service in SERVICES)
    with echo, time:
        left_out = [f"--deselect={CHECKS}/{each}" for each in AT_TIMES[configuration]]
        status, said = check("--implementation", echo.url, "--implementation", time.url, CHECKS, *left_out)
        assert status == 0, said
        assert echo.running and time.running and not echo.errors and not time.errors


@pytest.mark.parametrize("configuration, transport", BEHIND)
def test_the_server_sees_an_address_of_the_proxy(configuration: Path, transport: Transport) -> None:
    """Each client has one of its own, the same for all that it sends; it is not the client's."""
    with behind(configuration, "echo", transport) as server, connect(server) as first, connect(server) as second:
        for peer in (first, second, first, second):
            require_status(peer.ask(good_request("echo")), "OK")
        ports = [int(server.expect_line(r"client 127\.0\.0\.1:(\d+) connected")[1]) for _ in range(2)]
        assert len({*ports, first.address[1], second.address[1]}) == 4
        assert len(server.output) == 3, server.output


@needs_haproxy
def test_what_haproxy_keeps_ends_with_the_idle_timeout() -> None:
    with behind(HAPROXY, "echo", "tcp", "--max-clients", "1", "--idle-timeout", interval(1)) as server:
        with TcpPeer(server.address, receive_buffer=1 << 12) as peer:
            peer.flood((b"ECHO " + b"a" * MESSAGE_BYTES + b"\n") * 50, 1 << 25)
            peer.reset()
        server.expect_line(r"client .* left")
        with TcpPeer(server.address) as peer:
            require_status(peer.ask(b"ECHO a"), "OK")


@needs_nginx
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "directive, instead, name, service, id_",
    [
        ("proxy_half_close on;", "", "test_tcp.py::test_half_close", "echo", "TCP-8"),
        ("proxy_buffer_size 64k;", "", "test_echo.py::test_the_longest_message", "echo", "REQ-4"),
        (
            "proxy_timeout 1m;",
            "proxy_timeout 1m; proxy_responses 1;",
            "test_time.py::test_the_answer_to_a_good_name",
            "time",
            "TIME-2",
        ),
    ],
    ids=["half-close", "long replies", "many replies"],
)
def test_each_directive_is_needed(
    directive: str, instead: str, name: str, service: Service, id_: str, tmp_path: Path
) -> None:
    text = NGINX.read_text(encoding="utf-8")
    assert directive in text
    (tmp_path / NGINX.name).write_text(text.replace(directive, instead), encoding="utf-8")
    transport: Transport = "tcp" if id_.startswith("TCP") else "udp"
    choice = f"{CHECKS}/{name}", f"--service={service}", f"--transport={transport}"
    status, said = check("--implementation", manifest(tmp_path / NGINX.name, transport), *choice)
    assert status == 1, said
    assert f"\n{id_}. " in said, said
    status, said = check("--implementation", manifest(NGINX, transport), *choice)
    assert status == 0, said
