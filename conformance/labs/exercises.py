"""The seven exercises."""

from typing import NamedTuple

from conformance.languages.texts import mark
from conformance.targets.terms import Service, Transport


class Exercise(NamedTuple):
    """What one exercise asks for.

    Attributes:
        number: from 1 to 7
        title: in English
        transport: what the two programs talk over
        services: which of the services the two programs may be; where both are right, they are told by their source
        with_block: whether sockets are to be opened in ``with``
        framework: whether the server is to be one of ``socketserver``
        addition: whether the answer is to have more than the four parts
    """

    number: int
    title: str
    transport: Transport
    services: tuple[Service, ...]
    with_block: bool = False
    framework: bool = False
    addition: bool = False


BOTH: tuple[Service, Service] = ("echo", "time")

EXERCISES = {
    exercise.number: exercise
    for exercise in (
        Exercise(1, mark("a message over UDP, and what the server makes of it"), "udp", ("echo",)),
        Exercise(2, mark("the time over UDP, for several clients at once"), "udp", ("time",)),
        Exercise(3, mark("exercise 1 or 2 again, with `with`"), "udp", BOTH, with_block=True),
        Exercise(4, mark("a message over TCP, with an addition"), "tcp", ("echo",), addition=True),
        Exercise(5, mark("the time over TCP, with `with`"), "tcp", ("time",), with_block=True),
        Exercise(6, mark("a UDP server of socketserver"), "udp", BOTH, with_block=True, framework=True),
        Exercise(7, mark("a TCP server of socketserver"), "tcp", BOTH, with_block=True, framework=True),
    )
}
