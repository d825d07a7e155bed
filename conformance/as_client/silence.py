"""Whether a server over UDP says nothing, judged without waiting: what is asked next is answered next."""

from conformance.as_client.judgement import require_reply
from conformance.as_client.peers import UdpPeer
from conformance.expected.oracle import expected_reply, masked
from conformance.expected.services import SERVICE_TABLE
from conformance.targets.terms import Service


def require_silence(peer: UdpPeer, service: Service) -> None:
    """Raise AssertionError if the server has sent anything that was not received yet.

    It sends two probes whose replies differ; these replies must come next. On the loopback, datagrams from one socket
    to another keep their order, so an answer to an earlier datagram comes before them. If it looks like the reply to
    the first probe, then the second reply is not the expected one.
    """
    for probe in SERVICE_TABLE[service].probes:
        expected = expected_reply(service, "udp", probe)
        require_reply(peer.ask(probe), expected, "a reply came to what must have none")


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
