"""Run a program with a fault: ``python -m conformance.broken ECHO-3 impl_raw.udp_server echo --port 0``."""

import sys
from importlib import import_module

from conformance.broken import find_fault


def main() -> int:
    """Take a fault's name, or a requirement for the first of its faults, then a module and its arguments."""
    wanted, module, *arguments = sys.argv[1:]
    program = import_module(module)
    find_fault(wanted).apply()
    status: int = program.main(arguments)
    return status


if __name__ == "__main__":
    sys.exit(main())
