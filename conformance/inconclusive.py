"""What a check raises when it cannot decide on this host or on this target."""

from unittest import SkipTest


class Inconclusive(SkipTest):
    """The target is not at fault: the host, or what is known of the target, lacks what the check needs; says what.

    pytest takes it for a skipped test, and Hypothesis neither shrinks it nor takes it for a failure.
    """
