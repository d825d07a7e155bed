"""Whether a server over UDP says nothing, judged without waiting: what is asked next is answered next."""

from contextlib import AbstractContextManager, nullcontext

from conformance.as_client.exchange import as_text
from conformance.as_client.judgement import require_reply
from conformance.as_client.observed import Observed
from conformance.as_client.peers import UdpPeer
from conformance.blame import about
from conformance.expected.oracle import REQUIREMENTS, error, expected_reply, masked
from conformance.expected.services import SERVICE_TABLE
from conformance.targets.terms import Service


def require_silence(peer: UdpPeer, service: Service) -> None:
    """Raise AssertionError if the server has sent anything that was not received yet.

    It sends two probes whose replies differ; these replies must come next. On the loopback, datagrams from one socket
    to another keep their order, so an answer to an earlier datagram comes before them. If it looks like the reply to
    the first probe, then the second reply is not the expected one. If no third one comes, a probe had a wrong reply.
    """
    probes = SERVICE_TABLE[service].probes
    expected = [expected_reply(service, "udp", probe) for probe in probes]
    came = []
    for probe, reply in zip(probes, expected, strict=True):
        with _about(reply):
            came.append(masked(peer.ask(probe).raw))
    if came == expected:
        return
    try:
        peer.reply()
    except Observed:
        for probe, raw, reply in zip(probes, came, expected, strict=True):
            with _about(reply):
                require_reply(raw, reply, f"the answer to {as_text(probe)}")
    for raw, reply in zip(came, expected, strict=True):
        require_reply(raw, reply, "a reply came to what must have none")


def _about(expected: bytes | None) -> AbstractContextManager[None]:
    """A block whose failure is about the error that a probe has, if it has one."""
    refused = [id_ for code, id_ in REQUIREMENTS.items() if expected == error(code)]
    return about(refused[0]) if refused else nullcontext()


def collect_datagrams(peer: UdpPeer, service: Service, datagrams: list[bytes]) -> list[bytes | None]:
    """Send datagrams, each after the expected reply to the one before. Return the replies, masked; None: silence.

    Raises AssertionError if more came than is expected.
    """
    replies: list[bytes | None] = []
    for datagram in datagrams:
        peer.send(datagram)
        is_silent = expected_reply(service, "udp", datagram) is None
        replies.append(None if is_silent else masked(peer.reply().raw))
    require_silence(peer, service)
    return replies
