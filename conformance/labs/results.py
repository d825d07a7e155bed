"""What an exercise has come to: its steps, level by level, as a person and as a program reads them."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from conformance.labs.assignment import ladder
from conformance.labs.exam import Exam
from conformance.labs.exercises import Exercise
from conformance.labs.ladder import Step, StepError, Taken, UndecidedError, climb
from conformance.labs.submission import Submission
from conformance.languages.texts import mark, say

READABLE = Step[Exam](
    mark("both programs can be read"),
    "",
    mark("Start the program by hand: python3 server.py. Python shows the place."),
    lambda exam: None,
)
"""The step before all others, of an exercise whose services are read in the source."""


@dataclass
class StepResult:
    """A step that was tried, in the reader's language. Of one that is taken, the last three are empty."""

    title: str
    taken: bool
    expected: str = ""
    came: str = ""
    cause: str = ""


@dataclass
class LevelResult:
    """The steps of a level that were tried, and how many it has."""

    count: int
    steps: list[StepResult] = field(default_factory=list)

    @property
    def taken(self) -> int:
        """How many steps are taken."""
        return sum(step.taken for step in self.steps)

    @property
    def is_whole(self) -> bool:
        """Whether all steps are taken."""
        return self.taken == self.count


@dataclass
class Result:
    """What was found of one exercise. `undecided` says why it could not be judged; else it is empty.

    `remarks` cost no step.
    """

    exercise: int
    levels: dict[str, LevelResult] = field(default_factory=dict)
    undecided: str = ""
    remarks: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return what `read_result` takes."""
        return asdict(self)


def read_result(data: dict[str, Any]) -> Result:
    """Return a result from its JSON."""
    levels = {
        name: LevelResult(level["count"], [StepResult(**step) for step in level["steps"]])
        for name, level in data["levels"].items()
    }
    return Result(data["exercise"], levels, data["undecided"], data.get("remarks", []))


def judge(
    exercise: Exercise,
    submission: Submission,
    wanted: Sequence[str],
    *,
    through: bool,
    only: int = 0,
    alone: bool = False,
    enter: Callable[[str], None] = lambda level: None,
    tried: Callable[[Taken[Exam]], None] = lambda taken: None,
) -> Result:
    """Judge two programs by the wanted levels, up to the first that is not whole; `through`: all its steps.

    `only`: of the last level this step, from 1 on, and nothing else; 0: all. `alone`: they are in a network of their
    own. `enter` is called with each level's name, and `tried` after each step. Raises LookupError if the level has no
    such step; its message says how many it has.
    """
    result = Result(exercise.number)
    with Exam(exercise, submission, alone=alone) as exam:
        try:
            levels = ladder(exam)
        except StepError as error:  # its source cannot be read, so nobody knows what it is to do
            enter(wanted[0])
            tried(Taken(READABLE, error))
            result.levels[wanted[0]] = LevelResult(1, [_result(say(READABLE.title), error)])
            return result
        if only:
            wanted, steps = wanted[-1:], levels[wanted[-1]]
            if only > len(steps):
                raise LookupError(say("the level {level} has {count} steps", level=say(wanted[0]), count=len(steps)))
            levels = {wanted[0]: [steps[only - 1]]}
        result.levels = {name: LevelResult(len(steps)) for name, steps in levels.items()}
        for name in wanted:
            enter(name)
            level = result.levels[name]
            try:
                for taken in climb(levels[name], exam, through=through):
                    level.steps.append(_result(say(taken.step.title), taken.error))
                    tried(taken)
            except UndecidedError as error:
                result.undecided = str(error)
                return result
            if name == wanted[0]:
                result.remarks = exam.remarks(is_whole=level.is_whole)
            if not level.is_whole:
                break
    return result


def _result(title: str, error: StepError | None) -> StepResult:
    if error is None:
        return StepResult(title, taken=True)
    return StepResult(title, False, error.expected, error.came, error.cause)
