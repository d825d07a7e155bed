"""Targets measured side by side: each load in rounds, one sample of each target a round, in an order that rotates.

So what else the machine does hits all targets alike, and a ratio is of two samples of the same second. Servers run on
one core and the load generator on another one.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack

import psutil

from conformance.comparison.echo_load import closed_loop, open_loop
from conformance.comparison.figures import LoadError, Sample, measurement
from conformance.comparison.life import life
from conformance.comparison.loads import Plan
from conformance.comparison.machine import Usage, choose_cores, pinned, raise_file_limit
from conformance.comparison.model import Load, Measurement
from conformance.comparison.tick_load import ticks
from conformance.programs import ProgramError
from conformance.targets import RunningServer, Server, Target
from spec.limits import CLIENTS_DEFAULT

NOT_OFFERED = "not offered"
NOT_STARTED = "not measured: it runs already, with options of its own"

DYING = 0.5
"""Seconds that a server which has broken its connections gets to end, so that its exit status is known."""

SPARE = 64
"""Files besides those of the clients that are open at a time; and room for clients that have left unnoticed."""

CORES = choose_cores()

FAILURES = LoadError, ProgramError, OSError, psutil.Error

Step = Callable[[Load, str], None]
"""Called before each sample, with the load and the target's name."""


def measure(targets: Sequence[Target], plan: Plan, baseline: str, step: Step) -> list[Measurement]:
    """Measure all loads of a plan, one after the other; ratios are to the target called `baseline`."""
    files = raise_file_limit()
    measurements: list[Measurement] = []
    with pinned(CORES.generator):
        for load in plan.loads:
            with ExitStack() as stack:
                subjects = [_Subject(target, load, plan, stack) for target in targets]
                if load.clients + SPARE > files:
                    for subject in subjects:
                        subject.problem = f"not measured: no more than {files} files may be open here"
                for number in range(plan.rounds_of(load)):
                    first = number % len(subjects)
                    for subject in subjects[first:] + subjects[:first]:
                        step(load, subject.target.name)
                        subject.take_sample()
            samples = {subject.target.name: subject.samples for subject in subjects}
            measurements += [
                measurement(
                    name, load, subject.samples, samples[baseline] if name != baseline else None, subject.problem
                )
                for name, subject in zip(samples, subjects, strict=True)
            ]
    return measurements


class _Subject:
    """A target under one load: its samples, one a round, until a problem comes up.

    An echo server stays for all rounds; other servers live for one sample.
    """

    def __init__(self, target: Target, load: Load, plan: Plan, stack: ExitStack) -> None:
        """Start the echo server, if it is one; it ends with `stack`."""
        self.target, self.load, self.plan = target, load, plan
        self.samples: list[Sample | None] = []
        self.problem = ""
        self.server: Server | None = None
        if not target.offers("server", load.transport, load.service):
            self.problem = NOT_OFFERED
        elif load.pattern in ("closed", "open"):
            try:
                self._start(stack)
            except FAILURES as error:
                self.problem = self._explain(error)
        elif target.url:
            self.problem = NOT_STARTED

    def take_sample(self) -> None:
        """Take the sample of a round: None if there is a problem, or one comes up."""
        sample: Sample | None = None
        with ExitStack() as stack:
            try:
                sample = None if self.problem else self._sample(stack)
            except FAILURES as error:
                self.problem = self._explain(error)
                sample = error.sample if isinstance(error, LoadError) and error.sample else None
        self.samples.append(sample)

    def _sample(self, stack: ExitStack) -> Sample:
        if self.load.pattern == "life":
            with pinned(CORES.server):
                return life(self.target, self.load)
        if self.load.pattern == "closed":
            assert self.server
            return closed_loop(self.server, self.load, self.plan.closed_seconds, self.usage)
        if self.load.pattern == "open":
            assert self.server
            return open_loop(self.server, self.load, self.plan.open_seconds, self.usage)
        self._start(stack)
        assert self.server and self.usage
        return ticks(self.server, self.load, self.usage)

    def _start(self, stack: ExitStack) -> None:
        self.server = self.usage = None
        if self.target.url:
            self.server = RunningServer(self.target)
            return
        options = ["--quiet", "--max-clients", str(max(CLIENTS_DEFAULT, self.load.clients + SPARE))]
        if self.load.interval:
            options += ["--interval", f"{self.load.interval:g}"]
        with pinned(CORES.server):
            server = self.target.server(self.load.service, self.load.transport, *options)
        self.server = stack.enter_context(server)
        self.usage = Usage(server.pid)

    def _explain(self, error: Exception) -> str:
        """Return in one line what went wrong: how the server ended, if it has, and what it said last."""
        if isinstance(error, ProgramError):  # its text goes on with all that the program printed
            told = str(error).partition(";")[0]
        elif isinstance(error, OSError):
            told = error.strerror or str(error)
        else:
            told = str(error)
        errors = [line.removeprefix("stderr: ") for line in str(error).splitlines() if line.startswith("stderr: ")]
        if self.server and not self.target.url:
            self.server.wait_until(lambda: False, DYING)
            if not self.server.running:
                told = f"died with status {self.server.wait()}"
            errors = self.server.errors
        return ": ".join([told, *errors[-1:]])
