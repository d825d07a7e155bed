"""What the cases of a target come to: a verdict for each requirement, the known failures, the exit status."""

import enum
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from conformance.inconclusive import NOT_STARTED, OUT_OF_TIME
from conformance.languages.texts import mark, say
from conformance.running.cases import Case
from conformance.targets.toml_files import read_toml
from spec.requirements import REQUIREMENTS

CONFORMS, FAILS, USAGE, NOT_JUDGED = 0, 1, 2, 3


class Verdict(enum.Enum):
    """What is said of a requirement and a target. Nothing ever turns a FAIL into a softer word."""

    PASS = mark("a check passed, and none failed")
    FAIL = mark("a check of a MUST failed")
    WARN = mark("a check of a SHOULD failed")
    ERROR = mark("the judge failed, not the target")
    NOT_JUDGED = mark("some of its checks were not run: something else comes first, or the time was up")
    INCONCLUSIVE = mark("no check could decide")
    UNSUPPORTED = mark("the target declares that it does not offer what it takes")


def judge(cases: Iterable[Case]) -> dict[str, Verdict]:
    """Return the verdict for each requirement that the cases of one target cite or are about."""
    of: dict[str, list[Case]] = {}
    for case in cases:
        for id_ in dict.fromkeys([*case.requirements, *([case.about] if case.about else [])]):
            of.setdefault(id_, []).append(case)
    return {id_: _verdict(id_, of[id_]) for id_ in REQUIREMENTS if id_ in of}


def _verdict(id_: str, cases: Sequence[Case]) -> Verdict:
    if any(case.outcome == "failed" and case.about == id_ for case in cases):
        return Verdict.WARN if REQUIREMENTS[id_].level.startswith("SHOULD") else Verdict.FAIL
    outcomes = {case.outcome for case in cases}
    if "error" in outcomes:
        return Verdict.ERROR
    if "unjudged" in outcomes:
        return Verdict.NOT_JUDGED
    if "passed" in outcomes:
        return Verdict.PASS
    return Verdict.UNSUPPORTED if outcomes == {"unsupported"} else Verdict.INCONCLUSIVE


class State(enum.Enum):
    """What a run says of a target as a whole."""

    CONFORMS = mark("conforms")
    FAILS = mark("does not conform")
    NOT_STARTED = mark("did not start")
    JUDGE_FAILED = mark("judge failed")
    TIMED_OUT = mark("timed out")
    NOT_JUDGED = mark("not judged")
    NOT_OFFERED = mark("not offered")


def state_of(
    cases: Sequence[Case], verdicts: Mapping[str, Verdict], known: Mapping[str, str], *, strict: bool
) -> State:
    """Return what the cases of one target come to."""
    bad = (Verdict.FAIL, Verdict.WARN) if strict else (Verdict.FAIL,)
    if any(verdict in bad and id_ not in known for id_, verdict in verdicts.items()):
        return State.FAILS
    unjudged = [case.problem for case in cases if case.outcome == "unjudged"]
    if any(problem.startswith(NOT_STARTED) for problem in unjudged):
        return State.NOT_STARTED
    if any(case.outcome == "error" for case in cases):
        return State.JUDGE_FAILED
    if any(problem.startswith(OUT_OF_TIME) for problem in unjudged):
        return State.TIMED_OUT
    if unjudged or not any(case.ran for case in cases):
        return State.NOT_OFFERED if cases and {case.outcome for case in cases} == {"unsupported"} else State.NOT_JUDGED
    return State.CONFORMS


Verdicts = Mapping[str, Mapping[str, Verdict]]
"""By target, then by requirement."""


class KnownFailuresError(Exception):
    """A file of known failures that is none: one line that says how."""


def read_known_failures(path: Path) -> dict[str, str]:
    """Return the reasons by requirement of a TOML file with tables ``[[failure]]``, each `requirement` and `reason`.

    Raises KnownFailuresError.
    """
    try:
        whole = read_toml(path)
    except ValueError as error:
        raise KnownFailuresError(str(error)) from None
    known: dict[str, str] = {}
    entries = whole.pop("failure", [])
    if whole or not isinstance(entries, list):
        raise KnownFailuresError(say("{file}: only [[failure]] tables are known", file=path))
    for entry in entries:
        match entry:
            case {"requirement": str(id_), "reason": str(reason), **rest} if not rest and reason.strip():
                if id_ not in REQUIREMENTS:
                    raise KnownFailuresError(say("{file}: SPEC.md has no requirement {id}", file=path, id=id_))
                known[id_] = reason
            case _:
                raise KnownFailuresError(
                    say("{file}: each [[failure]] has a requirement and a reason, and nothing else", file=path)
                )
    return known


def stale(known: Iterable[str], verdicts: Verdicts) -> list[str]:
    """Return the known failures that were judged and did not fail for any target."""
    bad = (Verdict.FAIL, Verdict.WARN)
    return [
        id_
        for id_ in known
        if any(of.get(id_) is Verdict.PASS for of in verdicts.values())
        and not any(of.get(id_) in bad for of in verdicts.values())
    ]


def exit_status(verdicts: Verdicts, known: Mapping[str, str], *, strict: bool) -> int:
    """Return 0 if each target conforms, 1 if one does not or a known failure is stale, 3 if that cannot be said."""
    bad = (Verdict.FAIL, Verdict.WARN) if strict else (Verdict.FAIL,)
    everything = [(id_, verdict) for of in verdicts.values() for id_, verdict in of.items()]
    if any(verdict in bad and id_ not in known for id_, verdict in everything) or stale(known, verdicts):
        return FAILS
    decided = {Verdict.PASS, Verdict.FAIL, Verdict.WARN}
    judged = all(decided & set(of.values()) for of in verdicts.values())
    if not verdicts or not judged or any(verdict in (Verdict.ERROR, Verdict.NOT_JUDGED) for _, verdict in everything):
        return NOT_JUDGED
    return CONFORMS
