"""The words of SPEC.md by which everything here is named."""

from typing import Literal

Service = Literal["echo", "time"]

Transport = Literal["udp", "tcp"]

Role = Literal["server", "client"]

SERVICES: tuple[Service, ...] = ("echo", "time")

ROLES: tuple[Role, ...] = ("server", "client")

TRANSPORTS: tuple[Transport, ...] = ("udp", "tcp")
