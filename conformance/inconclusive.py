"""What a check raises when it cannot decide on this host or on this target, or is not worth running."""

from unittest import SkipTest


class Inconclusive(SkipTest):
    """The target is not at fault: the host, or what is known of the target, lacks what the check needs; says what.

    pytest takes it for a skipped test, and Hypothesis neither shrinks it nor takes it for a failure.
    """


class Unjudged(SkipTest):
    """A check is not run: the message says why; `about` is the requirement that has to hold before, if it is that."""

    def __init__(self, reason: str, about: str | None = None) -> None:
        super().__init__(reason)
        self.about = about


NOT_STARTED = "it did not start"
"""How the reason begins where a program said nothing about being ready."""

STARVED = "this machine gave the program no processor"

OUT_OF_TIME = "the time for this target was used up"
"""How the reason begins of checks for which no time was left."""
