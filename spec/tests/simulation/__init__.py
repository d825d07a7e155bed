"""One server and up to a thousand clients in virtual time, drawn from a seed: hours in seconds.

The parties are the core's own. Between them is a network that loses, doubles, delays and overtakes datagrams, and cuts
streams into pieces. Servers restart, clients leave, sleep and come back. A judge, who sees each datagram and each line
but shares no state with the parties, holds what SPEC.md promises of the whole.
"""

from spec.tests.simulation.echo_world import EchoWorld
from spec.tests.simulation.stream_world import StreamWorld
from spec.tests.simulation.time_world import TimeWorld

WORLDS = {"time": TimeWorld, "echo": EchoWorld, "tcp": StreamWorld}
"""What can be simulated: the time service over UDP, the echo service over UDP, either over TCP."""
