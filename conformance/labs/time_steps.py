"""What exercises about the time ask for: each of several clients gets its name and the time every 3 seconds."""

import re
import time
from datetime import datetime, timezone
from itertools import pairwise

from conformance.labs.answer import BYTES
from conformance.labs.echo_steps import START, require_connected
from conformance.labs.errors import cause_of_an_error, failed, last_error, shown_error
from conformance.labs.exam import LOG, Exam, said_by
from conformance.labs.ladder import Step, StepError, shown
from conformance.labs.mistakes import (
    cause_of_a_call,
    cause_of_a_change,
    cause_of_a_close,
    cause_of_a_hole,
    cause_of_a_missing_call,
    cause_of_a_question,
    cause_of_a_turn,
    cause_of_no_line,
    cause_of_silence,
    cause_of_waiting,
)
from conformance.labs.order import (
    cause_of_a_count,
    cause_of_one_call,
    cause_of_two_encodings,
)
from conformance.labs.time_mistakes import (
    TWICE,
    are_doubled,
    cause_in_the_client,
    cause_of_a_gap,
    cause_of_an_end,
    cause_of_one_client,
    cause_of_others,
)
from conformance.labs.two_clients import (
    A_DAY,
    FASTEST,
    INTERVAL,
    LONGEST,
    NAMES,
    SHORTEST,
    SLOWEST,
    TIMES,
    WATCHED,
    Watched,
    clocks,
    show,
)
from conformance.languages.texts import mark, say

_CHANGED = "changed size during iteration"
"""In the error of a loop over a dictionary or a set, if something is taken out of it meanwhile."""

BEHIND = 2
"""Seconds that a time may be later on the screen than the first one was."""

OTHERS_NAME = mark(
    "the name is another client's: keep each in a dictionary, by the client's address, or in a variable of its thread,"
    " not in a global one"
)
OBJECT = re.compile(r"<[\w.]+ (object at|name=\d+|fd=\d+)")
"""What Python prints of a socket or of the file that makefile() returns."""


def take_connected(exam: Exam) -> None:
    """Each client prints that it is connected."""
    require_connected(exam, show(exam).first.console)


def take_first(exam: Exam) -> None:
    """The first client gets its name and the time."""
    seen = show(exam)
    if seen.second.ticks and not seen.first.ticks and not failed(seen.first.console):
        raise StepError(
            say("{name} gets the time while {other} is there", name=NAMES[0], other=NAMES[1]),
            say("the client printed {text}", text=shown(said_by(seen.first.console))),
            cause_of_one_client(exam)
            or say("the second client has taken its place: keep each by its whole address, host and port"),
        )
    _require_own(exam, seen.first)
    server, client = (exam.source(file) for file in exam.submission)
    if server.is_whole and not server.may_know_the_time and client.may_know_the_time:
        raise StepError(
            say("the server sends the name and the time"),
            say(
                "{file} looks at no clock, {other} does",
                file=exam.submission.server.name,
                other=exam.submission.client.name,
            ),
        )


def take_second(exam: Exam) -> None:
    """The second client gets its name and the time while the first is there."""
    seen = show(exam)
    if not seen.second.ticks and seen.first.ticks:
        raise StepError(
            say("{name} gets the time while {other} is there", name=NAMES[1], other=NAMES[0]),
            say("the second client printed {text}", text=shown(said_by(seen.second.console))),
            cause_of_a_call(exam)
            or cause_of_a_turn(exam)
            or cause_of_one_client(exam)
            or cause_of_one_call(exam)
            or seen.error
            or (
                say("the server serves one after the other: ThreadingTCPServer and ThreadingUDPServer do not")
                if exam.exercise.framework
                else ""
            )
            or say(
                "the server serves its first client alone: it stays in that client's loop. Give each client a thread,"
                " or keep a list of clients and one loop for all"
            ),
        )
    _require_own(exam, seen.second)


def take_interval(exam: Exam) -> None:
    """Each gets it about every 3 seconds, three times."""
    seen = show(exam)
    steady = [gap for client in (seen.first, seen.second) for gap in _gaps(client)[1:]]
    for client in seen.first, seen.second:
        ticks = client.ticks[:TIMES]
        gaps = _gaps(client)[: TIMES - 1]
        # The first may come at once, and the second by a clock that all clients share.
        wrong = [gap for place, gap in enumerate(gaps) if gap > LONGEST or (place and gap < SHORTEST)]
        wrong += [later - earlier for earlier, later in pairwise(client.ticks[TIMES - 1 :]) if later - earlier < TWICE]
        if len(ticks) == TIMES and (max(steady) < FASTEST or min(steady) > SLOWEST):
            wrong = wrong or gaps[1:]
        if len(ticks) == TIMES - 1 and gaps[0] > SLOWEST:
            wrong = wrong or gaps
        if are_doubled(_gaps(client)[1:]):
            wrong = wrong or [min(_gaps(client)[1:])]
        if wrong:
            raise StepError(
                say("{name} gets the time every {seconds:g} s", name=client.name, seconds=INTERVAL),
                say("after {seconds:.1f} s", seconds=wrong[0]),
                cause_of_others(seen, client) or cause_of_a_gap(exam, wrong[0], _gaps(client)),
            )
        if len(ticks) < TIMES:
            raise StepError(
                say(
                    "{name} gets the time {count} times in {seconds:g} s",
                    name=client.name,
                    count=TIMES,
                    seconds=WATCHED,
                ),
                say("times: {count}", count=len(ticks)),
                cause_of_an_end(exam, client),
            )


def _gaps(client: Watched) -> list[float]:
    return [later - earlier for earlier, later in pairwise(client.ticks)]


def take_time(exam: Exam) -> None:
    """The time is that of now, in the zone of the machine or in UTC."""
    client = show(exam).first
    _require_own(exam, client)
    told_times = client.told
    hour, minute, second = told_times[0].groups()
    told = int(minute) * 60 + int(second or 0)
    moment = datetime.now(timezone.utc)
    # The hour depends on the zone, and of some zones the minutes too: each quarter of an hour is tried.
    off = min(
        abs((moment.minute * 60 + moment.second - told + quarter * 900 + 1800) % 3600 - 1800) for quarter in range(4)
    )
    shows_month = int(minute) == moment.month and exam.source(exam.submission.server).has_month_for_minutes
    if off > (90 if second else 150) or shows_month:
        came = f"{hour}:{minute}" + (f":{second}" if second else "")
        raise StepError(say("the time of now"), came, say("%m is the month, %M is the minute") if shows_month else "")
    has_gone_on = client.ticks[-1] - client.ticks[0] > SHORTEST
    if second and has_gone_on and (cause := cause_in_the_client(exam)) and (behind := client.behind) > BEHIND:
        came = say("{clock}, {seconds:.0f} s later than it was sent", clock=told_times[-1][0], seconds=behind)
        raise StepError(say("the time of now"), came, cause)
    if second and has_gone_on and len({clock[0] for clock in told_times}) == 1:
        cause = say("the clock was read once: read it in the loop")
        raise StepError(say("the time of now"), f"{len(told_times)} × {told_times[0][0]}", cause)


def take_own_names(exam: Exam) -> None:
    """Nobody gets another's name."""
    seen = show(exam)
    for client, other in (seen.first, seen.second), (seen.second, seen.first):
        if other.name in client.text:
            raise StepError(
                say("{name} gets its own name alone", name=client.name),
                say("its client printed {text}", text=shown(client.text)),
                cause_of_others(seen, client) or say(OTHERS_NAME),
            )


def take_named(exam: Exam) -> None:
    """The server says of each client which one it is."""
    seen = show(exam)

    def unnamed() -> list[str]:
        news = seen.news.text
        addresses = len(set(re.findall(r"(?:(?:\d+\.){3}\d+|::1)\D{1,5}(\d+)", news)))
        return [name for name in NAMES if name not in news][: max(0, len(NAMES) - addresses)]

    if not seen.news.console.wait_for(lambda: not unnamed(), LOG):
        raise StepError(
            say("a line of the server for {names}, with the name or the address", names=", ".join(unnamed())),
            say("it printed {text}", text=shown(seen.news.text)),
        )


def take_leaving(exam: Exam) -> None:
    """When one client leaves, the other goes on."""
    seen = show(exam)
    if not seen.goes_on:
        expected = say("{name} gets the time after {other} has left", name=NAMES[1], other=NAMES[0])
        if seen.news.failed:
            cause = cause_of_a_change(exam) if _CHANGED in last_error(exam.server) else ""
            raise StepError(
                expected,
                say("the server ended with {error}", error=shown_error(exam.server)),
                cause
                or say("who sends to a client that has left gets an error: catch it, and forget that client alone"),
            )
        came = say("nothing in {seconds:g} s", seconds=LONGEST)
        cause = cause_of_a_change(exam) or cause_of_a_count(exam, len(seen.second.ticks)) or cause_of_silence(exam)
        raise StepError(expected, came, cause)


def _require_own(exam: Exam, client: Watched) -> None:
    text = client.text
    # A greeting by name holds the name once; it comes with each time. Of the last, a part may not have come yet.
    if client.ticks and text.count(client.name) >= max(1, len(client.ticks[:TIMES]) - 1):
        return
    expected = say("on the client's screen: {parts}", parts=f"{client.name}, {datetime.now():%H:%M:%S}")
    for program, file in (exam.server, exam.submission.server), (client.console, exam.submission.client):
        if failed(program):
            came = say("{file} ended with {error}", file=file.name, error=shown_error(program))
            cause = cause_of_an_error(program, file)
            if "Unicode" in last_error(program):
                cause = cause_of_two_encodings(exam) or cause
            if "[Errno 9]" in last_error(program):
                cause = cause_of_a_close(exam.source(file), file) or cause
            if program is client.console:
                cause = cause or cause_of_a_call(exam) or cause_of_a_missing_call(exam)
                cause = cause or cause_of_a_question(exam, program) or cause_of_one_client(exam)
            raise StepError(expected, came, cause_of_a_hole(exam, [(program, file)]) or cause)
    came = say("the client printed {text}", text=shown(said_by(client.console)))
    others = [name for name in NAMES if name != client.name and name in text]
    is_bytes = repr(client.name.encode())[2:-1] in text
    cause = say(BYTES) if is_bytes else say(OTHERS_NAME) if others else ""
    if not client.ticks:
        cause = cause or cause_of_silence(exam)
    if not client.ticks and clocks(client.text):  # what was kept back came when the client ended
        cause = cause or cause_of_no_line(exam, exam.submission.client)
    if client.name not in text:
        if client.ticks:
            cause = cause or cause_of_two_encodings(exam)
        if OBJECT.search(text):
            cause = cause or say("an object was printed, a socket or a file, and not what was read from it")
        if client.ticks:
            cause = cause or say("the time comes without the name that was typed: send both, each time")
        cause = cause or (cause_of_an_end(exam, client) if client.has_ended else cause_of_waiting(exam))
    elif "datetime.datetime(" in text:
        cause = say("a tuple or a list was made a text as it is: put the time in by itself, with strftime()")
    elif client.ticks:
        cause = cause or say("the time comes without the name that was typed: send both, each time")
    elif not cause and text.count(client.name) > 1:
        cause = say("the name comes, and no time of the day beside it: datetime.now() has one")
    if not client.ticks and any(abs(int(number) - time.time()) < A_DAY for number in re.findall(r"\d{10}", text)):
        cause = say("seconds since 1970 are no time of the day: datetime.now() and time.ctime() have one")
    raise StepError(expected, came, cause_of_a_hole(exam) or cause or cause_of_a_question(exam, client.console))


STEPS = [
    START,
    Step[Exam](
        mark("the client says that it is connected"),
        mark("Somebody who waits wants to know what the program waits for."),
        mark("Print it after connect(); over UDP, where nothing connects, when the server's first word has come."),
        take_connected,
    ),
    Step[Exam](
        mark("a client gets its name and the time"),
        "",
        mark("Send name + datetime.now().strftime(' %H:%M:%S') to the client."),
        take_first,
    ),
    Step[Exam](
        mark("the time is that of now"),
        mark("The clock is read anew for each message."),
        mark("Call datetime.now() inside the loop."),
        take_time,
    ),
    Step[Exam](
        mark("a second client gets its name and the time at once, while the first is there"),
        mark("Several clients are served side by side."),
        mark("A thread for each client, or one loop over all: see impl_socketserver and impl_raw."),
        take_second,
    ),
    Step[Exam](
        mark("each gets it every 3 seconds, three times"),
        mark("The interval is a client's, however many there are."),
        mark("time.sleep(3) in each thread's loop; in one loop for all clients, once for all of them."),
        take_interval,
    ),
    Step[Exam](
        mark("each gets its own name alone"),
        mark("A name belongs to an address."),
        mark(
            "Keep the names in a dictionary, by the clients' addresses; with a thread for each client, a variable of"
            " its function will do."
        ),
        take_own_names,
    ),
    Step[Exam](
        mark("the server says which clients connected"),
        mark("With many clients, name and address tell them apart."),
        mark("Print the name when it comes."),
        take_named,
    ),
    Step[Exam](
        mark("when one client leaves, the other goes on"),
        mark("Clients leave without a word."),
        mark("Catch OSError where you send, and forget that client alone."),
        take_leaving,
    ),
]
