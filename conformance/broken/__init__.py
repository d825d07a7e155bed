"""Faulty servers and clients, one for each requirement at least: good ones with one small patch.

A fault is a function that patches the core or a program, and whose docstring says what is wrong then. The faults of
servers are in ``faults/server_*.py``, those of clients in ``faults/client_*.py``; `faults` reads them all.

Most were written beside the checks. Those of the modules ``*_stranger_*`` were written from SPEC.md alone, by somebody
who had not seen a check: they measure how many mistakes of a stranger the checks find (`conformance.broken.campaign`).
"""

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

STRANGER = "stranger"
AUTHOR = "author"
ORIGINS = (AUTHOR, STRANGER)


class Fault(NamedTuple):
    """A fault that breaks one requirement; where it says no service or transport, it is one of both."""

    requirement: str
    description: str
    role: str
    implementation: str
    service: str | None
    transport: str | None
    apply: Callable[[], None]

    @property
    def name(self) -> str:
        """What ``python -m conformance.broken`` calls it: ``ECHO-3/reverses_bytes``."""
        return f"{self.requirement}/{self.apply.__name__}"

    @property
    def origin(self) -> str:
        """Who wrote it: an author of the checks, or a stranger to them."""
        return STRANGER if f"_{STRANGER}_" in self.apply.__module__ else AUTHOR


_FAULTS: list[Fault] = []


def fault(
    requirement: str, *, implementation: str = "raw", service: str | None = None, transport: str | None = None
) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register a function that plants a fault, in programs of that implementation, service and transport."""

    def register(apply: Callable[[], None]) -> Callable[[], None]:
        role = apply.__module__.rpartition(".")[2].partition("_")[0]
        description = " ".join((apply.__doc__ or "").split())
        planted = Fault(requirement, description, role, implementation, service, transport, apply)
        if any(each.name == planted.name for each in _FAULTS):
            raise ValueError(f"two faults are called {planted.name}")
        _FAULTS.append(planted)
        return apply

    return register


def faults() -> dict[str, Fault]:
    """Return every fault by its name."""
    for path in _files():
        import_module(f"{__name__}.faults.{path.stem}")
    return {each.name: each for each in _FAULTS}


def find_fault(wanted: str) -> Fault:
    """Return the fault of a name, or the first of a requirement. Raises StopIteration if there is none.

    Only files that may hold it are imported: a faulty program is started hundreds of times.
    """
    requirement, _, function = wanted.partition("/")
    for path in _files():
        text = path.read_text(encoding="utf-8")
        if f'@fault("{requirement}"' in text and f"def {function}" in text:
            import_module(f"{__name__}.faults.{path.stem}")
    return next(each for each in _FAULTS if wanted in (each.name, each.requirement))


def _files() -> list[Path]:
    return sorted((Path(__file__).parent / "faults").glob("[!_]*.py"))


def patch(owner: ModuleType | type, name: str, value: object) -> None:
    """Give an attribute of a module or class another value; of a module, wherever the name was imported to as well."""
    original = getattr(owner, name)
    setattr(owner, name, value)
    if isinstance(owner, ModuleType):
        for module in _program_modules():
            if vars(module).get(name) is original:
                setattr(module, name, value)


def wrap(owner: ModuleType | type, name: str) -> Callable[[Callable[..., Any]], None]:
    """Decorate a function that stands in for a function or method, and gets the original as its first argument."""
    original = getattr(owner, name)

    def decorate(stand_in: Callable[..., Any]) -> None:
        patch(owner, name, lambda *arguments, **named: stand_in(original, *arguments, **named))

    return decorate


def wrap_handler(owner: Any, verb: str | bytes) -> Callable[[Callable[..., Any]], None]:
    """Decorate a function that stands in for the handler of a verb, and gets the original as its first argument."""
    original = owner.handlers[verb]

    def decorate(stand_in: Callable[..., Any]) -> None:
        stood_in = {verb: lambda *arguments: stand_in(original, *arguments)}
        patch(owner, "handlers", {**owner.handlers, **stood_in})

    return decorate


def _program_modules() -> Iterator[ModuleType]:
    for name, module in list(sys.modules.items()):
        package = name.partition(".")[0]
        if package == "spec" or package.startswith("impl_"):
            yield module
