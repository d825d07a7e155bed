"""Traces of mistakes in a source after which a client gets nothing: where they stand."""

import ast

from conformance.labs.source import PAUSING, RECEIVING, Source, names_in

_THREADS = {"Thread", "Process"}
_STARTING = {"Thread", "submit", "start_new_thread"}
"""What lets a function run in this process. A process of its own has its own copy of what it is given."""

_MAKING_TEXT = {"upper", "lower", "swapcase", "strip", "rstrip", "lstrip", "decode"}
_WAITING = {"join", "result", "wait"}
_ALL_ERRORS = {"Exception", "BaseException"}
_TELLING = {"print_exc", "exception", "error", "exit"}


def closed_under_a_thread(source: Source) -> list[int]:
    """Return where a ``with`` block gives what it closes to a thread, and ends without waiting for it."""
    found = []
    for block in source.nodes_of(ast.With):
        parts = list(ast.walk(block))
        if any(isinstance(part, ast.While | ast.For) for part in parts) or _waits(parts):
            continue
        closed = {_name(item.optional_vars or item.context_expr) for item in block.items} - {""}
        if closed & _given_to_a_thread(source, parts):
            found.append(block.lineno)
    return sorted(found)


def closed_after_a_start(source: Source) -> list[int]:
    """Return where ``close`` follows the start of a thread that has been given what it closes."""
    found = []
    for loop in source.nodes_of(ast.While):
        parts = list(ast.walk(loop))
        if _waits(parts):
            continue
        given = _given_to_a_thread(source, parts)
        starts = [call.lineno for call in source.calls_of(_STARTING) if call in parts]
        found += [
            call.lineno
            for statement in _with_what_follows_a_try(loop.body)
            if isinstance(statement, ast.Expr) and isinstance(call := statement.value, ast.Call)
            if isinstance(call.func, ast.Attribute) and call.func.attr == "close" and _name(call.func.value) in given
            if call.lineno > min(starts)
        ]
    return sorted(found)


def _with_what_follows_a_try(body: list[ast.stmt]) -> list[ast.stmt]:
    return [*body, *(last for each in body if isinstance(each, ast.Try) for last in each.finalbody)]


def accepted_without_with(source: Source) -> list[int]:
    """Return where ``accept`` returns a connection that no ``with`` closes, here or in a function that gets it.

    A function that gets it is one that stands in a call with it. `with` may be ``enter_context`` or ``closing``, too.
    """
    functions: list[ast.FunctionDef | ast.ClassDef] = [
        *source.nodes_of(ast.FunctionDef),
        *source.nodes_of(ast.ClassDef),
    ]
    closing = {each.name for each in functions if _closes_what_it_gets(each)}
    while more := {each.name for each in functions if names_in(each) & closing} - closing:
        closing |= more
    calls = source.calls
    found = []
    for call in source.calls_of({"accept"}):
        names = {
            _name(part)
            for node in source.nodes_of(ast.Assign)
            if call in ast.walk(node.value)
            for target in node.targets
            for part in ast.walk(target)
        } - {""}
        given = [each for each in calls if call in ast.walk(each) or names_in(each) & names]
        if call not in source.managed and not any(names_in(each) & closing for each in given):
            found.append(call.lineno)
    return sorted(found)


def _closes_what_it_gets(function: ast.FunctionDef | ast.ClassDef) -> bool:
    """Return whether a function has a ``with`` on one of its parameters, or a class on one of them or of its own."""
    parts = list(ast.walk(function))
    given = {part.arg for part in parts if isinstance(part, ast.arg)}
    items = [item.context_expr for part in parts if isinstance(part, ast.With) for item in part.items]
    items += [
        part
        for part in parts
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr == "enter_context"
    ]
    return any(names_in(item) & given for item in items)


def changed_in_its_loop(source: Source) -> list[tuple[int, str]]:
    """Return where a loop over a list or a dictionary takes something out of it, and goes on: lines, and its name."""
    found = []
    for loop in source.nodes_of(ast.For):
        called = loop.iter
        if isinstance(called, ast.Call) and isinstance(called.func, ast.Attribute) and not called.args:
            called = called.func.value  # d.items()
        parts = [part for statement in loop.body for part in ast.walk(statement)]
        if not isinstance(called, ast.Name | ast.Attribute) or any(
            isinstance(part, ast.Break | ast.Return) for part in parts
        ):
            continue
        name = ast.unparse(called)
        changes = [
            part.lineno
            for part in parts
            if isinstance(part, ast.Call)
            and isinstance(part.func, ast.Attribute)
            and part.func.attr in {"remove", "pop", "discard", "clear"}
            and ast.unparse(part.func.value) == name
        ]
        changes += [
            part.lineno
            for part in parts
            if isinstance(part, ast.Delete)
            for target in part.targets
            if isinstance(target, ast.Subscript) and ast.unparse(target.value) == name
        ]
        found += [(line, name) for line in changes]
    return sorted(found)


def _waits(parts: list[ast.AST]) -> bool:
    calls = [part.func for part in parts if isinstance(part, ast.Call)]
    return any(isinstance(function, ast.Attribute) and function.attr in _WAITING for function in calls)


def _given_to_a_thread(source: Source, parts: list[ast.AST]) -> set[str]:
    """Return the names that threads get which are started there. A method's value, as of ``dup()``, is another."""
    calls = [part for call in source.calls_of(_STARTING) if call in parts for part in ast.walk(call)]
    owners = {part.value for part in calls if isinstance(part, ast.Attribute)}
    return {_name(part) for part in calls if part not in owners} - {""}


def calls_for_a_thread(source: Source) -> list[tuple[int, str]]:
    """Return where a thread's or a process's target is what a function of the file returns: lines, and names."""
    own = {node.name: node for node in source.nodes_of(ast.FunctionDef)}
    found = []
    for call in source.calls_of(_THREADS, own=True):
        for value in (word.value for word in call.keywords if word.arg == "target"):
            function = own.get(source.name(value.func)) if isinstance(value, ast.Call) else None
            if function and not any(isinstance(node, ast.Return) and node.value for node in ast.walk(function)):
                found.append((value.lineno, function.name))
    return sorted(found)


def never_started(source: Source) -> list[int]:
    """Return where a thread is made whose name nobody keeps, so that nothing can start it."""
    alone = [node.value for node in source.nodes_of(ast.Expr)]
    return sorted(call.lineno for call in source.calls_of(_THREADS, own=True) if call in alone)


def waits_for_a_thread(source: Source) -> list[tuple[int, str]]:
    """Return where a loop that starts a thread waits until it ends: lines, and ``run`` or ``join``."""
    threads = source.calls_of(_THREADS | {each.name for each in source.made_from(_THREADS)})
    waiting = source.calls_of({"run", "join"})
    found = set()
    for loop in source.nodes_of(ast.While):
        parts = list(ast.walk(loop))
        made = [part for part in parts if isinstance(part, ast.Assign) and part.value in threads]
        names = {ast.unparse(target) for each in made for target in each.targets}
        for call in waiting:
            on = call.func.value if call in parts and isinstance(call.func, ast.Attribute) else None
            if on and (on in threads or ast.unparse(on) in names):
                found.add((call.lineno, source.name(call.func)))
    return sorted(found)


def receives(source: Source) -> list[tuple[int, int]]:
    """Return where it receives with a size that stands there or is a constant: the lines and the sizes in bytes."""
    found = [(call.lineno, size) for call, size in _with_a_first_number(source, RECEIVING)]
    return sorted((line, size) for line, size in found if isinstance(size, int))


def pauses(source: Source) -> list[tuple[int, str, float]]:
    """Return where it waits for a time that stands there or is a constant: lines, what is called, and seconds."""
    return sorted((call.lineno, source.name(call.func), time) for call, time in _with_a_first_number(source, PAUSING))


def _with_a_first_number(source: Source, names: set[str]) -> list[tuple[ast.Call, float]]:
    """Return the calls of these names in the file itself whose first argument is a number, or a constant that is."""
    constants = {
        target.id: node.value.value
        for node in source.nodes_of(ast.Assign)
        if isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = []
    for call in source.calls_of(names, own=True):
        first = call.args[0] if call.args else None
        number = first.value if isinstance(first, ast.Constant) else constants.get(_name(first)) if first else None
        if isinstance(number, int | float):
            found.append((call, number))
    return found


def unflushed(source: Source) -> list[int]:
    """Return the lines of the file where ``print`` has an ``end`` and no ``flush``."""
    calls = source.calls_of({"print"}, own=True)
    words = {call.lineno: {each.arg for each in call.keywords} for call in calls}
    return sorted(line for line, names in words.items() if "end" in names and "flush" not in names)


def kept_back(source: Source) -> list[int]:
    """Return where ``makefile`` opens a file that is written to and never flushed."""
    flushes = source.uses("flush") or any(
        each.arg in {"flush", "buffering"} for call in source.calls for each in call.keywords
    )
    return [] if flushes else sorted(call.lineno for call in source.files_to_write)


def tied_to_one(source: Source) -> list[int]:
    """Return where ``connect`` is called of a socket that was bound: it belongs to one other from then on."""
    bound = {ast.unparse(call.func.value) for call in source.calls_of({"bind"}) if isinstance(call.func, ast.Attribute)}
    return sorted(
        call.lineno
        for call in source.calls_of({"connect"}, own=True)
        if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) in bound
    )


def unused_results(source: Source) -> list[tuple[int, str]]:
    """Return where a method that returns a new text is called for nothing: lines, and names."""
    calls = [node.value for node in source.nodes_of(ast.Expr) if isinstance(node.value, ast.Call)]
    return sorted(
        (call.lineno, call.func.attr)
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr in _MAKING_TEXT
    )


def hidden_errors(source: Source, said: str = "") -> list[int]:
    """Return where an ``except`` that takes any error neither tells it nor raises one.

    `said` is what the program has printed. An ``except`` that has printed words alone has hidden an error.
    """
    return sorted(
        node.lineno
        for node in source.nodes_of(ast.ExceptHandler)
        if (node.type is None or _name(node.type) in _ALL_ERRORS) and not _tells(node, said)
    )


def _tells(handler: ast.ExceptHandler, said: str) -> bool:
    parts = [part for statement in handler.body for part in ast.walk(statement)]
    names = {part.attr for part in parts if isinstance(part, ast.Attribute)} | {*map(_name, parts)}
    if names & (_TELLING | {handler.name}) or any(isinstance(part, ast.Raise) for part in parts):
        return True
    prints = [part for part in parts if isinstance(part, ast.Call) and _name(part.func) == "print"]
    texts = [str(each.value) for call in prints for each in call.args if isinstance(each, ast.Constant)]
    return bool(prints) and not any(text and text in said for text in texts)


def suppressed_errors(source: Source) -> list[int]:
    """Return where ``suppress`` takes any error."""
    return sorted(call.lineno for call in source.calls_of({"suppress"}) if {*map(_name, call.args)} & _ALL_ERRORS)


def fixed_destinations(source: Source) -> list[int]:
    """Return where ``sendto`` has an address of constants."""
    addresses = [call.args[-1] for call in source.calls_of({"sendto"}) if call.args]
    return sorted(
        address.lineno
        for address in addresses
        if isinstance(address, ast.Tuple)
        and all(isinstance(part, ast.Constant) or _name(part).isupper() for part in address.elts)
    )


def asks_while_it_serves(source: Source) -> bool:
    """Return whether ``input`` is called in a loop or in a class: not only when the program starts.

    A loop beside a thread that serves is a console for whoever runs the server.
    """
    if source.calls_of(_STARTING):
        return False
    blocks = [*source.nodes_of(ast.While), *source.nodes_of(ast.ClassDef)]
    parts = {part for block in blocks for part in ast.walk(block)}
    return any(call in parts for call in source.calls_of({"input"}))


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ""
