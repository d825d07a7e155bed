"""From the assignment on to SPEC.md: what is judged by the suite's own checks, a few requirements a step."""

import fnmatch
import json
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from conformance.labs.exam import Exam
from conformance.labs.ladder import Step, StepError, UndecidedError
from conformance.languages.texts import mark, requirement_text, say
from conformance.languages.told import told
from conformance.profiles import PROFILES
from conformance.reports.causes import find_causes
from conformance.running import runner
from conformance.running.cases import Case
from conformance.running.runner import JudgeError, Planned, Selection
from conformance.targets.discovery import MANIFEST, find_target
from conformance.targets.target import TargetError
from conformance.targets.terms import ROLES, Role
from spec.requirements import REQUIREMENTS

QUICK = PROFILES["quick"]
BUDGET = 60.0
"""Seconds that the checks of a step may take."""


def _judging(role: Role, groups: list[str]) -> Callable[[Exam], None]:
    ids = [id_ for id_ in REQUIREMENTS if any(fnmatch.fnmatchcase(id_, group) for group in groups)]

    def take(exam: Exam) -> None:
        _judge(exam, role, ids)

    return take


def _step(title: str, why: str, hint: str, role: Role, ids: str) -> Step[Exam]:
    return Step(title, why, hint, _judging(role, ids.split()))


PROTOCOL = [
    _step(
        mark("the server takes a service, --host and --port, and prints the ready line"),
        mark("Who starts a server by a program has to find it; port 0 means any that is free."),
        mark("print(f'waiting for clients on echo+udp://127.0.0.1:{port}', flush=True); see SPEC.md, section 12."),
        *("server", "SRV-1 SRV-2 SRV-3"),
    ),
    _step(
        mark("its first answer has the form that SPEC.md names"),
        mark("Two programs by two people understand each other only by a form that is written down."),
        mark("A status line, `name: value` for each field, an empty line; lines end with \\n."),
        *("server", "ECHO-1 LEASE-1 TIME-2 TIME-4 TIME-5 REP-*"),
    ),
    _step(
        mark("the values are right for all of Unicode"),
        mark("Characters, code points and bytes are three things."),
        mark("Work on str, not on bytes; do not strip() or normalize the message."),
        *("server", "ECHO-* TEXT-* TIME-1 TIME-3 TIME-7 TIME-11 TIME-12 LEASE-2"),
    ),
    _step(
        mark("requests are read whole: lines, datagrams, segments"),
        mark("A stream has no messages, and a datagram is one."),
        mark("Over TCP keep what comes in a buffer and take whole lines out of it."),
        *("server", "REQ-* TCP-* UDP-*"),
    ),
    _step(
        mark("each faulty request has its error"),
        mark("A client that is wrong wants to know in what."),
        mark("ERR with a code and a reason; the table in SPEC.md, section 10, has the order."),
        *("server", "ERR-1 ERR-2 ERR-3 ERR-4 ERR-5 ERR-6 ERR-7 ERR-8 ERR-9"),
    ),
    _step(
        mark("the client says where it is connected, sends its request and prints the answer"),
        mark("The client is judged by a server that the suite plays."),
        mark("Take the service, --host, --port and the text from sys.argv; see SPEC.md, section 13."),
        *("client", "CLI-1 CLI-2 CLI-3 CLI-4 CLI-16 CLI-19"),
    ),
]

SCHEDULES = _step(
    mark("leases, schedules and time hold"),
    mark("Over UDP nobody says goodbye."),
    mark("Count from a fixed start: start + n * interval, not sleep(interval)."),
    *("server", "LEASE-* TIME-*"),
)

ROBUST = [
    _step(
        mark("the server stops on a signal, and starts again at once"),
        mark("A server is stopped and started more often than one thinks."),
        mark("signal.signal() for SIGINT and SIGTERM; SO_REUSEADDR before bind()."),
        *("server", "SRV-8 SRV-9 SRV-16"),
    ),
    _step(
        mark("it says who comes and who leaves, and why it cannot start"),
        mark("Who runs a server reads its lines, and its exit status."),
        mark("One line to standard error, then sys.exit(1) or sys.exit(2)."),
        *("server", "SRV-*"),
    ),
    _step(
        mark("neither load nor noise stops it"),
        mark("Clients are slow, silent, wrong, and many."),
        mark("Never wait for one client alone; limit what is kept for each."),
        *("server", "LOAD-* ERR-10 ERR-11"),
    ),
    SCHEDULES,
    _step(
        mark("the client bears loss, silence and nonsense"),
        mark("Networks lose, double and delay; servers are down."),
        mark("settimeout(), and send again after 1, 2 and 4 seconds."),
        *("client", "CLI-*"),
    ),
]


def _judge(exam: Exam, role: Role, ids: list[str]) -> None:
    """Run the checks of some requirements. Raises StepError, with the first cause, and UndecidedError."""
    exam.close()
    with ExitStack() as stack:
        manifest = exam.submission.server.parent / MANIFEST
        if not manifest.exists():
            manifest = _write_manifest(exam, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        try:
            target = find_target(str(manifest))
        except TargetError as error:
            raise StepError(say("a manifest that can be read"), str(error)) from None
        cases = _cases(Selection([target], [role], [exam.exercise.transport], [exam.service], ids, QUICK, (), BUDGET))
    if causes := find_causes(cases, {}):
        cause = causes[0]
        case = cause.example[0] if cause.example else cause.waiting[0]
        problem = case.problem.removeprefix(f"{cause.requirement} first: ")
        raise StepError(requirement_text(cause.requirement), told(problem.strip().partition("\n\n")[0]))
    if undecided := [case for case in cases if case.outcome in ("error", "unjudged")]:
        raise UndecidedError(told(undecided[0].problem))


def _cases(selection: Selection) -> list[Case]:
    cases: list[Case] = []
    try:
        for event in runner.run(selection):
            if not isinstance(event, Planned):
                cases.append(event)
    except JudgeError as error:
        raise UndecidedError(told(str(error))) from None
    return cases


def _write_manifest(exam: Exam, directory: Path) -> Path:
    """Write a manifest for programs that have none, and return its path."""
    transport = exam.exercise.transport
    manifest = directory / MANIFEST
    programs = [
        f'{transport}_{role} = ["{{python}}", {json.dumps(str(file))}]'
        for role, file in zip(ROLES, exam.submission, strict=True)
    ]
    lines = [f"name = {json.dumps(exam.submission.server.parent.name)}", f'services = ["{exam.service}"]', "[programs]"]
    manifest.write_text("\n".join([*lines, *programs, ""]), encoding="utf-8")
    return manifest
