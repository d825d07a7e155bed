"""The steps of each exercise as it is assigned."""

from conformance.labs.echo_steps import echo_steps
from conformance.labs.exam import Exam
from conformance.labs.ladder import Step
from conformance.labs.source_steps import source_steps
from conformance.labs.time_steps import STEPS as TIME_STEPS


def assignment_steps(exam: Exam) -> list[Step[Exam]]:
    """Return the steps of an exam's exercise, in the order in which one would take them."""
    exercise = exam.exercise
    steps = echo_steps(addition=exercise.addition) if exam.service == "echo" else TIME_STEPS
    return [*steps, *source_steps(with_block=exercise.with_block, framework=exercise.framework)]
