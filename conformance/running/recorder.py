"""Makes a case of each check that pytest runs: what came of it, what it was about, what would replay it."""

import functools
import json
import os
import re
from collections import Counter
from collections.abc import Collection, Generator
from contextlib import suppress
from typing import Any

import hypothesis
import pytest
from hypothesis.strategies import DataObject

from conformance.as_client import exchange, shrinking
from conformance.blame import blamed
from conformance.inconclusive import Unjudged
from conformance.patience import CheckTimeout
from conformance.profiles import Profile
from conformance.running.cases import (
    Case,
    Draws,
    Outcome,
    cut_problem,
    decode,
    dump_exchanges,
    encode,
    requirement_sentence,
)
from conformance.running.checks import cell_of, citations, needs, parameters_of
from conformance.running.gate import Results
from conformance.targets.target import Target
from conformance.timing import CHECK_TIMEOUT

PROBLEM_LINES = 40

_case = pytest.StashKey[Case]()


class Recorder:
    """A pytest plugin. `cases` has what came of each check so far, by node id.

    `applying` is how many checks of a target could be run.

    `events` is a descriptor that gets these numbers and the cases that are planned, then each case that is done, as
    lines of JSON.
    A worker process has none: its cases go to the controller with its reports.
    """

    def __init__(self, profile: Profile, events: int | None, replayed: Case | None) -> None:
        self.cases: dict[str, Case] = {}
        self.applying: Counter[str] = Counter()
        self._profile, self._events, self._replayed = profile, events, replayed

    def _emit(self, whole: object) -> None:
        if self._events is not None:
            os.write(self._events, json.dumps(whole).encode() + b"\n")

    def prepare(self, item: pytest.Function) -> None:
        """Make the case of a check that will run; have its generated inputs kept, or give it those to replay."""
        item.stash[_case] = self.case(item, "error")
        if hypothesis.is_hypothesis_test(item.obj):
            if self._replayed and self._replayed.inputs is not None:
                item.obj = _with_inputs(item.obj.hypothesis.inner_test, self._replayed.inputs)
            else:
                _keep_inputs(item.obj.hypothesis)

    def case(self, item: pytest.Function, outcome: Outcome) -> Case:
        """Return a check's case, with that outcome."""
        cell = cell_of(item)
        target = parameters_of(item).get("target")
        ids = item.callspec.id if hasattr(item, "callspec") else ""
        return Case(
            f"{item.path.parent.name}/{item.path.name}::{item.originalname}",
            re.sub(rf"(?<![^-]){re.escape(cell.target)}(?![^-])", "*", ids) if cell.target else ids,
            cell.target,
            target.word if isinstance(target, Target) else "",
            cell.role,
            cell.transport,
            cell.service,
            citations(item),
            outcome,
            profile=self._profile.name,
            seed=self._profile.seed,
            needs=needs(item),
        )

    def leave_out(self, item: pytest.Function, outcome: Outcome, problem: str) -> None:
        """Record a check that is not run on its target, and why."""
        case = self.cases[item.nodeid] = self.case(item, outcome)
        case.problem = problem
        self._emit(case.to_json())

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._emit([self.applying, [item.stash[_case].to_json() for item in session.items if _case in item.stash]])

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self) -> Generator[None, object, object]:
        """Where a failure has been made smaller for long enough, raise the smallest."""
        try:
            return (yield)
        except (shrinking.TimeIsUp, Unjudged):
            if failure := shrinking.smallest_failure():
                raise failure from None
            raise

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Complete the case; show, with a failure, what was sent and received last and what was to be proved."""
        raised = call.excinfo.value if call.excinfo else None  # pytest replaces a SkipTest by another
        report = yield
        case = item.stash.get(_case, None)
        if case is None:
            return report
        case.seconds = round(case.seconds + report.duration, 4)
        if report.failed and call.excinfo:
            error = shrinking.cause_of(call.excinfo.value)
            exchanges = vars(error).get("exchanges") or exchange.recent_exchanges()
            if not case.about or blamed(error) == "LOAD-3":  # whoever dies cannot do the rest either
                _describe(case, error, getattr(item, "fixturenames", ()))
                case.exchanges = dump_exchanges(exchanges)
            report.sections += [("exchange", exchange.show()) for exchange in exchanges]
            report.sections.append(("requirement", requirement_sentence(case.about)))
        elif report.skipped:
            case.outcome = "unjudged" if isinstance(raised, Unjudged) else "inconclusive"
            case.about, case.problem = getattr(raised, "about", None), str(raised)
        elif report.when == "call":
            case.outcome = "passed"
        if report.when == "teardown" and (case.outcome != "error" or case.problem):
            # Text, and ASCII: what carries reports from a worker refuses the lone surrogates of generated text.
            vars(report)["case"] = json.dumps(case.to_json())
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a case that is done, here or in a worker; once, though a worker may die when it has reported it."""
        if report.nodeid not in self.cases and (whole := vars(report).get("case")):
            case = self.cases[report.nodeid] = Case.from_json(json.loads(whole))
            self._emit(case.to_json())

    def results(self) -> Results:
        """Return target: requirement: {"passed": n, "failed": n}; a failure counts for what it is about alone."""
        results: Results = {}
        for case in self.cases.values():
            if case.ran:
                passed = case.outcome == "passed"
                for id_ in dict.fromkeys(case.requirements) if passed else [case.about or case.requirements[0]]:
                    counts = results.setdefault(case.target, {}).setdefault(id_, {"passed": 0, "failed": 0})
                    counts["passed" if passed else "failed"] += 1
        return results


def _describe(case: Case, error: BaseException, fixtures: Collection[str]) -> None:
    """Complete a case by what it raised."""
    case.outcome = "failed" if _is_failure(error) else "error"
    case.about = blamed(error) or case.requirements[0]
    told = str(error).encode("utf-8", "backslashreplace").decode()  # a command line may hold any bytes
    if told.startswith("Timeout (>"):  # as pytest-timeout says it
        told = str(CheckTimeout(f"the check was not done in {CHECK_TIMEOUT:g} s"))
    lines = (told or type(error).__name__).splitlines()
    if case.outcome == "error":
        lines[0] = f"{type(error).__name__}: {lines[0]}"
    case.problem = cut_problem("\n".join(lines[:PROBLEM_LINES] + ["…"] * (len(lines) > PROBLEM_LINES)))
    if (inputs := vars(error).get("inputs")) is not None:
        with suppress(TypeError):
            case.inputs = {name: _stored(value) for name, value in inputs.items() if name not in fixtures}


def _is_failure(error: BaseException) -> bool:
    return isinstance(error, AssertionError | pytest.fail.Exception)


def _keep_inputs(handle: Any) -> None:
    """Have what a generated check raises hold its arguments; what it raises last is of the shrunk example."""
    test = handle.inner_test
    if hasattr(test, "keeps_inputs"):
        return

    @functools.wraps(test)
    def kept(*args: Any, **arguments: Any) -> None:
        drawing = {name: Draws(value) if isinstance(value, DataObject) else value for name, value in arguments.items()}
        shrinking.begin_example()
        try:
            test(*args, **drawing)
        except (AssertionError, OSError) as error:
            shrinking.keep_failure(error, drawing)
            raise

    vars(kept)["keeps_inputs"] = True
    handle.inner_test = kept


def _with_inputs(test: Any, inputs: dict[str, Any]) -> Any:
    """Return a check that runs once, with these inputs."""

    def replayed(**fixtures: Any) -> None:
        restored = {
            name: Draws(None, decode(value["draws"])) if isinstance(value, dict) and "draws" in value else decode(value)
            for name, value in inputs.items()
        }
        test(**fixtures, **restored)

    return replayed


def _stored(value: object) -> Any:
    return {"draws": encode(value.drawn)} if isinstance(value, Draws) else encode(value)
