"""What a client's screen shows: times of the day, that it is connected, an answer after a slow beginning."""

from pathlib import Path

import pytest

from conformance.labs.exam import CONNECTED
from conformance.labs.source import Source
from conformance.labs.two_clients import clocks
from conformance.tests.labs.test_labs import ECHO_UDP_CLIENT, ECHO_UDP_SERVER, lab, write


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("12:34:56", ("12", "34", "56")),
        ("14:6:4", ("14", "6", "4")),
        ("14:06:4", ("14", "06", "4")),
        ("14:06", ("14", "06", None)),
        ("14.06.14", ("14", "06", "14")),
        ("27-11-2026 19-05-07", ("19", "05", "07")),
        ("2026-11-27 19-05-07", ("19", "05", "07")),
        ("13 ч 54 мин 9 с", ("13", "54", "9")),
        ("13 часов, 54 минуты и 49 секунд", ("13", "54", "49")),
        ("1 hour 2 minutes and 3 seconds", ("1", "2", "3")),
        ("13 часов 54 минуты", ("13", "54", None)),
        ("05.11.26, 13 ч 54 мин 9 с", ("13", "54", "9")),
        ("2026-11-27", None),
        ("27.11.2026", None),
        ("127.0.0.1:5000", None),
        ("from 2 to 10 letters, 3 times", None),
        ("4:6", None),
    ],
)
def test_a_time_of_the_day_has_many_forms(text: str, told: tuple[str, ...] | None) -> None:
    assert [clock.groups() for clock in clocks(text)] == ([told] if told else [])


@pytest.mark.parametrize("word", ["Podklyucheno", "podkljuchen", "Soedinenie", "есть связь"])
def test_a_word_for_connected(word: str) -> None:
    assert CONNECTED.search(word)


def test_a_client_that_begins_slowly_has_all_its_time_to_answer(tmp_path: Path) -> None:
    """Its prompt is never printed: the line is typed when it has been silent for a while."""
    slow = "import time\nfor _ in range(9):\n    print('.', end='', flush=True)\n    time.sleep(0.2)\nask = input\n"
    write(tmp_path, ECHO_UDP_SERVER, slow + ECHO_UDP_CLIENT.replace('input("Сообщение: ")', "ask()"))
    with (tmp_path / "client.py").open("a", encoding="utf-8") as file:
        file.write("\ndef never():\n    input('Again: ')\n")
    status, said = lab(1, tmp_path)
    assert status == 0, said


def test_with_readline_a_prompt_comes_with_what_is_printed(tmp_path: Path) -> None:
    (tmp_path / "client.py").write_text("import readline\ninput('Message: ')\n", encoding="utf-8")
    assert not Source(tmp_path / "client.py").prompts


def test_a_class_made_from_a_socket_opens_one(tmp_path: Path) -> None:
    text = "import socket\nclass Own(socket.socket): pass\nwith Own() as first: pass\nsecond = Own()\n"
    (tmp_path / "server.py").write_text(text, encoding="utf-8")
    assert Source(tmp_path / "server.py").opened_without_with() == [("server.py", 4)]


def test_a_size_is_no_port(tmp_path: Path) -> None:
    text = "port = int(input())\nclient.connect(('', port or 5001))\nclient.recv(10_000)\nclient.recv(1024)\n"
    (tmp_path / "client.py").write_text(text, encoding="utf-8")
    assert Source(tmp_path / "client.py").ports == [5001]
