"""What exercises about the time ask for: each of several clients gets its name and the time every 3 seconds."""

import re
import time
from datetime import datetime, timezone
from functools import lru_cache
from itertools import pairwise

from conformance.labs.console import Console
from conformance.labs.echo_steps import START
from conformance.labs.exam import CONNECTED, LOG, Exam, failed, last_error, said_by
from conformance.labs.ladder import Step, StepError, shown
from conformance.labs.mistakes import cause_of_a_hole, cause_of_silence
from conformance.languages.texts import mark, say
from conformance.timing import SCALE

NAMES = "Анна", "Борис"
INTERVAL = 3.0
TIMES = 3
SHORTEST, LONGEST = INTERVAL - 1, INTERVAL + 1.5 * SCALE
"""Seconds between two ticks that are about 3 s."""

WATCHED = TIMES * INTERVAL + SCALE
"""Seconds in which three ticks come, the first at once or after an interval."""

OTHERS_NAME = mark("the name is another client's: each address has its own, keep them in a dictionary")

_CLOCK = re.compile(r"(?<!\d)([01]?\d|2[0-3])[:.]([0-5]\d)(?:[:.]([0-5]\d))?(?!\d)")


class Watched:
    """A client whose ticks are watched.

    Attributes:
        name: what was typed
        ticks: when each clock time came to its screen, in seconds of ``time.monotonic``
    """

    def __init__(self, console: Console, name: str) -> None:
        self.console, self.name = console, name
        self.ticks: list[float] = []
        console.type(name)

    def look(self) -> int:
        """Return how many ticks have come until now."""
        count = len(_CLOCK.findall(self.console.text))
        self.ticks += [time.monotonic()] * (count - len(self.ticks))
        return count


class Show:
    """Two clients at once, until each has had three ticks; then the first leaves, and the second is watched on."""

    def __init__(self, exam: Exam) -> None:
        server = exam.server
        self.before = server.text
        self.first = Watched(exam.client(), NAMES[0])
        self.first.console.wait_for(lambda: self.first.look() > 0, 0.5)
        self.second = Watched(exam.client(), NAMES[1])
        both = self.first, self.second
        end = time.monotonic() + WATCHED
        while time.monotonic() < end and min(client.look() for client in both) < TIMES:
            self.second.console.wait_for(lambda: self._changes(), end - time.monotonic())
        self.both_had_some = all(client.ticks for client in both)
        self.first.console.interrupt()
        self.left = time.monotonic()
        if self.both_had_some:
            had = self.second.look()
            self.second.console.wait_for(lambda: self.second.look() > had, LONGEST)
        self.second.console.interrupt()

    def _changes(self) -> bool:
        had = len(self.first.ticks), len(self.second.ticks)
        return had != (self.first.look(), self.second.look())


@lru_cache(1)
def show(exam: Exam) -> Show:
    """Return what the two clients of an exam have shown; they run once."""
    return Show(exam)


def take_connected(exam: Exam) -> None:
    """Each client prints that it is connected."""
    said = said_by(show(exam).first.console)
    if not CONNECTED.search(said):
        raise StepError(
            say("a line of the client with the word “connected”, or as you say it in your language"),
            say("it printed {text}", text=shown(said)),
        )


def take_first(exam: Exam) -> None:
    """The first client gets its name and the time."""
    _require_own(exam, show(exam).first)


def take_second(exam: Exam) -> None:
    """The second client gets its name and the time while the first is there."""
    seen = show(exam)
    if not seen.second.ticks and seen.first.ticks:
        raise StepError(
            say("{name} gets the time while {other} is there", name=NAMES[1], other=NAMES[0]),
            say("the second client printed {text}", text=shown(said_by(seen.second.console))),
            say(
                "the server serves its first client alone: it stays in that client's loop. Give each client a thread,"
                " or keep a list of clients and one loop for all"
            ),
        )
    _require_own(exam, seen.second)


def take_interval(exam: Exam) -> None:
    """Each gets it about every 3 seconds, three times."""
    seen = show(exam)
    for client in seen.first, seen.second:
        ticks = client.ticks[:]
        if len(ticks) < TIMES:
            raise StepError(
                say(
                    "{name} gets the time {count} times in {seconds:g} s",
                    name=client.name,
                    count=TIMES,
                    seconds=WATCHED,
                ),
                say("{count} times", count=len(ticks)),
                say("the loop that sends has to go on after the first time") if ticks else "",
            )
        gaps = [later - earlier for earlier, later in pairwise(ticks[:TIMES])]
        if wrong := [gap for gap in gaps if not SHORTEST <= gap <= LONGEST]:
            raise StepError(
                say("{name} gets the time every {seconds:g} s", name=client.name, seconds=INTERVAL),
                say("after {seconds:.1f} s", seconds=wrong[0]),
                say("with one loop for all clients: sleep once after all of them, not once after each")
                if wrong[0] > LONGEST
                else "",
            )


def take_time(exam: Exam) -> None:
    """The time is that of now, in the zone of the machine or in UTC."""
    client = show(exam).first
    _require_own(exam, client)
    hour, minute, second = _CLOCK.findall(client.console.text)[0]
    told = int(minute) * 60 + int(second or 0)
    moment = datetime.now(timezone.utc)
    # The hour depends on the zone, and of some zones the minutes too: each quarter of an hour is tried.
    off = min(
        abs((moment.minute * 60 + moment.second - told + quarter * 900 + 1800) % 3600 - 1800) for quarter in range(4)
    )
    if off > (90 if second else 150):
        raise StepError(say("the time of now"), f"{hour}:{minute}" + (f":{second}" if second else ""))


def take_own_names(exam: Exam) -> None:
    """Nobody gets another's name."""
    seen = show(exam)
    for client, other in (seen.first, seen.second), (seen.second, seen.first):
        if other.name in client.console.text:
            raise StepError(
                say("{name} gets its own name alone", name=client.name),
                say("its client printed {text}", text=shown(client.console.text)),
                say(OTHERS_NAME),
            )


def take_named(exam: Exam) -> None:
    """The server says of each client which one it is."""
    seen = show(exam)
    server = exam.server

    def unnamed() -> list[str]:
        news = server.text[len(seen.before) :]
        addresses = len(set(re.findall(r"127\.0\.0\.1\D{1,5}(\d+)|::1\D{1,5}(\d+)", news)))
        return [name for name in NAMES if name not in news][: max(0, len(NAMES) - addresses)]

    if not server.wait_for(lambda: not unnamed(), LOG):
        raise StepError(
            say("a line of the server for {names}, with the name or the address", names=", ".join(unnamed())),
            say("it printed {text}", text=shown(server.text[len(seen.before) :])),
        )


def take_leaving(exam: Exam) -> None:
    """When one client leaves, the other goes on."""
    seen = show(exam)
    if not any(tick > seen.left for tick in seen.second.ticks):
        server = exam.server
        expected = say("{name} gets the time after {other} has left", name=NAMES[1], other=NAMES[0])
        if failed(server):
            raise StepError(
                expected,
                say("the server ended with {error}", error=shown(last_error(server))),
                say("who sends to a client that has left gets an error: catch it, and forget that client alone"),
            )
        raise StepError(expected, say("nothing in {seconds:g} s", seconds=LONGEST), cause_of_silence(exam))


def _require_own(exam: Exam, client: Watched) -> None:
    text = client.console.text
    if client.name in text and client.ticks:
        return
    expected = say("on the client's screen: {parts}", parts=f"{client.name}, {datetime.now():%H:%M:%S}")
    for program, name in (exam.server, exam.submission.server.name), (client.console, exam.submission.client.name):
        if failed(program):
            came = say("{file} ended with {error}", file=name, error=shown(last_error(program)))
            raise StepError(expected, came, cause_of_a_hole(exam))
    came = say("the client printed {text}", text=shown(said_by(client.console)))
    others = [name for name in NAMES if name != client.name and name in text]
    cause = say(OTHERS_NAME) if others else cause_of_silence(exam)
    raise StepError(expected, came, cause_of_a_hole(exam) or cause)


STEPS = [
    START,
    Step[Exam](
        mark("the client says that it is connected"),
        mark("Who waits wants to know for what."),
        mark("Print it after connect(); over UDP, where nothing connects, when the server's first word has come."),
        take_connected,
    ),
    Step[Exam](
        mark("a client gets its name and the time"),
        mark("This is the exercise."),
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
        mark("time.sleep(3) once for all clients."),
        take_interval,
    ),
    Step[Exam](
        mark("each gets its own name alone"),
        mark("A name belongs to an address."),
        mark("Keep the names in a dictionary, by the clients' addresses."),
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
