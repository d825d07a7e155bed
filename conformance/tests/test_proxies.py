"""What holds of a server behind nginx and HAProxy, with the configurations of conformance/proxies."""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from conformance import ROOT
from conformance.as_client.conversation import good_request
from conformance.as_client.judgement import require_status
from conformance.as_client.peers import TcpPeer, connect
from conformance.commands.main import main
from conformance.targets.server import Server
from conformance.targets.terms import SERVICES, Service, Transport
from conformance.timing import interval
from spec.limits import MESSAGE_BYTES
from spec.requirements import SPECIFICATION

PROXIES = ROOT / "conformance" / "proxies"
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

#: The checks that fail behind a proxy, the requirements that they are then about, and why.
ADDRESSES = {"test_together.py::test_clients_together": {"SRV-4", "SRV-5"}}  # the server prints the proxy's address
LEFT = {"test_load.py::test_a_connection_is_closed_that_takes_nothing": {"SRV-6"}}  # so does the line that it left
#: HAProxy keeps what the client sent before its reset and goes on offering it to the server, which does not read while
#: replies wait (LOAD-5). The server sees a silent client until its idle timeout.
KEPT = {"test_errors.py::test_a_reset_by_a_client_that_does_not_read_makes_room": {"LOAD-3"}}
DIFFERS = {
    (NGINX, "udp"): ADDRESSES,
    (NGINX, "tcp"): ADDRESSES | LEFT,
    (HAPROXY, "tcp"): ADDRESSES | LEFT | KEPT,
}

#: Checks that fail at times: who has connected to the proxy has not always reached the server when that is stopped.
RACES = {"test_server_stop.py::test_who_finds_no_room_is_told_before_the_stop": {"ERR-10"}}


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


def run(*words: str) -> dict[str, Any]:
    """Return the JSON report of a quick run."""
    main(["run", "--profile=quick", "--json=report.json", *words])
    report: dict[str, Any] = json.loads(Path("report.json").read_text(encoding="utf-8"))
    return report


def run_behind(configuration: Path, transport: Transport, *words: str) -> dict[str, Any]:
    """Return the report of a quick run on a target whose servers are behind a proxy."""
    program = json.dumps(command(configuration, transport))
    Path("sockspec.toml").write_text(
        f'name = "behind"\ndirectory = "{ROOT}"\n[programs]\n{transport}_server = {program}\n', encoding="utf-8"
    )
    return run("sockspec.toml", *words)


def failures(report: dict[str, Any]) -> dict[str, set[str]]:
    """Return the checks that failed, each with the requirements that its failures are about."""
    found: dict[str, set[str]] = {}
    for case in report["cases"]:
        if case["outcome"] == "failed":
            found.setdefault(case["check"].removeprefix("servers/"), set()).add(case["about"])
    return found


@pytest.mark.timeout(600)
@pytest.mark.parametrize("configuration, transport", BEHIND)
def test_what_holds_behind_a_proxy(configuration: Path, transport: Transport) -> None:
    """All that a client can see, but for what the tables above name; with all options, paused, stopped and full."""
    report = run_behind(configuration, transport, *(f"--requirement={id_}" for id_ in SEEN))
    assert report["states"] == {"behind": "does not conform"}
    failed = failures(report)
    for check, about in RACES.items():
        assert failed.pop(check, about) == about
    expected = DIFFERS[configuration, transport]
    assert failed.keys() == expected.keys()
    assert all(failed[check] <= expected[check] for check in failed), failed
    verdicts = report["verdicts"]["behind"]
    about = set().union(*expected.values(), *RACES.values())
    assert {id_ for id_ in SEEN if verdicts.get(id_) in ("FAIL", "WARN", "ERROR", "NOT_JUDGED")} <= about


@pytest.mark.timeout(600)
@pytest.mark.parametrize("configuration, transport", BEHIND)
def test_the_proxy_s_url_is_judged(configuration: Path, transport: Transport) -> None:
    """By its URL a proxy conforms: what differs is not seen in replies, or only by a server with other options."""
    echo, time = (behind(configuration, service, transport) for service in SERVICES)
    with echo, time:
        report = run(echo.url, time.url)
        assert report["states"] == {echo.url: "conforms", time.url: "conforms"}, failures(report)
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
    "directive, instead, service, transport, id_",
    [
        ("proxy_half_close on;", "", "echo", "tcp", "TCP-8"),
        ("proxy_buffer_size 64k;", "", "echo", "udp", "REQ-4"),
        ("proxy_buffer_size 64k;", "proxy_buffer_size 64k; proxy_responses 1;", "time", "udp", "TIME-2"),
        ("udp reuseport;", "udp;", "time", "udp", "TIME-15"),
    ],
    ids=["half-close", "long replies", "many replies", "one worker for each client"],
)
def test_each_directive_is_needed(
    directive: str, instead: str, service: Service, transport: Transport, id_: str, tmp_path: Path
) -> None:
    text = NGINX.read_text(encoding="utf-8")
    assert directive in text
    (tmp_path / NGINX.name).write_text(text.replace(directive, instead), encoding="utf-8")
    selected = f"--requirement={id_}", f"--service={service}", "--fail-fast=3"
    report = run_behind(tmp_path / NGINX.name, transport, *selected)
    assert report["verdicts"]["behind"][id_] == "FAIL"
