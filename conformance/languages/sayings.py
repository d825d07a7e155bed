"""Collects from the sources what the checks say: each clause of a message, with holes where values stand.

A message stays an English string where it is raised. `told` of `conformance.languages.told` translates it where it is
shown, clause by clause: what stands between ``; ``, ``: `` and line ends.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cached_property

from conformance.languages.foreign import STARTING, SYSTEM
from conformance.languages.told import QUOTED, SEPARATOR

EXCEPTIONS = {
    *("AssertionError", "ProgramError", "DidNotStart", "LoadError", "JudgeError", "CheckTimeout", "Inconclusive"),
    *("Unjudged", "Fault", "Observed", "Silence", "Ended", "Reset", "NotRun", "Malformed", "ClientLeft", "ValueError"),
    "observed",  # a variable: one of these classes
}
"""Whose first argument is a message, when they are called; so is the message of an ``assert``."""

ARGUMENTS = {
    **dict.fromkeys(("describe", "end_because", "Exchange", "fail"), 0),
    **dict.fromkeys(("about", "step", "judge", "expect_errors", "wait_for", "Choice", "_reset", "_gave_up"), 1),
    **dict.fromkeys(("note_hindrance", "note_not_started", "leave"), 1),
    **dict.fromkeys(("add", "require_reply", "note_failure"), 2),
    **dict.fromkeys(("_send", "partial"), -1),
    "__init__": 2,
    "Event": 3,
    "Disagreement": 4,
}
"""Functions one of whose arguments is a message or a part of one, and which."""

FUNCTIONS = {"__str__", "_why_no_reply", "cut_problem", "describe", "ending", "show"}
"""Functions that return messages, or append them to what they return."""

CASES = {"ODD", "FORMS", "BAD", "RENEWALS", "quick", "slow", "fatal", "bad", "badly_built", "said"}
"""Variables with tables whose keys are names of cases, or messages."""

CONSTANTS = {"END_OF_STREAM", "NOT_STARTED", "OUT_OF_TIME", "RUNS_ON", "STARVED", "pinning"}
"""Variables that hold a message which other modules show."""

PARTS = (
    *("silence", "ended", "reset", "malformed"),  # names of exceptions: what was observed
    *("of which the first {0}", "it sent nothing", "{0}, or a first part of it", "or", "and", "to"),
    "[Errno {0}] {1}",
    *SYSTEM,
    *STARTING,
)
"""What messages are made of besides, where values are put together."""

_ID = re.compile(r"[A-Z]+-[0-9]+")
_WORDS = re.compile(r"[a-z]{2}")
_HOLE = "\0"


class _Module:
    """The messages of one module."""

    def __init__(self, source: str) -> None:
        self._tree = ast.parse(source)
        self._found: dict[str, None] = {}
        self._seen: set[ast.AST] = set()

    @cached_property
    def _scopes(self) -> dict[ast.AST, ast.AST]:
        """The function, or the module, in which each node stands."""
        scopes: dict[ast.AST, ast.AST] = {}

        def visit(node: ast.AST, scope: ast.AST) -> None:
            for child in ast.iter_child_nodes(node):
                scopes[child] = scope
                visit(child, child if isinstance(child, ast.FunctionDef) else scope)

        visit(self._tree, self._tree)
        return scopes

    @cached_property
    def _functions(self) -> dict[str, list[ast.FunctionDef]]:
        found: dict[str, list[ast.FunctionDef]] = {}
        for node in ast.walk(self._tree):
            if isinstance(node, ast.FunctionDef):
                found.setdefault(node.name, []).append(node)
        return found

    @cached_property
    def _values(self) -> dict[tuple[ast.AST, str], list[ast.expr]]:
        """What is assigned to a name in a scope."""
        found: dict[tuple[ast.AST, str], list[ast.expr]] = {}
        for node in ast.walk(self._tree):
            match node:
                case ast.Assign(targets=targets, value=value):
                    pairs: list[tuple[ast.expr, ast.expr]] = [(target, value) for target in targets]
                case ast.AnnAssign(target=target, value=ast.expr() as value):
                    pairs = [(target, value)]
                case ast.NamedExpr(target=target, value=value):
                    pairs = [(target, value)]
                case _:
                    continue
            for one, other in pairs:
                for name, each in _bound(one, other):
                    found.setdefault((self._scopes[node], name), []).append(each)
        return found

    def clauses(self) -> Iterable[str]:
        for node in ast.walk(self._tree):
            for message in _messages(node):
                self._follow(message)
        return self._found

    def _follow(self, node: ast.expr) -> None:
        """Find the texts that an expression can be, and those that can stand in its holes."""
        if node in self._seen:
            return
        self._seen.add(node)
        match node:
            case ast.Constant(value=str()) | ast.JoinedStr() | ast.BinOp(op=ast.Add()):
                self._found.update(dict.fromkeys(split("".join(self._parts(node)))))
            case ast.IfExp(body=one, orelse=other):
                self._follow(one)
                self._follow(other)
            case ast.BoolOp(values=values):
                for each in values:
                    self._follow(each)
            case ast.BinOp(op=ast.Mult(), left=left):
                self._follow(left)
            case ast.NamedExpr(value=value):
                self._follow(value)
            case ast.Name():
                for each in self._bound_to(node):
                    self._follow(each)
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(value=ast.Name(id="self"), attr=name)):
                for function in self._functions.get(name, []):
                    for inner in ast.walk(function):
                        if isinstance(inner, ast.Return) and inner.value:
                            self._follow(inner.value)
            case ast.Call(func=ast.Attribute(value=text, attr="removeprefix")):
                self._follow(text)
            case ast.Call(func=ast.Attribute(attr="join"), args=[items]):
                self._follow_items(items)

    def _follow_items(self, node: ast.expr) -> None:
        """Find the texts that are joined to a message."""
        match node:
            case ast.List(elts=items):
                for each in items:
                    self._follow_items(each)
            case ast.BinOp(op=ast.Add(), left=one, right=other) | ast.IfExp(body=one, orelse=other):
                self._follow_items(one)
                self._follow_items(other)
            case ast.Starred(value=items):
                self._follow_items(items)
            case ast.BoolOp(values=values):
                for each in values:
                    self._follow_items(each)
            case ast.ListComp(elt=each):
                self._follow(each)
            case ast.Name():
                for value in self._bound_to(node):
                    self._follow_items(value)
            case _:
                self._follow(node)

    def _bound_to(self, name: ast.Name) -> list[ast.expr]:
        own = self._values.get((self._scopes[name], name.id))
        return own or self._values.get((self._tree, name.id), [])

    def _parts(self, node: ast.expr) -> Iterator[str]:
        """Yield the constant parts of a text, and _HOLE for each other part, which is followed."""
        match node:
            case ast.Constant(value=str(text)):
                yield text
            case ast.JoinedStr(values=values):
                for each in values:
                    yield from self._parts(each)
            case ast.BinOp(op=ast.Add(), left=left, right=right):
                yield from self._parts(left)
                yield from self._parts(right)
            case ast.FormattedValue(value=value, conversion=conversion):
                if conversion != ord("r"):
                    self._follow(value)
                yield _HOLE
            case _:
                self._follow(node)
                yield _HOLE


def clauses(source: str) -> Iterable[str]:
    """Return the clauses of all messages in the source of a module, each once, with holes as ``{0}``, ``{1}``."""
    return _Module(source).clauses()


def _messages(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the messages that stand right in a node, and the names of cases, which are parts of messages."""
    match node:
        case ast.Assert(msg=ast.expr() as message):
            yield message
        case ast.Assign(targets=[ast.Attribute(attr="args")], value=ast.Tuple(elts=[message])):
            yield message
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=arguments, keywords=keywords):
            place = 0 if name in EXCEPTIONS else ARGUMENTS.get(name)
            if place is not None and place < len(arguments):
                yield arguments[place]
            yield from (each.value for each in keywords if each.arg in ("case", "note"))
        case ast.Call(func=ast.Call(func=ast.Name(id="type")), args=[message]):
            yield message
        case ast.FunctionDef(name=name) if name in FUNCTIONS:
            for each in ast.walk(node):
                match each:
                    case ast.Return(value=ast.expr() as value):
                        yield value
                    case ast.Call(func=ast.Attribute(attr="append"), args=[value]):
                        yield value
        case ast.Tuple(elts=[ast.Constant(value=str(id_)), *others]) if _ID.fullmatch(id_):
            yield from (each for each in others if isinstance(each, ast.Constant | ast.JoinedStr))
        case ast.Assign(targets=[ast.Attribute(attr="problem")], value=value):
            yield value
        case ast.Assign(
            targets=[ast.Tuple(elts=[*_, ast.Attribute(attr="problem")])], value=ast.Tuple(elts=[*_, value])
        ):
            yield value
        case ast.Assign(targets=[target], value=value) | ast.AugAssign(target=target, value=value):
            yield from _cases(target, value)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield from _cases(target, value)


def _cases(target: ast.expr, value: ast.expr) -> Iterator[ast.expr]:
    match target:
        case ast.Name(id=name) if name in CASES:
            yield from _keys(value)
        case ast.Name(id=name) if name in CONSTANTS:
            yield value
        case ast.Name(id="NEEDS" | "UNWRITABLE") if isinstance(value, ast.Dict):
            yield from value.values
        case ast.Subscript(value=ast.Name(id=name), slice=key) if name in CASES:
            yield key
            yield from _keys(value)


def _keys(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Dict(keys=keys, values=values):
            yield from (key for key in keys if key)
            for value in values:
                yield from _keys(value)
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            yield from _keys(left)
            yield from _keys(right)
        case ast.Call(func=ast.Name(id="Kind") | ast.Attribute(attr="fromkeys"), args=arguments):
            for argument in arguments:
                yield from argument.elts if isinstance(argument, ast.Tuple) else _keys(argument)


def _bound(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names of a target, and what each is bound to."""
    match target, value:
        case ast.Name(id=name), _:
            yield name, value
        case ast.Tuple(elts=targets), ast.Tuple(elts=values):
            for one, other in zip(targets, values, strict=False):
                yield from _bound(one, other)


def split(text: str) -> Iterator[str]:
    """Yield the clauses of a text that have words, with numbered holes."""
    quoted = QUOTED.findall(text)
    for clause in SEPARATOR.split(QUOTED.sub("\1", text))[::2]:
        whole = re.sub("\1", lambda _: quoted.pop(0), clause.strip())
        parts = [part.replace("{", "{{").replace("}", "}}") for part in re.split(f"{_HOLE}(?:\\s*{_HOLE})*", whole)]
        if any(map(_WORDS.search, parts)):
            yield parts[0] + "".join(f"{{{number}}}{part}" for number, part in enumerate(parts[1:]))
