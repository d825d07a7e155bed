"""Finds targets by the words of a command line."""

import socket
from dataclasses import replace
from pathlib import Path

from conformance import ROOT
from conformance.languages.texts import say
from conformance.targets.manifest import read_manifest
from conformance.targets.server import URL
from conformance.targets.target import MissingError, Target, TargetError

MANIFEST = "sockspec.toml"

_READING_ORDER = ("impl_raw", "impl_with")  # any other comes after them


def _place(manifest: Path) -> tuple[bool, str]:
    return manifest.parent.name not in _READING_ORDER, manifest.parent.name


BUNDLED = {
    target.name: replace(target, word=target.name)
    for target in map(read_manifest, sorted(ROOT.glob(f"impl_*/{MANIFEST}"), key=_place))
}
"""The reference implementations by their names."""

EXAMPLES = {manifest.parent.name: manifest for manifest in sorted(ROOT.glob(f"conformance/examples/*/{MANIFEST}"))}
"""Manifests by their names: other ways to write the programs."""


def _hint(directory: object, programs: str) -> str:
    return say(
        "sockspec init {directory} writes one, sockspec lab N {programs} judges an exercise without",
        directory=directory,
        programs=programs,
    )


def target_help() -> str:
    """Return what a command line may name as a target."""
    return say(
        "{names}, a manifest (TOML), or the URL of a server that runs (default: {manifest} here, else {bundled})",
        names=", ".join([*BUNDLED, *EXAMPLES]),
        manifest=MANIFEST,
        bundled=", ".join(BUNDLED),
    )


def find_target(word: str) -> Target:
    """Return what a word names: a bundled target, an example, a manifest by its path, or a server that runs by its URL.

    Raises TargetError; MissingError, if a Python module that its manifest requires is missing.
    """
    if word in BUNDLED:
        return BUNDLED[word]
    if word in EXAMPLES:
        return _find_example(word)
    if "://" in word:
        url = URL.fullmatch(word)
        if url is None:
            raise TargetError(
                say("{word}: no URL like echo+udp://192.0.2.1:7007 or time+tcp://[2001:db8::1]:3737", word=word)
            )
        if not 1 <= int(url["port"]) <= 65535:
            raise TargetError(say("{word}: a port is a number from 1 to 65535", word=word))
        try:
            socket.getaddrinfo(url["v6"] or url["host"], None)
        except (OSError, UnicodeError):
            host = url["v6"] or url["host"]
            raise TargetError(say("{word}: the host {host} has no address", word=word, host=host)) from None
        return Target(word, {}, services=(url["service"],), url=word, word=word)  # type: ignore[arg-type]
    path = Path(word)
    if path.is_dir():
        path /= MANIFEST
        if not path.exists():
            raise TargetError(
                say("{word}: no {manifest} in it; {hint}", word=word, manifest=MANIFEST, hint=_hint(word, word))
            )
    if path.suffix == ".py":
        raise TargetError(
            say(
                "{word}: a program needs a {manifest}; {hint}",
                word=word,
                manifest=MANIFEST,
                hint=_hint(path.parent, "SERVER CLIENT"),
            )
        )
    if not path.exists():
        raise TargetError(
            say("{word}: neither {names} nor a manifest nor a URL", word=word, names=", ".join([*BUNDLED, *EXAMPLES]))
        )
    return read_manifest(path, taken=BUNDLED)


def _find_example(name: str) -> Target:
    try:
        return read_manifest(EXAMPLES[name], taken=BUNDLED)
    except MissingError as error:
        raise MissingError(f"{error}: pip install 'sockspec[compare]'") from None
