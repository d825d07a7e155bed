"""Judges a selection to its end, or to an interrupt: what has been judged until then is never lost."""

from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from conformance.languages.texts import say
from conformance.running import runner
from conformance.running.cases import Case
from conformance.running.runner import Planned, Selection

SAID_EACH = 250
"""Where there is no terminal for a bar, so many checks are reported by a line."""


@dataclass
class Judged:
    """All cases of a run. `applying` is how many checks apply to each target, whatever the profile.

    `problem` says why the run ended before all was judged; what was planned then is *unjudged*.
    """

    cases: list[Case] = field(default_factory=list)
    applying: dict[str, int] = field(default_factory=dict)
    problem: str = ""

    def of(self, target: str) -> list[Case]:
        """Return the cases of one target."""
        return [case for case in self.cases if case.target == target]


def judge_selection(console: Console, selection: Selection, take: Callable[[Case], None] = lambda case: None) -> Judged:
    """Run the checks of a selection and show how far it is; `take` gets each case when it is done.

    An interrupt ends the programs, and with them the run. Raises JudgeError if nothing could be planned.
    """
    judged = Judged()
    left: dict[str, Case] = {}
    planned = failed = 0
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(say("judging"), total=None)
        try:
            for event in runner.run(selection):
                if isinstance(event, Planned):
                    left |= {case.key: case for case in event.cases}
                    judged.applying |= event.applying
                    progress.update(task, total=len(left))
                    planned = len(left)
                    continue
                left.pop(event.key, None)
                judged.cases.append(event)
                take(event)
                failed += event.outcome in ("failed", "error")
                done = planned - len(left)
                so_far = say("judging")
                if failed:
                    of_them = say("{failed} failed", failed=failed)
                    so_far += f", [red]{of_them}[/]"
                progress.update(task, completed=done, description=so_far)
                if not console.is_terminal and event.ran and done % SAID_EACH == 0:
                    console.print(
                        say("{done} of {planned} checks, {failed} failed", done=done, planned=planned, failed=failed)
                    )
        except KeyboardInterrupt:
            judged.problem = "interrupted"
        except Exception as error:  # whatever it is, what has been judged is shown
            if not any(case.ran for case in judged.cases):
                raise
            judged.problem = str(error) or type(error).__name__
    for case in left.values():
        case.outcome, case.problem = "unjudged", judged.problem
        judged.cases.append(case)
    return judged
