"""The checks: each judges one target by one or more requirements."""
