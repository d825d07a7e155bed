"""Measures targets side by side, in rounds: one sample of each target under each load, in an order that rotates.

Other work of the machine then hits all targets alike, and a ratio is of two samples of the same round. Servers run on
one core and the load generator on another one.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import psutil

from conformance.comparison.crowd_load import crowded
from conformance.comparison.echo_load import closed_loop, open_loop
from conformance.comparison.figures import LoadError, Sample, measurement, pairs, ratio, rounds_needed
from conformance.comparison.life import life
from conformance.comparison.loads import LOOPS, Plan
from conformance.comparison.machine import Usage, choose_cores, nothing_to_collect, pinned, raise_file_limit
from conformance.comparison.model import Load, Measurement
from conformance.comparison.tick_load import ticks
from conformance.targets.programs import ProgramError
from conformance.targets.server import Server
from conformance.targets.target import Target
from conformance.timing import SCALE
from spec.limits import CLIENTS_DEFAULT

NOT_OFFERED = "not offered"
NOT_STARTED = "not measured: it runs already, with options of its own"

DYING = 2 * SCALE
"""Seconds to wait for the end of a server that has broken its connections, to learn its exit status."""

SPARE = 64
"""How many files may be open besides those of the clients; and room for clients whose leaving is not noticed yet."""

CORES = choose_cores()

FAILURES = LoadError, ProgramError, OSError, psutil.Error

Step = Callable[[Load, str], None]
"""Called before each sample, with the load and the target's name."""


@dataclass
class Result:
    """The samples of one target under one load, one for each round, until there is a problem; None: no sample."""

    samples: list[Sample | None] = field(default_factory=list)
    problem: str = ""


Results = dict[tuple[str, Load], Result]
"""Results by the target's name and the load."""


def no_results(targets: Sequence[Target], plan: Plan) -> Results:
    """Return the results of each target under each load of a plan, before anything is measured."""
    return {(target.name, load): Result() for group in plan.groups() for load in group for target in targets}


def take_samples(targets: Sequence[Target], plan: Plan, results: Results, step: Step) -> None:
    """Measure all loads of a plan; add each sample to the results when it is taken."""
    files = raise_file_limit()
    with pinned(CORES.generator), nothing_to_collect():
        for loads in plan.groups():
            problem = f"not measured: no more than {files} files may be open here"
            for load in loads:
                if load.clients + SPARE > files:
                    for target in targets:
                        results[target.name, load].problem = problem
            for number in range(max(map(plan.rounds_of, loads))):
                wanted = [load for load in loads if number < plan.rounds_of(load)]
                _take_round(targets, wanted, plan, number, results, step)


def summarize(results: Results, baseline: str) -> tuple[list[Measurement], int]:
    """Return the figures of all results, and how many rounds so many ratios need to carry a difference.

    Ratios are to the target called `baseline`. In the last round some targets may have no sample.
    """
    paired = {
        (name, load): pairs(result.samples, results[baseline, load].samples) if name != baseline else {}
        for (name, load), result in results.items()
    }
    comparisons = sum(map(len, paired.values()))
    measurements = [
        measurement(
            name,
            load,
            result.samples,
            {metric: ratio(values, comparisons) for metric, values in paired[name, load].items()},
            result.problem,
        )
        for (name, load), result in results.items()
    ]
    return measurements, rounds_needed(comparisons)


def _take_round(
    targets: Sequence[Target],
    loads: Sequence[Load],
    plan: Plan,
    number: int,
    results: Results,
    step: Step,
) -> None:
    first = number % len(targets)
    clients = max(load.clients for load in loads)
    with ExitStack() as stack:
        subjects = [_Subject(target, clients, plan, stack) for target in [*targets[first:], *targets[:first]]]
        for load in loads:
            for subject in subjects:
                step(load, subject.target.name)
                subject.take_sample(load, results[subject.target.name, load])


class _Subject:
    """A target in one round. Its echo server takes all loads of the round; any other load gets a server of its own.

    Each round has new processes. Two processes of one program differ, for example in the layout of their memory; the
    range of the figures must show that.
    """

    def __init__(self, target: Target, clients: int, plan: Plan, stack: ExitStack) -> None:
        """`clients` is the greatest number of clients of a load. `stack` ends the server."""
        self.target, self.clients, self.plan, self.stack = target, clients, plan, stack
        self.server: Server | None = None
        self.usage: Usage | None = None

    def take_sample(self, load: Load, result: Result) -> None:
        """Add the sample of this round to a result; None: there is a problem."""
        sample: Sample | None = None
        if not self.target.offers("server", load.transport, load.service):
            result.problem = NOT_OFFERED
        elif self.target.url and load.pattern not in LOOPS:
            result.problem = NOT_STARTED
        if not result.problem:
            with ExitStack() as stack:
                try:
                    sample = self._sample(load, stack)
                except FAILURES as error:
                    result.problem = self._explain(error)
                    sample = error.sample if isinstance(error, LoadError) and error.sample else None
                    self.server = None  # the next load gets another one
        result.samples.append(sample)

    def _sample(self, load: Load, stack: ExitStack) -> Sample:
        """Return a sample. `stack` ends a server that is only for this load; `_explain` must read its lines before."""
        if load.pattern == "life":
            with pinned(CORES.server):
                return life(self.target, load)
        if load.pattern not in LOOPS:
            server = self._start(load, stack)
            assert self.usage
            if load.pattern == "crowded":
                return crowded(server, load, self.plan.open_seconds)
            return ticks(server, load, self.usage)
        server = self.server or self._start(load, self.stack)
        if load.pattern == "closed":
            return closed_loop(server, load, self.plan.closed_seconds, self.usage)
        return open_loop(server, load, self.plan.open_seconds, self.usage)

    def _start(self, load: Load, stack: ExitStack) -> Server:
        self.server = self.usage = None
        if self.target.url:
            self.server = self.target.server(load.service, load.transport)
            return self.server
        options = ["--quiet", "--max-clients", str(max(CLIENTS_DEFAULT, self.clients + SPARE))]
        if load.interval:
            options += ["--interval", f"{load.interval:g}"]
        with pinned(CORES.server):
            self.server = self.target.server(load.service, load.transport, *options)
        stack.enter_context(self.server)
        self.usage = Usage(self.server.pid)
        return self.server

    def _explain(self, error: Exception) -> str:
        """Return in one line what went wrong: how the server ended, if it has, and its last line on standard error."""
        if isinstance(error, ProgramError):  # its text goes on with all that the program printed
            problem = str(error).partition(";")[0]
        elif isinstance(error, OSError):
            problem = error.strerror or str(error)
        else:
            problem = str(error)
        errors = [line.removeprefix("stderr: ") for line in str(error).splitlines() if line.startswith("stderr: ")]
        if self.server and not self.target.url:
            if self.server.ends_within(DYING):
                problem = f"died with {self.server.ending}"
            errors = self.server.errors
        return ": ".join([problem, *errors[-1:]])
