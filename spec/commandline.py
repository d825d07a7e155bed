"""The former place of what is in ``spec.options`` and ``spec.program``, until ``conformance`` imports it from there."""

from spec.options import UNREACHABLE, ClientOptions, ServerOptions
from spec.program.arguments import parse_client_options, parse_server_options
from spec.program.output import explain, fail, say

__all__ = [
    "UNREACHABLE",
    "ClientOptions",
    "ServerOptions",
    "explain",
    "fail",
    "ignore",
    "parse_client_options",
    "parse_server_options",
    "say",
]


def ignore(line: str) -> None:
    """Print nothing."""
