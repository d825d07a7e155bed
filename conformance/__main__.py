"""``python -m conformance`` and ``sockspec``."""

import os
import sys

from conformance import SettingError


def main() -> int:
    """Run a command of this process's command line; return its exit status."""
    if os.name != "posix":
        print(
            "sockspec: the suite runs on POSIX systems; use WSL, or judge a server from another machine by its URL",
            file=sys.stderr,
        )
        return 2
    try:
        from conformance.commands.main import main as run_command
    except SettingError as error:
        print(f"sockspec: {error}", file=sys.stderr)
        return 2
    return run_command()


if __name__ == "__main__":
    sys.exit(main())
