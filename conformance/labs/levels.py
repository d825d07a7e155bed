"""From the assignment on to SPEC.md: what is judged by the suite's own checks, a few requirements a step."""

import fnmatch
import json
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from itertools import dropwhile, takewhile
from pathlib import Path
from types import MappingProxyType

from conformance.as_client.exchange import as_text
from conformance.expected import replies
from conformance.expected.oracle import masked, ok
from conformance.expected.services import SERVICE_TABLE
from conformance.labs.errors import own_part
from conformance.labs.exam import Exam
from conformance.labs.ladder import Step, StepError, UndecidedError, cut, shown
from conformance.languages.texts import mark, requirement_text, say
from conformance.languages.told import told
from conformance.profiles import PROFILES
from conformance.reports.causes import find_causes
from conformance.running import runner
from conformance.running.admission import NOTHING_NEW
from conformance.running.cases import Case, load_exchange
from conformance.running.runner import JudgeError, Planned, Selection
from conformance.targets.discovery import MANIFEST, find_target
from conformance.targets.target import TargetError
from conformance.targets.terms import ROLES, Role, Service, Transport
from conformance.timing import CHECK_TIMEOUT
from spec.requirements import REQUIREMENTS

QUICK = PROFILES["quick"]
BUDGET = 60.0
"""Seconds after which no further check of a step begins."""

STEP_LIMIT = BUDGET + CHECK_TIMEOUT
"""Seconds that a step may take."""

LONGEST_LINE = 600
"""Characters of a line of a verdict; a program may have printed some thousands."""

LAST_LINES = 5
"""Lines on standard output that are shown in a verdict: it quotes those that are wrong."""

LONGEST_REQUEST = 120
"""Characters of a request that are shown in a verdict."""

EXAMPLE = "hi"

READING: dict[Transport, str] = {
    "udp": mark("A datagram is a request, and one without a verb of yours gets no answer."),
    "tcp": mark(
        "The connection stays open after an answer: keep what comes in a buffer and take whole lines out of it."
        " makefile('rw') is no such buffer: at each write it forgets the lines that have come already."
    ),
}

_steps: list[set[str]] = []
"""The requirements of each step, in the steps' order."""

_hints: dict[str, str] = {}
"""The hint of each requirement at the steps that do not ask for it: its own, or that of the first step that does."""


def _judging(role: Role, groups: str, hints: Mapping[str, str]) -> Callable[[Exam], None]:
    ids = [id_ for id_ in REQUIREMENTS if _is_in(id_, groups)]

    place = len(_steps)
    _steps.append(set(ids))

    def take(exam: Exam) -> None:
        later = set().union(*_steps[place + 1 :]) - set().union(*_steps[: place + 1])
        _judge(exam, role, ids, later, hints)

    return take


def _is_in(id_: str, groups: str) -> bool:
    return any(fnmatch.fnmatchcase(id_, group) for group in groups.split())


def _step(
    title: str, why: str, hint: str, role: Role, groups: str, hints: Mapping[str, str] = MappingProxyType({})
) -> Step[Exam]:
    """Return a step for some requirements; `hints` are for some of them, in place of the step's."""
    own: dict[str, str] = {}
    step = Step(title, why, hint, _judging(role, groups, own))
    assert all(fnmatch.filter(_steps[-1], group) for ids in hints for group in ids.split()), hints
    for id_ in _steps[-1]:
        own[id_] = next((each for ids, each in hints.items() if _is_in(id_, ids)), hint)
        if own[id_] != hint or id_ not in _hints:
            _hints[id_] = own[id_]
    return step


PROTOCOL = [
    _step(
        mark("the server takes a service, --host and --port, and prints the ready line"),
        mark("A program that starts a server has to find it; port 0 means any that is free."),
        mark(
            "argparse reads the words: 'service', '--host', '--port', and the other options of SPEC.md, section 12."
            " After bind(): host, port = sock.getsockname()[:2], since localhost is a name and 0 is no port, then"
            " print(f'waiting for clients on {service}+{transport}://{{host}}:{{port}}', flush=True)."
        ),
        *("server", "SRV-1 SRV-2 SRV-3"),
    ),
    _step(
        mark("its first answer has the form that SPEC.md names"),
        mark("Two programs by two people understand each other only by a form that is written down."),
        mark(
            "A status line, `name: value` for each field, an empty line; lines end with \\n."
            " A request's first line, up to \\n or \\r\\n, has the message or the name; its other lines are fields."
            " To {request} the answer is {answer}; where ERR is expected, section 10 of SPEC.md says why."
        ),
        *("server", "ECHO-1 LEASE-1 TIME-2 TIME-4 TIME-5 REP-*"),
    ),
    _step(
        mark("the values are right: text of all of Unicode, and times"),
        mark("Characters, code points and bytes are three things; and who asks twice is one client."),
        mark(
            "Work on str, not on bytes; do not strip() or normalize the message. For the time: an interval is 3, not"
            " 3.0; the time is datetime.now(timezone.utc).isoformat(timespec='milliseconds').replace('+00:00', 'Z');"
            " a second TIME of the same client starts no second row of ticks."
        ),
        *("server", "ECHO-* TEXT-* TIME-1 TIME-3 TIME-7 TIME-11 TIME-12 LEASE-2"),
    ),
    _step(
        mark("requests are read whole: lines, datagrams, segments"),
        mark("A stream has no messages, and a datagram is one."),
        mark("A line ends with \\n or with \\r\\n, and of two fields of one name the first counts. {reading}"),
        *("server", "REQ-* TCP-* UDP-*"),
    ),
    _step(
        mark("each faulty request has its error"),
        mark("A client that is wrong wants to know in what."),
        mark("ERR with a code and a reason; the table in SPEC.md, section 10, has the order."),
        *("server", "ERR-1 ERR-2 ERR-3 ERR-4 ERR-5 ERR-6 ERR-7 ERR-8 ERR-9 LOAD-3"),
    ),
    _step(
        mark("the client says where it is connected, sends its request and prints the answer"),
        mark("The client is judged by a server that the suite plays."),
        mark(
            "Take the service, the text, --host, --port, --timeout and, for the time, --ticks from sys.argv: SPEC.md,"
            " section 13. With argparse, parse_intermixed_args() finds a text that follows options."
            " Without a text, each line of sys.stdin is a message (for the time: the first line is the name)."
            " Print a prompt only if both sys.stdin.isatty() and sys.stdout.isatty() are true."
            " Print no field that you do not know."
        ),
        *("client", "CLI-1 CLI-2 CLI-3 CLI-4 CLI-5 CLI-16 CLI-19"),
        {
            "CLI-19": mark(
                "The name and the time of the tick: datetime.fromisoformat(text.replace('Z', '+00:00')).astimezone(),"
                " then isoformat(timespec='milliseconds'). Long ago an offset had seconds, and they are cut off:"
                " moment.astimezone(timezone(timedelta(minutes=int(offset / timedelta(minutes=1)))))."
            ),
        },
    ),
]


def examples_of(service: Service, transport: Transport) -> dict[str, str]:
    """Return what fills the holes in hints of `PROTOCOL`: service, transport, how to read, a request, its answer."""
    answer = replies.challenge() if (service, transport) == ("time", "udp") else ok(service, transport, EXAMPLE)
    if (service, transport) == ("time", "tcp"):
        answer += replies.tick(EXAMPLE, 1)
    request = SERVICE_TABLE[service].request(EXAMPLE).decode()
    return {
        "service": service,
        "transport": transport,
        "reading": say(READING[transport]),
        "request": request,
        "answer": repr(answer.decode())[1:-1],
    }


SCHEDULES = _step(
    mark("leases, schedules and time hold"),
    mark("A person sees each tick that is late, missing or doubled."),
    mark(
        "Count from a fixed start: start + n * interval, not sleep(interval). After a long sleep, skip the ticks that"
        " are no longer due."
    ),
    *("server", "LEASE-* TIME-*"),
    {
        "LEASE-*": mark(
            "Keep for each address when its lease ends: each TIME with a valid token puts that off, and at its end the"
            " ticks end. A token stays valid when another one has been sent."
        ),
    },
)

ROBUST = [
    _step(
        mark("the server stops on a signal, and starts again at once"),
        mark("A server is stopped and started more often than one thinks."),
        mark(
            "signal.signal() for SIGINT, SIGTERM and SIGHUP, before the first line is printed; the handler only sets"
            " a variable. recvfrom() and accept() wait on after a handler: with settimeout(0.2) the loop gets to look"
            " at the variable. Before 'stopped' set all three to signal.SIG_IGN: Python drops handlers while it ends."
            " A status of -1, -2 or -15 says that a signal has ended the program."
        ),
        *("server", "SRV-8 SRV-9 SRV-16"),
        {
            "SRV-9": mark(
                "When the signal has come, take what waits still, and answer it: settimeout(0), then accept() and"
                " recv() until BlockingIOError. A timeout is one for sendall(), too: TimeoutError if a client does not"
                " read."
            ),
            "SRV-16": mark("Over TCP: setsockopt(SOL_SOCKET, SO_REUSEADDR, 1) before bind()."),
        },
    ),
    _step(
        mark("it says who comes and who leaves, and why it cannot start"),
        mark("Whoever runs a server reads its lines, and its exit status."),
        mark("SPEC.md, section 12, has the lines, the options and the exit statuses."),
        *("server", "SRV-*"),
        {
            "SRV-4 SRV-5": mark(
                "Print, with flush=True, `client ADDRESS connected` once for each client that gets an answer; for the"
                " time `client NAME (ADDRESS) connected`, and `client OLD (ADDRESS) is now NEW` for another name."
                " Of two threads that print(), one line may get into the other: write a line with its \\n at once."
            ),
            "SRV-6": mark(
                "Print the same line with `left` when a client is gone: over TCP, also after a ConnectionResetError;"
                " over UDP, when it was silent for --idle-timeout seconds, or when its lease is over. A name is the one"
                " that the client gave last."
            ),
            "SRV-7": mark("With --quiet print neither who comes nor who leaves."),
            "SRV-10": mark(
                "sys.exit(2) for a wrong command line; with argparse, allow_abbrev=False. Take all options of SPEC.md,"
                " section 12, also those that you have no use for; int() and float() take more than it allows, such as"
                " +5, 1_0 and 1e3."
            ),
            "SRV-11": mark("sys.exit(1) where the server cannot listen: bind() raises OSError then."),
            "SRV-12": mark(
                "One line on standard error says why. argparse prints more: give a class of your own, made from"
                " ArgumentParser, an error() that prints one."
            ),
            "SRV-14": mark(
                "Print what a client sent through re.sub(PATTERN, lambda each: f'\\\\u{{ord(each[0]):04x}}', text),"
                " with all these characters in PATTERN: '[\\x00-\\x1f…]'."
            ),
            "SRV-15": mark(
                "family=AF_INET6 if the host has a colon. For :: a socket serves IPv4 too: setsockopt(IPPROTO_IPV6,"
                " IPV6_V6ONLY, 0) before bind(), or create_server(…, dualstack_ipv6=True)."
            ),
            "SRV-17": mark(
                "print() waits while nobody reads. Let a thread of its own print what it takes from a"
                " queue.Queue(maxsize=1000); put_nowait() puts a line there, and at queue.Full one is dropped."
            ),
            "SRV-13": mark("That a client is gone is no error: except ConnectionError, where you send and receive."),
        },
    ),
    _step(
        mark("neither load nor noise stops it"),
        mark("Clients are slow, silent, wrong, and many."),
        mark(
            "Never wait for one client alone; limit what is kept for each. Over TCP: listen(128), since many come at"
            " once."
        ),
        *("server", "LOAD-* ERR-10 ERR-11"),
        {
            "LOAD-4": mark(
                "Close a connection that is idle for --idle-timeout seconds, also one that takes no answers."
            ),
            "LOAD-6": mark("Of a line that has no end yet, keep no more than makes it too long."),
            "ERR-10": mark(
                "Send the ERR and call shutdown(SHUT_WR); then, in a thread, read and drop what comes until the client"
                " closes, for half a second: close() with bytes unread sends a reset in place of the end."
            ),
            "ERR-11": mark("Answer ERR with the code busy beyond --max-clients clients."),
        },
    ),
    SCHEDULES,
    _step(
        mark("the client bears loss, silence and nonsense"),
        mark("Networks lose, double and delay; servers are down."),
        mark("SPEC.md, section 13, has the rest."),
        *("client", "CLI-*"),
        {
            "CLI-6": mark(
                "sys.exit(0) when all is done, and after a signal once the OK has come."
                " argparse drops a second --, too: take what stands behind the first one out of sys.argv before."
            ),
            "CLI-7": mark(
                "settimeout(), and sys.exit(1) where no good answer comes for --timeout seconds, and after SIGINT,"
                " SIGTERM or SIGHUP."
            ),
            "CLI-8": mark("sys.exit(2) for a wrong command line, message or name, before anything is sent."),
            "CLI-9": mark("After ERR: its code and its reason in one line on standard error, then sys.exit(3)."),
            "CLI-10": mark(
                "One line on standard error says each error: except OSError, where you connect, send and receive."
            ),
            "CLI-13": mark(
                "Send the request again where no answer has come after 1, 2 and 4 seconds: settimeout() with the time"
                " that is left."
            ),
        },
    ),
]


def _judge(
    exam: Exam, role: Role, ids: list[str], later: set[str], hints: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Run the checks of some requirements. Raises StepError, with the first cause and its hint, and UndecidedError.

    `hints` are those of the requirements; of another one it is that of its own step.

    What fails for want of a requirement of a later step fails that step, if anything passes here.
    """
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
    causes = find_causes(cases, {})
    if not any(case.outcome == "passed" for case in cases):
        later = set()
    if now := [cause for cause in causes if cause.requirement not in later]:
        cause = now[0]
        case = cause.example[0] if cause.example else cause.waiting[0]
        problem = case.problem.removeprefix(f"{cause.requirement} first: ")
        lines = _own_part(told(problem.strip().partition("\n\n")[0]).splitlines(), exam.submission.server.parent)
        came = "\n".join(cut(line, LONGEST_LINE) for line in lines)
        expected = f"{cause.requirement}. {requirement_text(cause.requirement)}"
        hint = hints.get(cause.requirement) or _hints.get(cause.requirement, "")
        raise StepError(expected, "\n".join([came, *_sent_before(case)]), hint=hint)
    left = [case for cause in causes for case in cause.waiting]
    unjudged = [case for case in cases if case.outcome in ("error", "unjudged") and case not in left]
    if undecided := [case for case in unjudged if case.problem != NOTHING_NEW]:  # those have failed for a later step
        raise UndecidedError(told(undecided[0].problem))


def _own_part(lines: list[str], directory: Path) -> list[str]:
    """Return the lines of a problem: the last on standard output, and on standard error what is about own files."""
    sign = "stderr: "
    errors = [line.removeprefix(sign) for line in lines if line.startswith(sign)]
    others = [line for line in lines if not line.startswith(("stdout: ", sign))]
    output = [line for line in lines if line.startswith("stdout: ")]
    shown_output = ["stdout: …"] * (len(output) > LAST_LINES) + output[-LAST_LINES:]
    return [*others, *shown_output, *(f"{sign}{line}" for line in own_part(errors, directory))]


def _sent_before(case: Case) -> list[str]:
    """Return a line with what the judge sent before the answer that is the problem, or the last; none if nothing."""
    side = "C" if case.role == "server" else "S"
    happened = [event for exchange in case.exchanges for event in load_exchange(exchange).events]
    events = [event for event in happened if event.data]
    came = case.problem.partition("; expected ")[0]  # an earlier answer may be what is expected of this one
    texts = [{as_text(event.data), as_text(masked(event.data))} if event.side != side else set() for event in events]
    ends = [place for place, each in enumerate(texts) if any(text in came for text in each)] or [len(events)]
    answered = [*dropwhile(lambda event: event.side != side, reversed(events[: ends[-1]]))]
    sent = [*takewhile(lambda event: event.side == side, answered)][::-1]
    unseen = [_sized(event.data) for event in sent if as_text(event.data) not in case.problem]
    if not unseen:
        return []
    words = {"text": shown(", ".join(unseen), 2 * LONGEST_REQUEST)}
    if "half-close" in [event.note for event in happened[happened.index(sent[-1]) + 1 :][:1]]:
        return [say("sent before: {text}; then the client closed its sending side", **words)]
    return [say("sent before: {text}", **words)]


def _sized(data: bytes) -> str:
    """Return what was sent as it is shown; how much it was, too, where not all is shown."""
    text = as_text(data)
    if len(text) <= LONGEST_REQUEST:
        return text
    return say("{text} ({count} bytes)", text=cut(text, LONGEST_REQUEST), count=len(data))


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
