"""Differences between two servers are found and made short; forbidden ones are distinguished from free ones."""

import sys
from unittest.mock import MagicMock

import pytest

from conformance.as_client import differential, peers
from conformance.as_client.differential import Outcome
from conformance.as_client.observed import Malformed, Reply, Silence
from conformance.broken import faults
from conformance.broken.kill_session import guilty
from conformance.commands import diff, main
from conformance.profiles import PROFILES
from conformance.targets.discovery import BUNDLED
from conformance.targets.target import Target
from conformance.targets.terms import Service, Transport


def compare(first: Target, second: Target, service: Service, transport: Transport) -> Outcome:
    return differential.compare(first, second, service, transport, PROFILES["standard"])


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("service", ["echo", "time"])
def test_good_servers_do_not_differ(service: Service, transport: Transport) -> None:
    agreed, difference = compare(BUNDLED["raw"], BUNDLED["socketserver"], service, transport)
    assert difference is None and agreed >= PROFILES["standard"].examples // 2


def test_a_forbidden_difference_is_short_and_names_who_is_wrong() -> None:
    _, difference = compare(BUNDLED["raw"], guilty(faults()["ECHO-5/counts_bytes"]), "echo", "tcp")
    assert difference is not None and difference.kind == "forbidden"
    [request] = difference.conversation
    assert len(request) <= len("ECHO я\r\n".encode()) and difference.at_fault == (False, True)


def test_an_answer_in_place_of_silence_is_a_difference() -> None:
    _, difference = compare(BUNDLED["raw"], guilty(faults()["UDP-2/answers_unknown_verbs"]), "echo", "udp")
    assert difference is not None and difference.kind == "forbidden"
    assert difference.replies[0] == [b""] and difference.replies[1] != [b""]


def test_a_server_that_answers_for_ever_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = MagicMock(reply=lambda: Reply(b"OK\n\n", 0.0), ask=lambda _: Reply(b"ERR\n\n", 0.0))
    endless.__enter__.return_value = endless
    monkeypatch.setattr(peers, "connect", lambda server: endless)
    with pytest.raises(Malformed, match="more than 100 replies came"):
        differential.converse(MagicMock(service="echo", transport="udp"), [b"ECHO a"])


#: A good server with reasons of its own.
WORDY = """
from spec import codec
for code in codec.ERROR_REPLIES:
    codec.ERROR_REPLIES[code] = codec.ERROR.build(code, "sorry")
from impl_raw.tcp_server import main
main()
"""


def test_another_reason_is_free() -> None:
    wordy = Target("wordy", {("tcp", "server"): (sys.executable, "-c", WORDY)})
    _, difference = compare(BUNDLED["raw"], wordy, "echo", "tcp")
    assert difference is not None and (difference.kind, difference.at_fault) == ("free", (False, False))
    assert difference.replies[1][0].endswith(b"reason: sorry\n\n")


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["diff", "raw", "with", "--profile=quick"]) == 0
    assert capsys.readouterr().out.count("no difference") == 4
    assert main.main(["diff", "time+udp://127.0.0.1:1", "echo+udp://127.0.0.1:1"]) == 3


def test_a_server_that_falls_silent_is_no_fault_of_the_suite(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fall_silent(*_: object) -> None:
        raise Silence("nothing for 10.000 s after 'ECHO a'")

    monkeypatch.setattr(differential, "compare", fall_silent)
    monkeypatch.setattr(diff, "require_reachable", lambda targets: None)
    assert main.main(["diff", "raw", "with"]) == 3
    said = "sockspec: could not be judged: one of them does not answer: nothing for 10.000 s after 'ECHO a'\n"
    assert capsys.readouterr().err == said
