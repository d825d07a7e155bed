"""Clients against a server that misbehaves in every way, as Hypothesis draws and shrinks it: SPEC.md, section 13."""

import time

import hypothesis
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance.adversary import played
from conformance.citations import blame
from conformance.client_model import Owed
from conformance.client_verdict import Conduct, judge
from conformance.misbehaviours import Case, Kind, Misbehaviour, kinds
from conformance.profiles import Profile
from conformance.programs import ProgramError
from conformance.targets import Service, Target, Transport
from conformance.timing import PATIENCE, SCALE

TIMEOUT = 2 * SCALE
"""The client's, in seconds: time for one retransmission, and little more."""

SHRINKING = 15 * SCALE
"""For so many seconds after a first failure simpler ones are looked for."""

TEXTS: dict[Service, SearchStrategy[tuple[str, ...]]] = {
    "echo": st.sampled_from([("раз",), ("раз", "два"), ("раз", "два", "три")]),
    "time": st.just(("Анна",)),
}


REPLIES = [0, 1, 2, 0, 1, 3, 4]
"""Which replies may be spoiled, the first ones more often."""


def one_of(kinds: dict[str, Kind]) -> SearchStrategy[Misbehaviour]:
    """A misbehaviour of these kinds."""

    def of(name: str) -> SearchStrategy[Misbehaviour]:
        return st.builds(Misbehaviour, st.just(name), st.sampled_from(REPLIES), st.sampled_from(kinds[name].details))

    return st.sampled_from(list(kinds)).flatmap(of)


def cases(service: Service, transport: Transport) -> SearchStrategy[Case]:
    """Conversations in which much goes wrong that costs no time, and at most one thing that does, or is the end."""
    quick, *others = map(one_of, filter(None, kinds(service, transport)))
    last = st.one_of([st.just(()), *(other.map(lambda each: (each,)) for other in others)])
    several = st.lists(quick, max_size=8, unique_by=lambda each: each[:2])
    return st.builds(
        Case,
        st.just(service),
        st.just(transport),
        TEXTS[service],
        st.integers(1, 3) if service == "time" else st.just(0),
        st.builds(lambda several, last: (*several, *last), several, last),
    )


def converse(target: Target, case: Case) -> AssertionError | None:
    """Let a client talk to the adversary of a case; return what it did wrong."""
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
            owed = Owed(case, server.url(case.service), TIMEOUT, transcript)
            fault = judge(case, owed, transcript, conduct)
            if fault is None or owed.judge_was_late:
                return None
            id_, what = fault
            wrong = "; ".join(map(str, case.misbehaviours)) or "nothing"
            told = program.describe(f"{id_}: {what}\nwhat the server did wrong: {wrong}\ndue: {owed}")
            error = AssertionError(f"{told}\n{server.exchange.show()}")
    blame(error, id_)
    return error


def find_fault(target: Target, drawn: SearchStrategy[Case], profile: Profile) -> None:
    """Judge the profile's number of cases. Raises the AssertionError of the simplest case that was found to fail.

    A case has one verdict, that of its first run; what is not run before the time is up counts as passed.
    """
    verdicts: dict[Case, AssertionError | None] = {}
    deadline = float("inf")

    @hypothesis.seed(profile.seed)
    @settings(
        max_examples=profile.examples,
        phases=(Phase.generate, Phase.shrink),
        report_multiple_bugs=False,
        deadline=None,
        database=None,
        print_blob=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @given(drawn)
    def judge_case(case: Case) -> None:
        nonlocal deadline
        if case not in verdicts and time.monotonic() < deadline:
            verdicts[case] = converse(target, case)
            if verdicts[case]:
                deadline = min(deadline, time.monotonic() + SHRINKING)
        if error := verdicts.get(case):
            raise error.with_traceback(None)

    judge_case()


@pytest.mark.slow
@pytest.mark.requirement("CLI-3", "CLI-4")
def test_echo_bears_any_server(target: Target, transport: Transport, profile: Profile) -> None:
    find_fault(target, cases("echo", transport), profile)


@pytest.mark.slow
@pytest.mark.requirement("CLI-19", "CLI-20")
def test_time_bears_any_server(target: Target, transport: Transport, profile: Profile) -> None:
    find_fault(target, cases("time", transport), profile)
