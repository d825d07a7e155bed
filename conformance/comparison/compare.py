"""Measures targets side by side, and shows how far it is."""

import shlex
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from datetime import datetime, timezone
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from conformance.comparison.busy import Busy
from conformance.comparison.disagreements import disagreements
from conformance.comparison.loads import Plan, choose
from conformance.comparison.machine import describe
from conformance.comparison.measure import CORES, no_results, summarize, take_samples
from conformance.comparison.model import Comparison, Disagreement, Load
from conformance.comparison.sources import sources
from conformance.comparison.tables import describe as describe_load
from conformance.languages.texts import say
from conformance.profiles import PROFILES
from conformance.targets.interrupts import ignored_interrupts
from conformance.targets.target import Target
from conformance.targets.terms import SERVICES, TRANSPORTS

if TYPE_CHECKING:
    from typing_extensions import Self


def compare(options: Namespace, targets: Sequence[Target], baseline: str, console: Console) -> Comparison:
    """Measure as the options of the command line say, and return the results.

    An interrupt ends the measurements; its results are what there is until then.
    """
    services, transports = options.service or SERVICES, options.transport or TRANSPORTS
    plan = choose(services, transports, quick=options.quick, rounds=options.rounds)
    started, began = datetime.now(timezone.utc), time.monotonic()
    machine, busy = describe(CORES), Busy()
    profile = PROFILES["quick" if options.quick else "standard"]
    profile.load()
    results = no_results(targets, plan)
    found: list[Disagreement] = []
    was_busy: list[str] = []
    problem = ""
    with _Progress(console, plan, len(targets)) as progress:
        try:
            try:
                take_samples(targets, plan, results, progress.sample)
            finally:
                was_busy = busy.report()
            partner = None if options.all_pairs else baseline
            for each in disagreements(targets, partner, services, transports, profile, progress.conversations):
                found.append(each)  # noqa: PERF402 - an interrupt leaves those until then
        except KeyboardInterrupt:
            problem = "interrupted"
    with ignored_interrupts():
        measurements, rounds_needed = summarize(results, baseline)
        return Comparison(
            started=started.isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - began, 3),
            command=shlex.join(["sockspec", *sys.argv[1:]]),
            machine=machine,
            problem=problem,
            busy=was_busy,
            targets=[target.name for target in targets],
            baseline=baseline,
            rounds=plan.rounds,
            rounds_needed=rounds_needed,
            measurements=measurements,
            disagreements=found,
            sources=[source for target in targets for source in sources(target)],
        )


class _Progress:
    """Shows the progress: a bar on a terminal, else a line for each new load. It draws only between samples."""

    def __init__(self, console: Console, plan: Plan, targets: int) -> None:
        self.console = console
        columns = TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn()
        self.bar = Progress(
            *columns, console=console, transient=True, auto_refresh=False, disable=not console.is_terminal
        )
        self.task = self.bar.add_task("", total=targets * sum(map(plan.rounds_of, plan.loads)))
        self.said: set[str] = set()

    def __enter__(self) -> "Self":
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.bar.stop()

    def sample(self, load: Load, target: str) -> None:
        """Show that a sample of that target comes next."""
        self._say(f"{load.service} {load.pattern}, {describe_load(load)}", f": {target}")
        self.bar.advance(self.task)

    def conversations(self, what: str) -> None:
        """Show which two servers are compared next."""
        self._say(say("disagreements, {what}", what=what))

    def _say(self, what: str, more: str = "") -> None:
        self.bar.update(self.task, description=escape(what + more))
        self.bar.refresh()
        if not self.console.is_terminal and what not in self.said:
            self.console.print(what, markup=False, soft_wrap=True)
        self.said.add(what)
