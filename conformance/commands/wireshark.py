"""``sockspec wireshark``: the dissector of the protocol, for Wireshark and tshark."""

import argparse
import os
import shutil
import sys
from pathlib import Path

from conformance import ROOT
from conformance.languages.texts import mark, say
from conformance.running.verdicts import CONFORMS

HELP = mark("print where Wireshark's dissector of the protocol is, or install it")

DISSECTOR = ROOT / "conformance" / "wireshark" / "sockspec.lua"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--install", action="store_true", help=say("copy it into your folder of Wireshark's plugins"))


def execute(options: argparse.Namespace) -> int:
    if not options.install:
        print(DISSECTOR)
        return CONFORMS
    folder = plugin_folder()
    folder.mkdir(parents=True, exist_ok=True)
    print(say("installed: {file}", file=shutil.copy(DISSECTOR, folder)))
    print(say("Wireshark loads it at its next start, or with Analyze, Reload Lua Plugins."))
    return CONFORMS


def plugin_folder() -> Path:
    """Return the person's own folder of plugins, by the rules of the Wireshark User's Guide, "Plugin Folders".

    Raises OSError if there is none.
    """
    if sys.platform == "win32":
        return Path(os.environ["APPDATA"], "Wireshark", "plugins")
    try:
        return Path.home() / ".local" / "lib" / "wireshark" / "plugins"
    except RuntimeError:  # no HOME, and a number without a name, as in a container
        raise OSError(say("this user has no home directory (HOME)")) from None
