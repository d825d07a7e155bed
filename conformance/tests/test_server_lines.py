"""What is said of a server's lines about a client that are not those expected."""

import sys

import pytest

from conformance.as_client.server_lines import require_lines_about
from conformance.blame import blamed
from conformance.targets.server import Server

ADDRESS = "127.0.0.1:50312"
CONNECTED, LEFT = f"client {ADDRESS} connected", f"client {ADDRESS} left"
MIXED = "clientclient  127.0.0.1:50314 connected"


@pytest.mark.parametrize(
    ("printed", "way", "requirement", "said"),
    [
        ([CONNECTED], "it was reset", "SRV-6", f"it was reset: the server printed {[CONNECTED]}; expected "),
        ([LEFT], "it was reset", "SRV-4", f"it was reset: the server printed {[LEFT]}; expected "),
        ([CONNECTED, MIXED], "it left", "SRV-6", f"other lines are {[MIXED]} (is each line one write?)"),
        ([LEFT], "", "SRV-4", f"the server printed {[LEFT]}; expected {[CONNECTED]}"),
    ],
    ids=["no left", "no connected", "two threads print", "stays"],
)
def test_lines_that_are_wrong(printed: list[str], way: str, requirement: str, said: str) -> None:
    text = "\n".join(["waiting for clients on echo+tcp://127.0.0.1:7", *printed])
    with (
        Server([sys.executable, "-c", f"print({text!r})"], "echo", "tcp") as server,
        pytest.raises(AssertionError) as failed,
    ):
        require_lines_about(server, ADDRESS, [CONNECTED, LEFT] if way else [CONNECTED], way)
    assert said in str(failed.value) and blamed(failed.value) == requirement


def test_lines_that_are_right() -> None:
    text = f"waiting for clients on echo+tcp://127.0.0.1:7\n{CONNECTED}\nclient 127.0.0.1:5 left\n{LEFT}"
    with Server([sys.executable, "-c", f"print({text!r})"], "echo", "tcp") as server:
        require_lines_about(server, ADDRESS, [CONNECTED, LEFT], "it left")
