"""Clients against a server whose misbehaviours Hypothesis draws and shrinks: SPEC.md, section 13."""

import time

import hypothesis
import pytest
from hypothesis import Phase, given, settings

from conformance.as_client import shrinking
from conformance.as_server.adversary import played
from conformance.as_server.client_model import ExpectedConduct
from conformance.as_server.client_verdict import Conduct, judge
from conformance.as_server.misbehaviours import Scenario, samples, scenarios
from conformance.blame import blame
from conformance.profiles import Profile
from conformance.targets.programs import ProgramError
from conformance.targets.target import Target
from conformance.targets.terms import Service, Transport
from conformance.timing import PATIENCE, SCALE

TIMEOUT = 2 * SCALE
"""The client's option --timeout, in seconds: enough for one retransmission."""


def converse(target: Target, case: Scenario) -> AssertionError | None:
    """Run a client against the adversary of a scenario. Return a failure if it did something wrong, else None."""
    with played(case) as server:
        words = ["--host", server.host, "--port", str(server.port), "--timeout", f"{TIMEOUT:g}"]
        ticks = ["--ticks", str(case.ticks)] if case.ticks else []
        stdin = "".join(f"{text}\n" for text in case.texts)
        program = target.program(case.transport, "client", case.service, *words, *ticks, stdin=stdin, env={"TZ": "UTC"})
        with program:
            try:
                status: int | None = program.wait(PATIENCE)
            except ProgramError:
                status = None
            ended_at = program.error_lines[-1].at if program.errors else time.monotonic()
            conduct = Conduct(program.output, program.errors, ended_at, status)
            server.close()
            transcript = list(server.player.transcript)
            expected = ExpectedConduct(case, server.url(case.service), TIMEOUT, transcript)
            fault = judge(case, expected, transcript, conduct)
            if fault is None or expected.judge_was_late:
                return None
            id_, what = fault
            wrong = "; ".join(map(str, case.misbehaviours)) or "nothing"
            text = f"{id_}: {what}\nwhat the server did wrong: {wrong}\nexpected: {expected}"
            error = AssertionError(program.describe(text))
    blame(error, id_)
    shrinking.keep_failure(error, {"scenario": case})
    return error


def _require(fault: AssertionError | None) -> None:
    if fault:
        raise fault.with_traceback(None)


def find_fault(target: Target, service: Service, transport: Transport, profile: Profile) -> None:
    """Judge a client in scenarios with one misbehaviour each, as many as the profile selects, then in drawn ones.

    At least half of the profile's examples are drawn. Raises the AssertionError of the simplest scenario that failed,
    or TimeIsUp if the time for finding a simpler one is over. A scenario is run once; its verdict then stays.
    """
    if profile.inputs is not None:
        _require(converse(target, profile.inputs["scenario"]))
        return
    sampled = profile.select(samples(service, transport, profile.seed))
    for case in sampled:
        _require(converse(target, case))
    verdicts: dict[Scenario, AssertionError | None] = dict.fromkeys(sampled)

    @hypothesis.seed(profile.seed)
    @settings(
        max_examples=max(profile.examples - len(sampled), profile.examples // 2),
        phases=(Phase.generate, Phase.shrink),
        report_multiple_bugs=False,
        deadline=None,
        database=None,
        print_blob=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @given(scenarios(service, transport))
    def judge_case(case: Scenario) -> None:
        if case not in verdicts:
            shrinking.begin_example()
            verdicts[case] = converse(target, case)
        _require(verdicts[case])

    judge_case()


BOTH = "CLI-1", "CLI-6", "CLI-7", "CLI-9", "CLI-10", "CLI-11", "CLI-12", "REQ-6", "SRV-14"


@pytest.mark.slow
@pytest.mark.service("echo")
@pytest.mark.transport("udp")
@pytest.mark.requirement("CLI-3", "CLI-2", "CLI-4", "CLI-13", "CLI-14", "CLI-15", *BOTH)
def test_echo_over_udp_bears_any_server(target: Target, profile: Profile) -> None:
    find_fault(target, "echo", "udp", profile)


@pytest.mark.slow
@pytest.mark.service("echo")
@pytest.mark.transport("tcp")
@pytest.mark.requirement("CLI-3", "CLI-4", *BOTH)
def test_echo_over_tcp_bears_any_server(target: Target, profile: Profile) -> None:
    find_fault(target, "echo", "tcp", profile)


@pytest.mark.slow
@pytest.mark.service("time")
@pytest.mark.transport("udp")
@pytest.mark.requirement(
    *("CLI-19", "CLI-2", "CLI-13", "CLI-15", "CLI-16", "CLI-17", "CLI-18", "CLI-20", "CLI-21"), *BOTH
)
def test_time_over_udp_bears_any_server(target: Target, profile: Profile) -> None:
    find_fault(target, "time", "udp", profile)


@pytest.mark.slow
@pytest.mark.service("time")
@pytest.mark.transport("tcp")
@pytest.mark.requirement("CLI-19", "CLI-20", *BOTH)
def test_time_over_tcp_bears_any_server(target: Target, profile: Profile) -> None:
    find_fault(target, "time", "tcp", profile)
