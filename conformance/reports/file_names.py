"""Names of files that are made from names of targets and persons."""

import re

MOST_BYTES = 200
"""A file system takes 255; a number, a digest or a suffix follows."""


def as_file_name(name: str) -> str:
    """Return what a file's name begins with: at most `MOST_BYTES` of UTF-8, no space or separator, no first dot."""
    return re.sub(r"[^\w.-]+", "-", name).lstrip(".").encode()[:MOST_BYTES].decode(errors="ignore")
