"""Servers with real clients, through a network that loses, doubles, delays and cuts: SPEC.md, sections 5 to 9."""

import pytest

from conformance.as_network.pairs import judge
from conformance.profiles import Profile
from conformance.targets.discovery import BUNDLED
from conformance.targets.target import Target

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.parametrize("partner", list(BUNDLED))]


@pytest.mark.service("echo")
@pytest.mark.transport("udp")
@pytest.mark.requirement("UDP-5", "ECHO-1", "LOAD-3", "SRV-13")
def test_echo_server_over_udp(target: Target, partner: str, profile: Profile) -> None:
    judge(BUNDLED[partner], target, "echo", "udp", profile)


@pytest.mark.service("time")
@pytest.mark.transport("udp")
@pytest.mark.requirement("LEASE-1", "LEASE-11", "TIME-2", "TIME-4", "TIME-12", "LOAD-3", "SRV-6", "SRV-13")
def test_time_server_over_udp(target: Target, partner: str, profile: Profile) -> None:
    judge(BUNDLED[partner], target, "time", "udp", profile)


@pytest.mark.service("echo")
@pytest.mark.transport("tcp")
@pytest.mark.requirement("TCP-3", "TCP-1", "TCP-2", "TCP-8", "TCP-9", "LOAD-3", "SRV-6", "SRV-13")
def test_echo_server_over_tcp(target: Target, partner: str, profile: Profile) -> None:
    judge(BUNDLED[partner], target, "echo", "tcp", profile)


@pytest.mark.service("time")
@pytest.mark.transport("tcp")
@pytest.mark.requirement("TCP-3", "TCP-8", "TIME-2", "TIME-4", "TIME-7", "LOAD-3", "SRV-6", "SRV-13")
def test_time_server_over_tcp(target: Target, partner: str, profile: Profile) -> None:
    judge(BUNDLED[partner], target, "time", "tcp", profile)
