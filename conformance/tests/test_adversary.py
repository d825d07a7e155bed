"""The adversary and the model of a client, with the core's clients, without I/O and in virtual time.

The core's own clients must pass, whatever the adversary does. Each planted fault must be found with one misbehaviour.
"""

import re
from collections import deque
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, example, find, given, settings
from hypothesis import strategies as st

import spec.client
import spec.codec
import spec.datagram_client
import spec.stream_client
from conformance.as_server.adversary import Act, Adversary, Event
from conformance.as_server.client_model import ExpectedConduct, understood
from conformance.as_server.client_verdict import Conduct, judge
from conformance.as_server.misbehaviours import BAD, ODD, Misbehaviour, Scenario, kinds, samples, scenarios
from conformance.expected.replies import TOKEN, challenge, ok, ok_fields, replaced, reply, tick
from conformance.targets.terms import SERVICES, TRANSPORTS, Service, Transport
from spec.datagram_client import DatagramClient, TimeDatagramClient
from spec.options import ClientOptions
from spec.stream_client import StreamClient

URL = "echo+udp://127.0.0.1:7007"
TIMEOUT = 2.0
GOOD = Scenario("echo", "udp", ("раз", "два"), 0)
GOOD_TIME = Scenario("time", "udp", ("Анна",), 2)
OK, ALL = ok("echo", "udp", "раз"), st.sampled_from([(s, t) for s in SERVICES for t in TRANSPORTS])


def play(case: Scenario) -> tuple[list[Event], Conduct]:
    """Run a client of the core against the adversary of a scenario."""
    output: list[str] = []
    errors: list[str] = []
    open_client = (
        spec.datagram_client.open_datagram_client if case.transport == "udp" else spec.stream_client.open_stream_client
    )
    options = ClientOptions(case.service, case.transport, timeout=TIMEOUT, ticks=case.ticks or None)
    client, server, now = open_client(options, URL, output.append, errors.append), Adversary(case), 100.0
    transcript: list[Event] = []
    coming: deque[Act] = deque()
    ended = False
    for text in case.texts:
        out = client.ask(text, now)
        while True:
            if out and not ended:
                acts = server.answer(out)
                coming += [act for act in acts if act.via not in ("another port", "another host")]
                transcript += [Event(now, out, "client"), *(Event(now, *act) for act in acts)]
                ended = any(act.via in ("finish", "reset") for act in acts)
            out = b""
            if not client.waiting:
                break
            if not coming:
                now = client.deadline
                out = client.wake(now)
            elif (act := coming.popleft()).via == "reset":
                assert isinstance(client, StreamClient)
                client.unreachable("reset")
            elif case.transport == "udp" or act.data or act.via == "finish":
                out = client.receive(act.data, now)
        if client.over:
            break
    return transcript, Conduct(output, errors, now, client.status)


def verdict(case: Scenario) -> tuple[str, str] | None:
    """Return the verdict on a client of the core in a scenario."""
    transcript, conduct = play(case)
    return judge(case, ExpectedConduct(case, URL, TIMEOUT, transcript), transcript, conduct)


def acts(case: Scenario) -> list[tuple[bytes, str]]:
    """Return the requests and the acts of a scenario."""
    return [(event.data, event.via) for event in play(case)[0]]


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(ALL.flatmap(lambda where: scenarios(*where)))
@example(
    Scenario(  # the second token waits for a repetition, which goes on counting
        *("time", "udp", ("Анна",), 2, (Misbehaviour("the token expired", 1, ""), Misbehaviour("lost", 2, ""))),
    )
)
def test_a_good_client_is_found_good(case: Scenario) -> None:
    transcript, conduct = play(case)
    expected = ExpectedConduct(case, URL, TIMEOUT, transcript)
    assert judge(case, expected, transcript, conduct) is None, f"{case}\n{transcript}\n{conduct}\n{expected}"


def test_without_misbehaviours_the_service_is_correct() -> None:
    server = Adversary(GOOD_TIME)
    line = "TIME Анна\n".encode()
    subscribed = Act(ok("time", "udp", "Анна", "0.1"))
    assert server.answer(line) == [Act(challenge())]
    for seq in 1, 2:
        acts = [subscribed, Act(tick("Анна", seq, 10 * seq))]
        assert server.answer(line + f"token: {TOKEN}\n".encode()) == acts
    assert Adversary(GOOD).answer("ECHO раз\n".encode()) == [Act(OK)]


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("lost", []),
        ("silence", []),
        ("delayed", []),
        ("doubled", [OK, OK]),
        ("truncated", [OK[:-9], OK]),
        ("forged", [reply("OK", *replaced(ok_fields("echo", "udp", "раз"), "reversed", "forged")), OK]),
    ],
)
def test_how_a_reply_is_spoiled(name: str, sent: list[bytes]) -> None:
    detail = {"truncated": "9", "forged": "another port"}.get(name, "")
    case = GOOD._replace(misbehaviours=(Misbehaviour(name, 0, detail),))
    assert [act.data for act in Adversary(case).answer("ECHO раз\n".encode())] == sent


@pytest.mark.parametrize(("service", "transport"), [(s, t) for s in SERVICES for t in TRANSPORTS])
def test_each_misbehaviour_changes_something(service: Service, transport: Transport) -> None:
    case = GOOD._replace(transport=transport) if service == "echo" else GOOD_TIME._replace(transport=transport)
    plain = acts(case)
    for name, kind in [each for group in kinds(service, transport) for each in group.items()]:
        for detail in kind.details:
            spoiled = [case._replace(misbehaviours=(Misbehaviour(name, reply, detail),)) for reply in range(5)]
            assert not any(map(verdict, spoiled)), f"{name} ({detail}): a good client is found bad"
            assert any(acts(each) != plain for each in spoiled), f"{name} ({detail}) changes nothing"


REPLIES: dict[tuple[Service, Transport], list[bytes]] = {
    ("echo", "udp"): [OK],
    ("echo", "tcp"): [ok("echo", "tcp", "раз")],
    ("time", "udp"): [
        challenge(),
        ok("time", "udp", "Анна", "3"),
        tick("Анна", 1),
    ],
    ("time", "tcp"): [ok("time", "tcp", "Анна", "0.05")],
}


def test_odd_replies_are_understood_and_bad_ones_are_not() -> None:
    for (service, transport), replies in REPLIES.items():
        case = Scenario(service, transport, ("раз",), 1)
        quick, _, fatal = kinds(service, transport)
        for good in replies:
            assert understood(case, good)
            for name, kind in (quick | fatal).items():
                for detail in kind.details:
                    if name in ODD:
                        assert understood(case, ODD[name](good, detail)), (name, detail, good)
                    elif name in BAD and name != "another status":
                        assert not understood(case, BAD[name](good, detail)), (name, detail, good)


class _PrintsAll(spec.client.TickPrinter):
    def take(self, tick: spec.client.Tick) -> None:
        self._last = None
        super().take(tick)


class _BySeq(spec.client.TickPrinter):
    def __init__(self, show: spec.client.Print, newer: object) -> None:
        super().__init__(show, lambda tick, last: tick.seq > last.seq)


def _answers_every_challenge(client: TimeDatagramClient, reply: spec.codec.Reply, now: float) -> bytes:
    client._may_answer_challenge = True
    return PROVE(client, reply, now)


def _forgets_the_token(client: TimeDatagramClient, reply: spec.codec.Reply, now: float) -> bytes:
    return PROVE(client, reply, now).split(b"\n")[0]


def _counts_challenges_as_answers(client: TimeDatagramClient, reply: spec.codec.Reply, now: float) -> bytes:
    client._give_up = now + TIMEOUT
    return PROVE(client, reply, now)


def _takes_the_end_for_an_answer(client: StreamClient, data: bytes, now: float) -> bytes:
    if not data:
        client.waiting = False
        return b""
    return RECEIVE(client, data, now)


def _says_nothing(client: DatagramClient, data: bytes, now: float) -> bytes:
    try:
        return client._take(spec.codec.parse_reply(data), now)
    except spec.codec.ReplyError:
        return b""


PROVE, RECEIVE = TimeDatagramClient._prove, StreamClient.receive
FORMS = {**spec.client._FORMS, "sha256": re.compile(".*")}


def _renews_late(client: TimeDatagramClient, now: float) -> None:
    client._send_again = client._renewal = now + 1.5


PLANTED: list[tuple[Service, Transport, object, str, object, set[str]]] = [
    ("echo", "udp", spec.client, "visible", str, {"SRV-14"}),
    ("echo", "udp", spec.client.Client, "_refuse", lambda client, reply: client.fail("no", 1), {"CLI-9"}),
    ("echo", "udp", spec.datagram_client, "RETRANSMISSIONS", (0.5, 1, 2), {"CLI-13"}),
    ("echo", "udp", spec.datagram_client, "RETRANSMISSIONS", (), {"CLI-13"}),
    ("echo", "udp", DatagramClient, "receive", _says_nothing, {"CLI-11"}),
    ("echo", "tcp", spec.client, "_FORMS", FORMS, {"CLI-11"}),
    ("echo", "tcp", StreamClient, "receive", _takes_the_end_for_an_answer, {"CLI-7"}),
    ("time", "tcp", spec.stream_client, "TickPrinter", _PrintsAll, {"CLI-20"}),
    ("time", "tcp", spec.stream_client, "REPLY_BYTES", 10**9, {"CLI-11"}),
    ("time", "udp", spec.datagram_client, "TickPrinter", _PrintsAll, {"CLI-20"}),
    ("time", "udp", spec.datagram_client, "TickPrinter", _BySeq, {"CLI-20", "CLI-21"}),
    ("time", "udp", TimeDatagramClient, "_prove", _answers_every_challenge, {"CLI-17"}),
    ("time", "udp", TimeDatagramClient, "_prove", _forgets_the_token, {"CLI-16"}),
    ("time", "udp", TimeDatagramClient, "_prove", _counts_challenges_as_answers, {"CLI-7", "CLI-17"}),
    ("time", "udp", TimeDatagramClient, "_plan", _renews_late, {"CLI-18"}),
]


@pytest.mark.parametrize(("service", "transport", "owner", "name", "value", "requirements"), PLANTED)
def test_a_planted_fault_is_found(
    monkeypatch: pytest.MonkeyPatch,
    service: Service,
    transport: Transport,
    owner: object,
    name: str,
    value: object,
    requirements: set[str],
) -> None:
    """It is found in a scenario with at most one misbehaviour, and is about one of these requirements."""
    monkeypatch.setattr(owner, name, value)
    found = next(filter(None, map(verdict, (case for seed in range(8) for case in samples(service, transport, seed)))))
    assert found[0] in requirements, found


def test_a_fault_is_shrunk_to_one_misbehaviour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec.datagram_client, "TickPrinter", _PrintsAll)
    search = settings(max_examples=500, database=None, phases=[Phase.generate, Phase.shrink])
    case = find(scenarios("time", "udp"), lambda case: verdict(case) is not None, settings=search, random=Random(0))
    assert len(case.misbehaviours) == 1, case
