"""Writes exchanges as a capture file that Wireshark opens: the judge's view, with made-up acknowledgements."""

import functools
import operator
from collections.abc import Iterable, Iterator
from pathlib import Path

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Packet, Raw
from scapy.utils import PcapWriter

from conformance.as_client.exchange import Exchange

LINKTYPE_RAW = 101
SEGMENT = 16384  # bytes; an IPv4 packet holds less than 65,536


def write(path: Path, exchanges: Iterable[Exchange]) -> None:
    """Write a pcap file with the packets of all exchanges, by time."""
    packets = sorted(
        (packet for exchange in exchanges for packet in _packets(exchange)), key=lambda packet: packet.time
    )
    with PcapWriter(str(path), linktype=LINKTYPE_RAW) as writer:
        writer.write_header(None)
        for packet in packets:
            writer.write_packet(packet)  # not `write`: it warns of the link type, which is right


def _packets(exchange: Exchange) -> Iterator[Packet]:
    ends = {"C": exchange.client, "S": exchange.server}
    sequence = {"C": 0, "S": 0}

    def packet(side: str, payload: bytes, flags: str, at: float) -> Packet:
        other = "S" if side == "C" else "C"
        here, there = ends[side], ends[other]
        layers: list[Packet] = [(IPv6 if ":" in here[0] else IP)(src=here[0], dst=there[0])]
        if exchange.transport == "udp":
            layers.append(UDP(sport=here[1], dport=there[1]))
        else:
            ack = 0 if flags == "S" else sequence[other]
            layers.append(TCP(sport=here[1], dport=there[1], flags=flags, seq=sequence[side], ack=ack))
            sequence[side] += len(payload) + len(set(flags) & set("SF"))
        whole: Packet = functools.reduce(operator.truediv, [*layers, Raw(payload)] if payload else layers)
        whole.time = exchange.wall + at
        return whole

    tcp = exchange.transport == "tcp"
    if tcp:
        for side, flags in (("C", "S"), ("S", "SA"), ("C", "A")):
            yield packet(side, b"", flags, 0.0)
    for event in exchange.events:
        at = event.at - exchange.start
        if tcp:
            for start in range(0, len(event.data), SEGMENT):
                yield packet(event.side, event.data[start : start + SEGMENT], "PA", at)
            if event.note in ("end of stream", "half-close"):
                yield packet(event.side, b"", "FA", at)
            elif event.note in ("reset", "ConnectionResetError"):
                yield packet(event.side, b"", "RA", at)
        elif event.data or not event.note:
            yield packet(event.side, event.data, "", at)
