"""Two clients of a time server at once: what their screens show, and when."""

import re
import time
from functools import lru_cache

from conformance.labs.dialogue import converse
from conformance.labs.errors import failed, last_error, told_error
from conformance.labs.exam import START_OF_CLIENT, Exam, News, said_by
from conformance.timing import SCALE

NAMES = "Анна", "Борис"
A_DAY = 86_400  # seconds
INTERVAL = 3.0
TIMES = 3
SHORTEST, LONGEST = INTERVAL - 1, INTERVAL + 1.5 * SCALE
"""Seconds between two ticks that are about 3 s."""

FASTEST, SLOWEST = INTERVAL - 0.6, INTERVAL + 0.6 * SCALE
"""Some of the gaps are longer than the one, some are shorter than the other: what comes late is late once."""

WATCHED = TIMES * INTERVAL + SCALE
"""Seconds in which three ticks come, the first at once or after an interval."""

_CLOCK = re.compile(r"(?<!\d)([01]?\d|2[0-3]):([0-5]\d|\d(?=:\d))(?::([0-5]?\d))?(?!\d)")
_DOTTED_CLOCK = re.compile(r"(?<![\d.])([01]?\d|2[0-3])\.([0-5]\d)(?:\.([0-5]\d))?(?!\d|\.\d)")

_SPELLED_CLOCK = re.compile(
    r"(?<![\d-])([01]?\d|2[0-3])\s*[чh]\w*\.?,?\s*([0-5]?\d)\s*[мm]\w*(?:\.?,?\s*(?:and\s|и\s)?([0-5]?\d))?(?![\d-])"
)
_DASHED_CLOCK = re.compile(r"(?<![\d-])([01]?\d|2[0-3])-([0-5]?\d)-([0-5]?\d)(?![\d-])")


def clocks(text: str) -> list[re.Match[str]]:
    """Return the times of the day in a text: 12:34:56, 12:34, else 12 h 34 min 56 s, else 12.34.56, else 12-34-56.

    What has points may be a date, what has words is none. The groups are the hour, the minute, and the second or None.
    """
    kinds = _CLOCK, _SPELLED_CLOCK, _DOTTED_CLOCK, _DASHED_CLOCK
    return next((found for kind in kinds if (found := list(kind.finditer(text)))), [])


def _line(clock: re.Match[str]) -> int:
    return clock.string.count("\n", 0, clock.start())


def _begins(clock: re.Match[str], prompts: set[str]) -> bool:
    """Return whether it begins a line. Behind a prompt it does, too: what is typed there is not seen, Enter neither."""
    before = clock.string[: clock.start()].rpartition("\n")[2]
    for prompt in prompts:
        before = before.removeprefix(prompt)
    return not re.search(r"[^\W\d]|:", before)


def _is_of_a_log(clock: re.Match[str]) -> bool:
    """Return whether it is one as ``logging`` puts it before a line, which may be a prompt's line."""
    return bool(re.match(r",\d{3}\b", clock.string[clock.end() : clock.end() + 5]))


_SOMEBODY = re.compile(rf"{NAMES[0]}|(?:\d+\.){{3}}\d+|::1")
"""What a server prints of a client whose name it has got."""

_LEFT = re.compile(r"^(BrokenPipe|ConnectionReset|ConnectionAborted)Error")


class Watched:
    """A client whose ticks are watched.

    Attributes:
        name: what was typed
        has_ended: whether it had ended by itself before it was to
    """

    def __init__(self, exam: Exam, name: str, other: "Watched | None" = None) -> None:
        """Start a client. `other`: who is watched meanwhile."""
        self.console, self.name = exam.client(name), name
        self.has_ended = False
        self._source = exam.source(exam.submission.client)
        self._came: list[float] = []  # when each time of the day came to its screen

        def has_tick() -> bool:
            if other:
                other.look()
            return self.look() > 0

        if exam.is_asked:
            converse(self.console, name, exam.address, has_tick, LONGEST)

    @property
    def text(self) -> str:
        """What its screen shows."""
        return said_by(self.console)

    def leave(self) -> None:
        """Press Ctrl-C."""
        self.has_ended = not self.console.running
        self.console.interrupt()

    def look(self) -> int:
        """Return how many ticks have come until now."""
        self._came += [time.monotonic()] * (len(clocks(self.text)) - len(self._came))
        return len(self.ticks)

    @property
    def ticks(self) -> list[float]:
        """When each came, in seconds of ``time.monotonic``. Several times of the day at once in one line are one."""
        text = self.text
        stamps = {clock.start() for clock in self._stamps}
        came = zip(clocks(text), self._came, strict=False)
        places = [(moment, _line(clock)) for clock, moment in came if clock.start() not in stamps]
        return [moment for moment, _ in dict.fromkeys(places)]

    @property
    def told(self) -> list[re.Match[str]]:
        """The times of the day on its screen, but for those with which it begins its lines by itself."""
        stamps = {clock.start() for clock in self._stamps}
        return [clock for clock in clocks(self.text) if clock.start() not in stamps]

    @property
    def behind(self) -> float:
        """How many seconds the times on its screen lose from the first one to the last."""
        moments = [[int(part or 0) for part in clock.groups()] for clock in self.told]
        first, last = (hour * 3600 + minute * 60 + second for hour, minute, second in (moments[0], moments[-1]))
        return self.ticks[-1] - self.ticks[0] - (last - first) % A_DAY

    @property
    def is_clear(self) -> bool:
        """Whether what comes from the server can be told from what the client has put before it."""
        return not self._own or bool(self._stamps)

    @property
    def _own(self) -> list[re.Match[str]]:
        """The times of the day that may be its own: of a client that has a clock, those before all else in a line."""
        if not self._source.has_own_clock:
            return []
        prompts = self._source.prompt_texts
        return [clock for clock in clocks(self.text) if _begins(clock, prompts) or _is_of_a_log(clock)]

    @property
    def _stamps(self) -> list[re.Match[str]]:
        """Those that are its own: each line with a time begins with one, and some have another, or it is logging's."""
        own, found = self._own, clocks(self.text)
        is_sure = all(map(_is_of_a_log, own)) or len(own) < len(found)
        return own if is_sure and len({*map(_line, found)}) == len(own) else []


class Show:
    """Two clients at once, until each has had three ticks; then the first leaves, and the second is watched on.

    Attributes:
        error: what the server has failed with until then, in the reader's language; empty: nothing
    """

    def __init__(self, exam: Exam) -> None:
        self.news = News(exam.server)
        self.first = Watched(exam, NAMES[0])
        self.first.console.wait_for(lambda: bool(self.first.text.strip()), START_OF_CLIENT)
        is_served = self.first.console.wait_for(lambda: self.first.look() > 0 and self.first.is_clear, 0.5)
        if not is_served and exam.learn(self.first.console):
            exam.close()
            self.news = News(exam.server)
            self.first = Watched(exam, NAMES[0])
        self.second = Watched(exam, NAMES[1], self.first)
        both = self.first, self.second
        self.second.console.wait_for(lambda: self._changes() or bool(self.second.text.strip()), START_OF_CLIENT)
        end = time.monotonic() + WATCHED
        while time.monotonic() < end and not all(client.look() >= TIMES and client.is_clear for client in both):
            self.second.console.wait_for(lambda: self._changes(), end - time.monotonic())
        self.error = _error_of(exam)
        self.both_had_some = all(client.ticks for client in both)
        if not self.first.ticks and not _SOMEBODY.search(self.news.text):
            exam.unlearn()
        self.first.leave()
        self.goes_on = False
        if self.both_had_some:
            # Over TCP the first message to a client that has left is sent as any other, and the second one fails.
            for _ in range(2 if exam.exercise.transport == "tcp" else 1):
                self.goes_on = self._second_goes_on()
        self.second.leave()

    def _second_goes_on(self) -> bool:
        had = self.second.look()
        return self.second.console.wait_for(lambda: self.second.look() > had, LONGEST)

    def _changes(self) -> bool:
        had = len(self.first.ticks), len(self.second.ticks)
        return had != (self.first.look(), self.second.look())


def _error_of(exam: Exam) -> str:
    """Return the error that a server has printed, in the reader's language; empty: none, or that a client has left."""
    server = exam.server
    if not failed(server) or _LEFT.search(last_error(server)):
        return ""
    return told_error(server, exam.submission.server)


@lru_cache(1)
def show(exam: Exam) -> Show:
    """Return what the two clients of an exam have shown; they run once."""
    return Show(exam)
