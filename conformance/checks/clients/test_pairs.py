"""Clients with real servers, through a network that loses, doubles, delays and cuts: SPEC.md, section 13."""

import pytest

from conformance.as_network.pairs import judge
from conformance.profiles import Profile
from conformance.targets.discovery import BUNDLED
from conformance.targets.target import Target

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.parametrize("partner", list(BUNDLED))]


@pytest.mark.service("echo")
@pytest.mark.transport("udp")
@pytest.mark.requirement("CLI-13", "CLI-3", "CLI-6", "CLI-7", "CLI-10", "CLI-14")
def test_echo_client_over_udp(target: Target, partner: str, profile: Profile) -> None:
    judge(target, BUNDLED[partner], "echo", "udp", profile)


@pytest.mark.service("time")
@pytest.mark.transport("udp")
@pytest.mark.requirement("CLI-21", "CLI-6", "CLI-7", "CLI-10", "CLI-13", "CLI-16", "CLI-18", "CLI-20")
def test_time_client_over_udp(target: Target, partner: str, profile: Profile) -> None:
    judge(target, BUNDLED[partner], "time", "udp", profile)


@pytest.mark.service("echo")
@pytest.mark.transport("tcp")
@pytest.mark.requirement("CLI-3", "CLI-4", "CLI-6", "CLI-7", "CLI-10")
def test_echo_client_over_tcp(target: Target, partner: str, profile: Profile) -> None:
    judge(target, BUNDLED[partner], "echo", "tcp", profile)


@pytest.mark.service("time")
@pytest.mark.transport("tcp")
@pytest.mark.requirement("CLI-19", "CLI-6", "CLI-7", "CLI-10", "CLI-20")
def test_time_client_over_tcp(target: Target, partner: str, profile: Profile) -> None:
    judge(target, BUNDLED[partner], "time", "tcp", profile)
