"""``python -m conformance`` and ``sockspec``."""

import contextlib
import os
import sys
import traceback

from conformance import ROOT, SettingError


def main() -> int:
    """Run a command of this process's command line; return its exit status."""
    if os.name != "posix":
        print(
            "sockspec: the suite runs on POSIX systems; use WSL, or judge a server from another machine by its URL",
            file=sys.stderr,
        )
        return 2
    if sys.getfilesystemencoding() != "utf-8":
        try:
            speak_utf8()
        except UnicodeEncodeError as error:
            print(f"sockspec: the command line, in this locale: {error.reason}", file=sys.stderr)
            return 3
    forget_directory()
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # what is imported for a second has nothing to say about Ctrl-C
    os.umask(os.umask(0o077) & 0o077)  # what this process writes it can read
    from conformance.commands import streams

    streams.take_over()
    try:
        os.getcwd()  # packages that are imported ask for it
        os.stat(os.curdir)
    except OSError as error:
        print(f"sockspec: the current directory: {error.strerror}", file=sys.stderr)
        return 3
    try:
        from conformance.commands.main import main as run_command
    except SettingError as error:
        print(f"sockspec: {error}", file=sys.stderr)
        return 2
    except Exception as error:  # noqa: BLE001 - status 1 would say that a target does not conform
        if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("conformance."):
            told = f"the suite needs the Python module {error.name}: pip install 'sockspec[conformance]'"
            print(f"sockspec: {told}", file=sys.stderr)
            return 2
        traceback.print_exc()
        print("sockspec: could not be judged: the suite itself failed, see above", file=sys.stderr)
        return 3
    status = run_command()
    if problem := streams.lost_output():
        print(f"sockspec: standard output: {problem.strerror}", file=sys.stderr)
        return 3
    return status


def speak_utf8() -> None:
    """Start this process anew: what programs get as arguments is UTF-8, in a locale with another encoding too.

    Only its own output stays in that encoding. Raises UnicodeEncodeError.
    """
    own_encoding = (sys.stdout.encoding if sys.stdout else "utf-8").encode()
    environment = {b"PYTHONIOENCODING": own_encoding, **os.environb, b"PYTHONUTF8": b"1"}
    os.execve(sys.executable, [os.fsencode(sys.executable), b"-X", b"utf8", *command_line()[1:]], environment)


def command_line() -> list[bytes]:
    """Return the words of this process. Not each encoding gives back what Python has made of them: EUC-JP does not."""
    with contextlib.suppress(OSError), open("/proc/self/cmdline", "rb") as file:
        words = file.read().split(b"\0")[:-1]
        if len(words) == len(sys.orig_argv):
            return words
    return [os.fsencode(word) for word in sys.orig_argv]


def forget_directory() -> None:
    """Import nothing from the directory where ``python -m`` was started: there may be a socket.py in it."""
    first = sys.path[0]
    with contextlib.suppress(OSError):  # one that is deleted, or that this user may not enter, has none
        if os.path.samefile(first, os.curdir) and not os.path.samefile(first, ROOT):
            del sys.path[0]


if __name__ == "__main__":
    sys.exit(main())
