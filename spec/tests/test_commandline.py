"""The former place of the options and of ``spec.program``; this test goes with it."""

from spec import commandline
from spec.program import output


def test_the_former_names_are_still_there() -> None:
    assert commandline.say is output.say
    assert commandline.ignore("x") is None  # type: ignore[func-returns-value]
