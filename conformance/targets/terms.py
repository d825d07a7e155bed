"""The words of SPEC.md by which everything here is named."""

from typing import Literal

Service = Literal["echo", "time"]

Transport = Literal["udp", "tcp"]

Role = Literal["server", "client"]

SERVICES: tuple[Service, ...] = ("echo", "time")

ROLES: tuple[Role, ...] = ("server", "client")

TRANSPORTS: tuple[Transport, ...] = ("udp", "tcp")

WRONG_USAGE = 2
"""The exit status of a program that was started with words that it does not know (SRV-10, CLI-8), as of argparse's."""
