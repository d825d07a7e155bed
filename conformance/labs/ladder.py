"""Steps, one after the other: what each asks for, why, and where to look for a hint."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from conformance.languages.texts import say

Subject = TypeVar("Subject")


class StepError(Exception):
    """A step that is not taken yet."""

    def __init__(self, expected: str, came: str, cause: str = "", hint: str = "") -> None:
        """Say what was expected, what came, and a likely cause, or nothing, each in the language of the reader.

        `hint`, in English, is for what has failed alone, in place of the step's; that is for failures without a cause.
        """
        super().__init__(expected)
        self.expected, self.came, self.cause, self.hint = expected, came, cause, hint


class UndecidedError(Exception):
    """What cannot be judged here, for a reason that is not the program's; the message says it."""


@dataclass(frozen=True)
class Step(Generic[Subject]):
    """One thing that a program has to do.

    Attributes:
        title: what it does then, in English, as a clause
        why: a sentence on why that matters, in English; empty: it is what the exercise is about
        hint: what to try, in English; with holes if there are `examples`
        take: judges it. Raises StepError, and UndecidedError
        is_basic: whether no other step can be taken without it
        examples: what fills the holes of the hint, such as a request of the exercise
    """

    title: str
    why: str
    hint: str
    take: Callable[[Subject], None]
    is_basic: bool = False
    examples: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Taken(Generic[Subject]):
    """A step that was tried; `error` is None if it is taken."""

    step: Step[Subject]
    error: StepError | None


def climb(steps: Iterable[Step[Subject]], subject: Subject, *, through: bool = False) -> Iterator[Taken[Subject]]:
    """Try steps until one fails; `through`: until a basic one fails. Yield each when tried. Raises UndecidedError."""
    for step in steps:
        try:
            step.take(subject)
        except StepError as error:
            yield Taken(step, error)
            if step.is_basic or not through:
                return
        else:
            yield Taken(step, None)


def shown(text: str, most: int = 200) -> str:
    """Return what a program printed as it is shown in a verdict: in quotes, one line, cut in the middle."""
    text = cut(text.strip().replace("\n", " ⏎ "), most)
    return say("“{text}”", text=text) if text else say("nothing")


def cut(text: str, most: int) -> str:
    """Return a text, without its middle if it has more characters than `most`."""
    return text if len(text) <= most else f"{text[: most // 2]} … {text[-most // 2 :]}"
