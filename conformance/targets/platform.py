"""What the platform that a target's programs run on may lack; the manifest says so, since the suite cannot see it."""

from collections.abc import Mapping

NEEDS = {
    "argument-bytes": "arguments that are not UTF-8",
    "interrupted-writes": "signals that end a write into a full pipe",
    "many-sockets": "servers that wait for more than 511 clients",
    "output-files": "files as standard output",
    "sighup": "the signal SIGHUP",
    "terminals": "the suite's pseudo-terminals",
    "udp-addresses": "UDP sockets that are bound to another address than 127.0.0.1",
    "udp-refusals": "reports that nobody listens on a UDP port",
    "zone-seconds": "time zones whose offset from UTC has seconds",
}
"""What some checks need of the platform, in words for a person."""


def read_lacks(table: object) -> dict[str, str]:
    """Return what a manifest's table says that the platform lacks, each with the reason.

    Raises ValueError with one line.
    """
    if not isinstance(table, Mapping) or not set(table) <= set(NEEDS):
        raise ValueError(f"must be a table with some of {', '.join(NEEDS)}")
    if not all(isinstance(reason, str) and reason.strip() for reason in table.values()):
        raise ValueError("each value must be a string that says why")
    return dict(table)
