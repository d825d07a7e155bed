"""``sockspec completion``: what a shell needs to complete its words."""

import argparse

import shtab

from conformance.languages.texts import mark
from conformance.running.verdicts import CONFORMS

HELP = mark('print completions for a shell: eval "$(sockspec completion bash)"')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=["bash", "zsh"])


def execute(options: argparse.Namespace) -> int:
    print(shtab.complete(options.parser, shell=options.shell))
    return CONFORMS
