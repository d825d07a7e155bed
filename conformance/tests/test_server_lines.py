"""What is said of a server's lines about a client that are not those expected."""

import sys

import pytest

from conformance.as_client.server_lines import require_line, require_lines_about, require_output
from conformance.blame import blamed
from conformance.running.fixtures import blame_death
from conformance.running.server_trial import end_of
from conformance.targets.programs import ProgramError
from conformance.targets.server import DidNotStart, Server

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


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ([], f"expected the line {CONNECTED!r} (does it flush?); "),
        ([f"{CONNECTED} "], f"; {CONNECTED + ' '!r} is another; "),
    ],
    ids=["nothing", "a space"],
)
def test_a_line_that_does_not_come(monkeypatch: pytest.MonkeyPatch, printed: list[str], said: str) -> None:
    text = "\n".join(["waiting for clients on echo+tcp://127.0.0.1:7", *printed])
    source = f"import time; print({text!r}, flush=True); time.sleep(60)"
    with Server([sys.executable, "-c", source], "echo", "tcp") as server:
        assert server.wait_until(lambda: len(server.output) == 1 + len(printed))
        monkeypatch.setattr(Server, "patience", property(lambda server: 0.1))
        with pytest.raises(AssertionError) as failed:
            require_line(server, CONNECTED)
    assert said in str(failed.value)


def test_the_first_line_that_differs_is_told() -> None:
    text = f"waiting for clients on echo+tcp://127.0.0.1:7\n{CONNECTED}\n{LEFT}"
    with Server([sys.executable, "-c", f"print({text!r})"], "echo", "tcp") as server:
        server.wait()
        lines = text.splitlines()
        with pytest.raises(AssertionError, match=r"^its line 3 is 'client .* left'; expected 'other'; "):
            require_output(server, [*lines[:2], "other"])
        with pytest.raises(AssertionError, match="expected just the lines"):
            require_output(server, lines[:2])
        require_output(server, lines)


def test_lines_that_are_right() -> None:
    text = f"waiting for clients on echo+tcp://127.0.0.1:7\n{CONNECTED}\nclient 127.0.0.1:5 left\n{LEFT}"
    with Server([sys.executable, "-c", f"print({text!r})"], "echo", "tcp") as server:
        require_lines_about(server, ADDRESS, [CONNECTED, LEFT], "it left")


@pytest.mark.parametrize(
    ("options", "requirement"), [((), "SRV-1"), (("--port", "7"), None), (("--quiet",), "SRV-10")], ids=str
)
def test_a_server_that_says_in_its_first_line_why_it_ends_did_not_start(
    options: tuple[str, ...], requirement: str | None
) -> None:
    """As one does with `except OSError as error: print(error)`, where its port is in use."""
    command = [sys.executable, "-c", "print('the port is in use')"]
    with pytest.raises(ProgramError, match="the first line is 'the port is in use', no ready line") as failed:
        Server(command, "echo", "tcp", *options)
    assert blamed(failed.value) == requirement
    assert isinstance(failed.value, DidNotStart) == bool(options)


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        (
            ["Traceback (most recent call last):", '  File "server.py"', "KeyError: 'a'"],
            "the server died: KeyError: 'a'",
        ),
        (["/server.mjs:3", "", "Error: bad", "    at a.js:1", "", "Node.js v20.20.2"], "the server died: Error: bad"),
        (["  indented"], "the server died: indented"),
        ([], "the server died: status 3"),
    ],
)
def test_the_end_of_a_server_is_told_by_its_error(errors: list[str], told: str) -> None:
    text = "".join(f"{line}\n" for line in errors)
    source = (
        f"import sys; print('waiting for clients on echo+tcp://127.0.0.1:7'); sys.stderr.write({text!r}); sys.exit(3)"
    )
    with Server([sys.executable, "-c", source], "echo", "tcp") as server:
        server.wait()
        assert end_of(server) == told


def test_a_failure_shows_the_traceback_of_a_server_that_runs_on() -> None:
    """Its main thread may have ended, and another keeps it alive."""
    fails = "import threading, time; threading.Thread(target=time.sleep, args=[60]).start()"
    fails += "; print('waiting for clients on echo+tcp://127.0.0.1:7', flush=True); [][0]"
    with Server([sys.executable, "-c", fails], "echo", "tcp") as server:
        assert server.wait_until(lambda: any("IndexError" in line for line in server.errors))
        error = AssertionError("nothing for 1 s after 'ECHO a'")
        blame_death(server, error)
        told = str(error)
        blame_death(server, error)
    assert told.startswith("nothing for 1 s after 'ECHO a'; ") and "stderr: IndexError: list index out of" in told
    assert str(error) == told and blamed(error) is None


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("localhost:7", "'localhost' is a name; expected an IP address"),
        ("127.0.0.1:0", "0 is no port; expected the one that it listens on"),
    ],
    ids=["name", "port 0"],
)
def test_a_ready_line_with_no_address_is_told_what_is_wanted(address: str, told: str) -> None:
    text = f"waiting for clients on echo+tcp://{address}"
    with pytest.raises(ProgramError, match=told) as failed:
        Server([sys.executable, "-c", f"print({text!r})"], "echo", "tcp")
    assert blamed(failed.value) == "SRV-1"
