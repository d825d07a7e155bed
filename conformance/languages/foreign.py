"""What programs print that has its words from elsewhere: from argparse, and from the system."""

ARGPARSE = (
    "usage: ",
    "positional arguments",
    "options",
    "show this help message and exit",
    "show program's version number and exit",
    "expected one argument",
    "expected at least one argument",
    "expected at most one argument",
    "ignored explicit argument %r",
    "invalid %(type)s value: %(value)r",
    "invalid choice: %(value)r (choose from %(choices)s)",
    "the following arguments are required: %s",
    "unrecognized arguments: %s",
    "ambiguous option: %(option)s could match %(matches)s",
    "%(prog)s: error: %(message)s\n",
)
"""Texts of argparse, from Python 3.10 to 3.13, that somebody can see: errors for wrong words, and help."""

FILES = (
    "File exists",
    "Is a directory",
    "No space left on device",
    "No such file or directory",
    "Not a directory",
    "Permission denied",
    "Read-only file system",
)
"""Why a file cannot be read or written, in the words of Linux."""

SYSTEM = (
    "Address already in use",
    "Address family for hostname not supported",
    "Address family not supported by protocol",
    "Broken pipe",
    "Cannot assign requested address",
    "Connection refused",
    "Connection reset by peer",
    "Connection timed out",
    "Exec format error",
    "Input/output error",
    "Name or service not known",
    "Network is down",
    "Network is unreachable",
    "No address associated with hostname",
    "No route to host",
    "No space left on device",
    "Operation not permitted",
    "Permission denied",
    "Temporary failure in name resolution",
    "Too many open files",
    "Too many open files in system",
    "nodename nor servname provided, or not known",
    "timed out",
)
"""Why a socket or a file cannot be used, in the words of Linux, of macOS and of Python."""

STARTING = (
    "Argument list too long",
    "No such file or directory",
    "Not a directory",
    "Text file busy",
    "Too many levels of symbolic links",
)
"""Why a program cannot be started, besides, in the words of Linux."""
