"""The steps of each exercise: as it is assigned, then by SPEC.md, then under load."""

from dataclasses import replace

from conformance.labs.echo_steps import echo_steps
from conformance.labs.exam import Exam
from conformance.labs.ladder import Step
from conformance.labs.levels import PROTOCOL, ROBUST, SCHEDULES, examples_of
from conformance.labs.source_steps import source_steps
from conformance.labs.time_steps import STEPS as TIME_STEPS
from conformance.languages.texts import mark

LEVELS = mark("assignment"), mark("protocol"), mark("robust")
"""In the order in which one comes to them."""


def assignment_steps(exam: Exam) -> list[Step[Exam]]:
    """Return the steps of an exam's exercise, in the order in which one would take them."""
    exercise = exam.exercise
    steps = echo_steps(addition=exercise.addition) if exam.service == "echo" else TIME_STEPS
    return [*steps, *source_steps(with_block=exercise.with_block, framework=exercise.framework)]


def ladder(exam: Exam) -> dict[str, list[Step[Exam]]]:
    """Return the steps of all levels, by the levels' names in English."""
    examples = examples_of(exam.service, exam.exercise.transport)
    protocol = [replace(step, examples=examples) for step in PROTOCOL]
    robust = [replace(step, examples=examples) for step in ROBUST if step is not SCHEDULES or exam.service == "time"]
    return dict(zip(LEVELS, (assignment_steps(exam), protocol, robust), strict=True))
