"""What a program does in which order, and how often: traces of mistakes, and what is said of them."""

import ast
import codecs
from pathlib import Path

from conformance.labs.exam import Exam
from conformance.labs.source import HANDLERS, PAUSING, RECEIVING, Source, names_in
from conformance.languages.texts import say

_SENDING = {"send", "sendall", "sendto"}
_LEAVING = ast.Break, ast.Continue, ast.Return
_NOT_WAITING = {"settimeout", "setblocking", "select", "selectors", "timeout", "asyncio"}
_NOT_WAITING |= {"Thread", "Timer", "Process", "submit", "start_new_thread", "fork"}
"""Where one of these names stands, a program need not wait in its recvfrom() or accept()."""


def pauses_for_each(source: Source) -> list[int]:
    """Return where a loop over clients waits in each round, by itself or in a function that it calls."""
    waiting = PAUSING - {"settimeout"}
    calls = source.calls_of(waiting)
    names = waiting | {
        each.name for each in source.nodes_of(ast.FunctionDef) if any(part in calls for part in ast.walk(each))
    }
    return sorted(
        loop.lineno
        for loop in source.nodes_of(ast.For)
        if not (isinstance(loop.iter, ast.Call) and source.name(loop.iter.func) == "range")
        and any(part in source.calls_of(names) for statement in loop.body for part in ast.walk(statement))
    )


def counted_loops(source: Source) -> list[tuple[int, int]]:
    """Return where a loop that sends and waits ends after a number of rounds that stands there: lines, and numbers."""
    sends, waits = source.calls_of(_SENDING | {"write"}), source.calls_of(PAUSING)
    found = []
    for loop in source.nodes_of(ast.For):
        parts = list(ast.walk(loop))
        rounds = _rounds(loop.iter) if isinstance(loop.iter, ast.Call) and source.name(loop.iter.func) == "range" else 0
        if rounds and any(part in sends for part in parts) and any(part in waits for part in parts):
            found.append((loop.lineno, rounds))
    return sorted(found)


def _rounds(call: ast.Call) -> int:
    """Return the number that a call has as its only argument; 0: it has none, or more."""
    first = call.args[0] if len(call.args) == 1 else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, int) else 0


def called_once(source: Source, names: set[str]) -> list[tuple[int, str]]:
    """Return where the only call of these is, if neither a loop nor what is called twice has it: line, and name."""
    calls = source.calls_of(names)
    loops = [*source.nodes_of(ast.While), *source.nodes_of(ast.For), *source.nodes_of(ast.AsyncFor)]
    functions = source.nodes_of(ast.FunctionDef) + source.nodes_of(ast.AsyncFunctionDef)
    again = {name for loop in loops for name in names_in(loop)}
    again |= {each.name for each in functions if each.name in names_in(each) or len(source.calls_of({each.name})) > 1}
    while more := {name for each in functions if each.name in again for name in names_in(each)} - again:
        again |= more
    repeated = [*loops, *(each for each in functions if each.name in again)]
    if len(calls) != 1 or any(calls[0] in ast.walk(each) for each in repeated):
        return []
    return [(calls[0].lineno, source.name(calls[0].func))]


def used_though_listening(source: Source) -> list[int]:
    """Return where a socket is sent or received with, and accepts connections in the same function."""
    found = []
    for parts in _scopes(source):
        calls = [part for part in parts if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute)]
        owners = [(call, call.func.attr, ast.unparse(call.func.value)) for call in calls]  # type: ignore[attr-defined]
        listening = {owner for _, name, owner in owners if name == "accept"}
        targets = [target for part in parts if isinstance(part, ast.Assign) for target in part.targets]
        listening -= {ast.unparse(each) for target in targets for each in getattr(target, "elts", [])}
        found += [call.lineno for call, name, owner in owners if name in _SENDING | RECEIVING and owner in listening]
    return sorted(found)


def accepted_in_its_place(source: Source) -> list[int]:
    """Return where what ``accept`` returns is given the name of the socket that accepts."""
    calls = source.calls_of({"accept"})
    return sorted(
        node.lineno
        for node in source.nodes_of(ast.Assign)
        if node.value in calls and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute)
        for target in node.targets
        if ast.unparse(node.value.func.value) in map(ast.unparse, getattr(target, "elts", []))
    )


def hidden_logs(source: Source) -> list[int]:
    """Return where ``info`` or ``debug`` of a log is called though nothing lets it be shown."""
    configured = source.calls_of({"basicConfig"})
    shown = any(word.arg in {"level", None} for call in configured for word in call.keywords)
    if shown or not source.uses("logging") or any(map(source.uses, ("setLevel", "dictConfig", "fileConfig"))):
        return []
    calls = [call for call in source.calls_of({"info", "debug"}) if isinstance(call.func, ast.Attribute)]
    return sorted(call.lineno for call in calls if "log" in ast.unparse(call.func).lower())


def receives_first(source: Source) -> list[int]:
    """Return where a program receives before it sends, if one function, or the file itself, does both."""
    sends, takes = source.calls_of(_SENDING), source.calls_of(RECEIVING)
    waits = not any(map(source.uses, _NOT_WAITING))
    if not waits or not sends or not any({*sends, *takes} <= parts for parts in _scopes(source)):
        return []
    first = min(call.lineno for call in sends)
    return sorted(call.lineno for call in takes if call.lineno < first)


def sends_in_pieces(source: Source) -> bool:
    """Return whether it sends in two statements after each other, or in a loop over what is sent."""
    sends = source.calls_of(_SENDING)
    blocks = [block for node in source.nodes_of(ast.stmt) for block in _blocks(node)]

    def is_sending(statement: ast.stmt) -> bool:
        return isinstance(statement, ast.Expr) and any(part in sends for part in ast.walk(statement))

    in_turn = any(sum(map(is_sending, block)) > 1 for block in blocks)
    return in_turn or any(is_sending(statement) for loop in source.nodes_of(ast.For) for statement in loop.body)


def waits_between(source: Source) -> list[int]:
    """Return where a loop that sends waits for the next client, with nothing that ends its wait or sends beside it."""
    if any(map(source.uses, _NOT_WAITING)):
        return []
    waiting, sends = source.calls_of({"accept", "recvfrom"}), source.calls_of(_SENDING)
    return sorted(
        call.lineno
        for loop in source.nodes_of(ast.While)
        for call in waiting
        if call in {*ast.walk(loop)} and any(part in sends for part in ast.walk(loop))
    )


def passed_over(source: Source) -> list[int]:
    """Return where what was received gets no answer if it is empty: the lines of ``if not data:``."""
    received: set[str] = set()
    takers = source.calls_of(RECEIVING)

    def is_received(value: ast.AST) -> bool:
        method = value.func if isinstance(value, ast.Call) else None  # data.decode()
        is_made = isinstance(method, ast.Attribute) and bool(names_in(method.value) & received)
        return is_made or "request" in names_in(value) or any(part in takers for part in ast.walk(value))

    for node in sorted(source.nodes_of(ast.Assign), key=lambda node: node.lineno):
        if is_received(node.value):
            received |= {source.name(part) for target in node.targets for part in ast.walk(target)} - {""}
    return sorted(
        node.lineno
        for node in source.nodes_of(ast.If)
        if isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not)
        if names_in(node.test) & received and isinstance(node.body[-1], _LEAVING)
        if not any(part in source.calls_of(_SENDING) for part in ast.walk(node))
    )


def encodings(source: Source, method: str) -> set[str]:
    """Return the encodings in which ``encode`` or ``decode``, whose name is `method`, is called."""
    found = set()
    for call in source.calls_of({method}):
        words = [*call.args[:1], *(word.value for word in call.keywords if word.arg == "encoding")]
        name = words[0].value if words and isinstance(words[0], ast.Constant) else "" if words else "utf-8"
        try:
            found.add(codecs.lookup(str(name)).name.removesuffix("-sig"))
        except LookupError:
            found.add("")
    return found


def started_without_super(source: Source) -> list[int]:
    """Return where a request handler has an ``__init__`` of its own that does not call the framework's."""
    return sorted(
        method.lineno
        for each in source.made_from(HANDLERS)
        for method in each.body
        if isinstance(method, ast.FunctionDef) and method.name == "__init__"
        if not any(isinstance(part, ast.Attribute) and part.attr == "__init__" for part in ast.walk(method))
    )


def _scopes(source: Source) -> list[set[ast.AST]]:
    """Return what stands in each function, and in each file itself, and in no function within it."""
    functions = [*source.nodes_of(ast.FunctionDef), *source.nodes_of(ast.AsyncFunctionDef)]
    parts = {scope: {*ast.walk(scope)} for scope in [*source.nodes_of(ast.Module), *functions]}
    return [
        within.difference(*(parts[each] for each in functions if each in within and each is not scope))
        for scope, within in parts.items()
    ]


def _blocks(node: ast.stmt) -> list[list[ast.stmt]]:
    return [
        block
        for _, block in ast.iter_fields(node)
        if isinstance(block, list) and block and isinstance(block[0], ast.stmt)
    ]


def cause_of_one_call(exam: Exam) -> str:
    """Return where a server accepts or receives once, in the reader's language; empty: it does so in a loop."""
    names = {"accept"} if exam.exercise.transport == "tcp" else RECEIVING
    server = exam.submission.server
    for line in accepted_in_its_place(exam.source(server)):
        return say(
            "{file}, line {line}: the connection takes the listening socket's name: give it one of its own",
            file=server.name,
            line=line,
        )
    for line, call in called_once(exam.source(server), names):
        return say(
            "{file}, line {line}: {call}() is called once: put it into a loop, while True",
            file=server.name,
            line=line,
            call=call,
        )
    return ""


def cause_of_a_hidden_log(exam: Exam, file: Path) -> str:
    """Return where a program logs what nobody sees, in the reader's language; empty: nowhere."""
    for line in hidden_logs(exam.source(file)):
        return say(
            "{file}, line {line}: a log shows this after logging.basicConfig(level=logging.INFO) alone",
            file=file.name,
            line=line,
        )
    return ""


def cause_of_no_turn(exam: Exam) -> str:
    """Return where a client waits for what nobody sends before it has sent, in the reader's language; empty: nowhere.

    Over UDP no server knows a client that has sent nothing.
    """
    server, client = exam.submission
    if exam.exercise.transport == "udp" or receives_first(exam.source(server)):
        for line in receives_first(exam.source(client)):
            return say(
                "{file}, line {line}: the client receives before it has sent anything, and the server waits for it",
                file=client.name,
                line=line,
            )
    return ""


def cause_of_pieces(exam: Exam) -> str:
    """Return where a client takes one of several pieces of an answer, in the reader's language; empty: nowhere."""
    server, client = exam.submission
    if sends_in_pieces(exam.source(server)):
        for line, call in called_once(exam.source(client), RECEIVING):
            return say(
                "the server sends its answer in several pieces, and {file}, line {line}, takes one: call {call}() for"
                " each, or send the whole answer at once",
                file=client.name,
                line=line,
                call=call,
            )
    return ""


def cause_of_an_empty_one(exam: Exam) -> str:
    """Return where a UDP server gives an empty message no answer, in the reader's language; empty: nowhere."""
    server = exam.submission.server
    if exam.exercise.transport == "udp":
        for line in passed_over(exam.source(server)):
            return say(
                "{file}, line {line}: over UDP an empty datagram is a message, not an end: answer it, too",
                file=server.name,
                line=line,
            )
    return ""


def cause_of_a_wait(exam: Exam) -> str:
    """Return where a time server stops to wait for one more client, in the reader's language; empty: nowhere."""
    server = exam.submission.server
    for line in waits_between(exam.source(server)):
        return say(
            "{file}, line {line}: here the loop waits for the next client, and sends nothing meanwhile: send in a"
            " thread",
            file=server.name,
            line=line,
        )
    return ""


def cause_of_a_count(exam: Exam, rounds: int) -> str:
    """Return which loop ends after that many times were sent, in the reader's language; empty: none."""
    server = exam.submission.server
    for line, count in counted_loops(exam.source(server)):
        if count == rounds:
            return say(
                "{file}, line {line}: this loop ends after {count} rounds: while True",
                file=server.name,
                line=line,
                count=count,
            )
    return ""


def cause_of_two_encodings(exam: Exam) -> str:
    """Return that one program encodes otherwise than the other decodes, in the reader's language; empty: none does."""
    server, client = exam.submission
    for file, other in (client, server), (server, client):
        encoded, decoded = encodings(exam.source(file), "encode"), encodings(exam.source(other), "decode")
        if len(encoded) == len(decoded) == 1 and encoded != decoded and "" not in encoded | decoded:
            return say(
                "{file} encodes as {encoding}, and {other} decodes as {decoding}: let both use UTF-8",
                file=file.name,
                encoding=next(iter(encoded)),
                other=other.name,
                decoding=next(iter(decoded)),
            )
    return ""
