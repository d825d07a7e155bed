"""How far a run is."""

from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from conformance.running.cases import Case
from conformance.running.runner import Planned


def followed(console: Console, events: Iterator[Planned | Case]) -> Iterator[Case]:
    """Pass cases on, and show meanwhile how far it is: live on a terminal, else a line now and then."""
    planned = done = failed = 0
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("judging", total=None)
        for event in events:
            if isinstance(event, Planned):
                planned += len(event.cases)
                progress.update(task, total=planned)
                continue
            if event.outcome in ("passed", "failed", "error"):
                done += 1
                failed += event.outcome != "passed"
                progress.update(
                    task, completed=done, description=f"judging, [red]{failed} failed[/]" if failed else None
                )
                if not console.is_terminal and done % 250 == 0:
                    console.print(f"{done} of {planned} checks, {failed} failed")
            yield event
