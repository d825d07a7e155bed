"""What is read in the source of a program: `with`, the classes of socketserver, and the traces of known mistakes."""

import ast
import re
import sys
from pathlib import Path
from typing import TypeVar

from conformance.targets.terms import Service

OPENING = {"socket", "create_server", "create_connection", "socketpair"}
OPENING |= {"start_server", "open_connection", "create_datagram_endpoint"}  # of asyncio
HANDLERS = {"BaseRequestHandler", "StreamRequestHandler", "DatagramRequestHandler"}
SERVERS = {
    f"{threads}{transport}Server"
    for threads in ("", "Threading", "Forking")
    for transport in ("TCP", "UDP", "UnixStream", "UnixDatagram")
}
_PYTHONS_OWN = sys.stdlib_module_names | {""}
_WITH_A_CLOCK = {"time", "datetime", "calendar", "email", "logging", "os", "subprocess", "ctypes", "http", "importlib"}
"""Modules of Python that can tell the time, or start what can."""

_UPPER = {"upper", "swapcase", "title", "capitalize", "translate", "maketrans", "ord", "chr", "eval", "exec", "getattr"}
_MIRRORING = {"reversed", "reverse", "appendleft", "insert", "extendleft", "range", "reduce", "pop"}
"""What may put a text in upper case, and what may turn one round."""

_PAUSES = {"sleep", "wait", "Timer", "scheduler", "call_later"}
"""What stands between two times that are sent; who answers a message needs none."""

PAUSING = {"sleep", "wait", "Timer", "settimeout", "call_later"}
CLOCKS = {"datetime", "strftime", "ctime", "asctime", "localtime"}
CONNECTING = {"connect", "connect_ex", "create_connection", "open_connection", "sock_connect"}
RECEIVING = {"recv", "recvfrom", "recv_into", "recvmsg"}
TAKERS = RECEIVING | {"makefile", "rfile", "request", "read", "readline", "asyncio"}
SENDERS = {"send", "sendall", "sendto", "sendmsg", "wfile", "write", "asyncio"}
"""One of these names stands in a program that receives, and one of those in a program that sends."""


Node = TypeVar("Node", bound=ast.AST)


class Source:
    """One program's source: its file, and the modules beside it that it imports."""

    def __init__(self, file: Path) -> None:
        """Read a file. Raises SyntaxError, and OSError."""
        self._package = file.parent.name
        self._own = list(ast.walk(_parse(file)))
        self._nodes = self._own[:]
        self._file_of = dict.fromkeys(self._nodes, file.name)
        read, left = {file}, _imports(self._own, file)
        while left:
            module = left.pop()
            if module in read or not module.is_file():
                continue
            read.add(module)
            nodes = list(ast.walk(_parse(module)))
            self._nodes += nodes
            self._file_of |= dict.fromkeys(nodes, module.name)
            left += _imports(nodes, module)
        self._modules = {name.partition(".")[0] for name in _imported(self._nodes)}
        self._modules -= {module.stem for module in read}
        self._names = {node.attr for node in self._nodes if isinstance(node, ast.Attribute)}
        self._names |= {node.id for node in self._nodes if isinstance(node, ast.Name)}
        self._other_names = {
            each.asname: each.name
            for node in self._nodes
            if isinstance(node, ast.ImportFrom)
            for each in node.names
            if each.asname
        }
        self._other_names |= self._opening_names()

    def _opening_names(self) -> dict[str, str]:
        """Return the names that are given to what opens a socket or makes a server, as it is or as a ``partial``."""
        found: dict[str, str] = {}
        for node in self.nodes_of(ast.Assign):
            given = node.value
            if isinstance(given, ast.Call) and self.name(given.func) == "partial" and given.args:
                given = given.args[0]
            if (name := self.name(given)) in OPENING | SERVERS:
                found |= {target.id: name for target in node.targets if isinstance(target, ast.Name)}
        return found

    @property
    def calls(self) -> list[ast.Call]:
        """All calls, in no order."""
        return [node for node in self._nodes if isinstance(node, ast.Call)]

    def calls_of(self, names: set[str], *, own: bool = False) -> list[ast.Call]:
        """Return the calls of functions or methods of these names; `own`: those in the file itself alone."""
        calls = [node for node in self._own if isinstance(node, ast.Call)] if own else self.calls
        return [call for call in calls if self.name(call.func) in names]

    @property
    def ports(self) -> list[int]:
        """The numbers that can be a port, 1025 to 65534, and are no sizes: powers of two, or received by."""
        sizes = {part for call in self.calls_of(RECEIVING) for part in call.args}
        constants = [node for node in self._nodes if isinstance(node, ast.Constant) and node not in sizes]
        numbers = [node.value for node in constants if type(node.value) is int]
        return [each for each in numbers if 1024 < each < 65535 and each.bit_count() > 1]

    def nodes_of(self, kind: type[Node]) -> list[Node]:
        """Return all nodes of a kind, in no order."""
        return [node for node in self._nodes if isinstance(node, kind)]

    def uses(self, name: str) -> bool:
        """Whether a name, or an attribute of that name, stands anywhere."""
        return name in self._names

    @property
    def is_in_package(self) -> bool:
        """Whether it imports from its own package, so that it can be started as a module alone."""
        is_relative = any(isinstance(node, ast.ImportFrom) and node.level > 0 for node in self._own)
        is_named = any(name.partition(".")[0] == self._package for name in _imported(self._own))
        return is_relative or (is_named and self._package not in sys.stdlib_module_names)

    @property
    def takes_words(self) -> bool:
        """Whether it reads the words after its name, and nothing that is typed."""
        return bool(self._names & {"argv", "ArgumentParser"}) and not self._names & {"input", "stdin", "getpass"}

    @property
    def sends(self) -> bool:
        """Whether anything in it sends. What ``makefile`` returns does so if it was opened to write."""
        return bool(self.files_to_write) or any(map(self.uses, SENDERS))

    @property
    def files_to_write(self) -> list[ast.Call]:
        """The calls of ``makefile`` that open a file to write, or in a mode that is not seen."""
        return [
            call
            for call in self.calls_of({"makefile"})
            for mode in (*call.args[:1], *_values(call, "mode"))
            if not isinstance(mode, ast.Constant) or "w" in str(mode.value)
        ]

    @property
    def prompts(self) -> bool:
        """Whether it calls ``input`` with a prompt, which goes to standard error but where readline is imported."""
        return any(call.args for call in self.calls_of({"input"})) and "readline" not in _imported(self._nodes)

    @property
    def prompt_texts(self) -> set[str]:
        """The prompts of ``input`` that stand there, of more lines than one the last."""
        parts = [part for call in self.calls_of({"input"}) for part in call.args if isinstance(part, ast.Constant)]
        return {str(part.value).rpartition("\n")[2] for part in parts}

    @property
    def questions(self) -> int:
        """How many questions stand there. A function that has its prompt from its caller asks one in each call."""
        functions = self.nodes_of(ast.FunctionDef)
        asking = {each for each in functions if any(_names(call) & _parameters(each) for call in _inputs(each))}
        within = {call for function in asking for call in _inputs(function)}
        handed = [part for call in self.calls for part in call.args if self.name(part) == "input"]
        alone = [call for call in self.calls_of({"input"}) if call not in within]
        return len([*alone, *handed, *self.calls_of({function.name for function in asking})])

    @property
    def texts(self) -> set[str]:
        """The lines of all strings that stand there."""
        strings = (node.value for node in self._nodes if isinstance(node, ast.Constant))
        return {line.strip() for text in strings if isinstance(text, str) for line in text.splitlines()}

    @property
    def service(self) -> Service:
        """What a server's source does: it turns a text round or into upper case, or it reads a clock as a person does.

        An echo server may read one, too, and a time server may ask whether a name in upper case is EXIT.
        """
        mirrors = self.mirrors_text or (self.uses("upper") and not self._names & _PAUSES)
        reads_clock = self._names & CLOCKS or self.calls_of({"time"})
        return "time" if reads_clock and not mirrors else "echo"

    @property
    def mirrors_text(self) -> bool:
        """Whether it turns a text round as one usually does."""
        steps = [ast.unparse(node.step) for node in self._nodes if isinstance(node, ast.Slice) and node.step]
        return "-1" in steps or self.uses("reversed")

    @property
    def transforms_text(self) -> bool:
        """Whether it may turn a text round or put one in upper case, in any way."""
        return self.mirrors_text or bool(self._names & (_UPPER | _MIRRORING))

    @property
    def may_know_the_time(self) -> bool:
        """Whether it imports a module that tells the time, or that could."""
        return bool(self._modules & _WITH_A_CLOCK) or self.uses("__import__")

    @property
    def has_month_for_minutes(self) -> bool:
        """Whether a format of a time has ``%m`` behind the hour."""
        return any(re.search(r"%[HI]\W?%m", text) for text in self.texts)

    @property
    def has_own_clock(self) -> bool:
        """Whether it may put the time before what it prints, by itself or as ``logging`` does."""
        return bool(self._names & CLOCKS) or any("asctime" in text for text in self.texts)

    @property
    def is_whole(self) -> bool:
        """Whether all that it imports was read, but for Python's own modules."""
        return self._modules <= _PYTHONS_OWN

    def opened_without_with(self) -> list[tuple[str, int]]:
        """Return where a socket is opened that no ``with`` closes: the files' names and the lines."""
        managed = self.managed
        calls = self.calls_of(OPENING | self._own_sockets)
        return sorted((self._file_of[call], call.lineno) for call in calls if call not in managed)

    @property
    def managed(self) -> set[ast.AST]:
        """Return what stands in a ``with``, or has a name that does, or is in a function or class that one calls."""
        managed: set[ast.AST] = set()
        names: set[str] = set()

        def add(tree: ast.AST) -> None:
            for node in ast.walk(tree):
                managed.add(node)
                if isinstance(node, ast.Name | ast.Attribute):
                    names.add(ast.unparse(node))

        for node in self._nodes:
            if isinstance(node, ast.With | ast.AsyncWith):
                for item in node.items:
                    add(item.context_expr)
            if isinstance(node, ast.Call) and self.name(node.func) in {"enter_context", "enter_async_context"}:
                add(node)
        for node in self._nodes:
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                named = {ast.unparse(each) for target in targets for each in getattr(target, "elts", [target])}
                if named & names:
                    add(node.value)
        called = {self.name(node.func) for node in managed if isinstance(node, ast.Call)}
        for node in self._nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name in called:
                managed.update(ast.walk(node))
        return managed

    def holes(self) -> list[int]:
        """Return the lines where ``...`` stands for a value, or for a statement beside others.

        In ``tuple[str, ...]`` it stands for itself.
        """
        blocks = [block for node in self._own for _, block in ast.iter_fields(node) if isinstance(block, list)]
        alone = [block[-1] for block in blocks if block and len(block) == 1 + _has_docstring(block)]
        bodies = {id(statement.value) for statement in alone if isinstance(statement, ast.Expr)}
        bodies |= {id(part) for node in self._own if isinstance(node, ast.Subscript) for part in ast.walk(node.slice)}
        return sorted(
            node.lineno
            for node in self._own
            if isinstance(node, ast.Constant) and node.value is ... and id(node) not in bodies
        )

    @property
    def opens_sockets(self) -> bool:
        """Whether it opens a socket by itself."""
        return bool(self.calls_of(OPENING | self._own_sockets))

    @property
    def _own_sockets(self) -> set[str]:
        return {node.name for node in self.made_from({"socket"})}

    @property
    def handles(self) -> bool:
        """Whether a request handler has a ``handle``, its own or of a class that it is also made from."""
        handling = {each.name for each in self.nodes_of(ast.ClassDef) if any(_is_handle(part) for part in each.body)}
        return any({each.name, *map(self.name, each.bases)} & handling for each in self.made_from(HANDLERS))

    @property
    def has_handler_class(self) -> bool:
        """Whether a class is made from a request handler, with a ``handle`` or without."""
        return bool(self.made_from(HANDLERS))

    def made_from(self, names: set[str]) -> list[ast.ClassDef]:
        """Return the classes made from those of these names, and from classes made from them."""
        names, found = set(names), list[ast.ClassDef]()
        for node in sorted((node for node in self._nodes if isinstance(node, ast.ClassDef)), key=_line):
            if any(self.name(base) in names for base in node.bases):
                names.add(node.name)
                found.append(node)
        return found

    @property
    def server_class_in_with(self) -> bool:
        """Whether a server object of socketserver, or of a class made from one, is opened in a ``with``."""
        return bool(self.managed.intersection(self._framework_servers))

    @property
    def opens_framework_server(self) -> bool:
        """Whether it makes a server object of socketserver, or of a class made from one."""
        return bool(self._framework_servers)

    @property
    def _framework_servers(self) -> list[ast.Call]:
        return self.calls_of(SERVERS | {node.name for node in self.made_from(SERVERS)})

    @property
    def serves(self) -> bool:
        """Whether it calls ``serve_forever`` or ``handle_request``, or lets a thread call it."""
        return bool(self._names & {"serve_forever", "handle_request"})

    @property
    def serves_once(self) -> bool:
        """Whether it ends after a number of requests, as it does that calls ``handle_request`` alone."""
        return self.uses("handle_request") and not self.uses("serve_forever")

    @property
    def receives_in_a_loop(self) -> bool:
        """Whether what is received by one call is joined with more: ``+=``, ``append``, ``extend``, or ``makefile``."""
        received = {
            target.id
            for node in self._nodes
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
            for target in node.targets
            if isinstance(target, ast.Name) and self.name(node.value.func) in RECEIVING
        }

        def is_received(part: ast.AST) -> bool:
            return (isinstance(part, ast.Name) and part.id in received) or any(
                isinstance(node, ast.Call) and self.name(node.func) in RECEIVING for node in ast.walk(part)
            )

        joined = [node.value for node in self._nodes if isinstance(node, ast.AugAssign)]
        joined += [part for call in self.calls_of({"append", "extend"}) for part in call.args]
        return any(map(is_received, joined)) or bool(
            self._names & {"makefile", "rfile", "readline", "readlines", "readexactly", "readuntil"}
        )

    def name(self, node: ast.AST) -> str:
        """Return the last name of ``a.b.c`` or of ``c``, as it is called where it is imported from."""
        if isinstance(node, ast.Name):
            return self._other_names.get(node.id, node.id)
        return node.attr if isinstance(node, ast.Attribute) else ""


def names_in(tree: ast.AST) -> set[str]:
    """Return the names that stand in a tree, those of attributes too."""
    return _names(tree) | {part.attr for part in ast.walk(tree) if isinstance(part, ast.Attribute)}


def _parse(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_bytes(), file.name)
    except ValueError as error:  # NUL
        raise SyntaxError(str(error)) from None
    except (RecursionError, MemoryError):
        raise SyntaxError("it is nested too deeply") from None


def _imports(nodes: list[ast.AST], file: Path) -> list[Path]:
    """Return the paths that the imported modules have if they stand beside the file."""
    names = {name.removeprefix(f"{file.parent.name}.") for name in _imported(nodes)}
    names |= {each.name for node in nodes if isinstance(node, ast.ImportFrom) for each in node.names}
    return [file.parent / f"{name}.py" for name in names if name.isidentifier()]


def _imported(nodes: list[ast.AST]) -> set[str]:
    """Return the names of the imported modules."""
    names = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return names | {each.name for node in nodes if isinstance(node, ast.Import) for each in node.names}


def _inputs(function: ast.FunctionDef) -> list[ast.Call]:
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "input"]


def _parameters(function: ast.FunctionDef) -> set[str]:
    return {each.arg for each in function.args.args}


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _values(call: ast.Call, name: str) -> list[ast.expr]:
    return [word.value for word in call.keywords if word.arg == name]


def _line(node: ast.ClassDef) -> int:
    return node.lineno


def _has_docstring(block: list[ast.AST]) -> bool:
    first = block[0].value if isinstance(block[0], ast.Expr) else None
    return len(block) > 1 and isinstance(first, ast.Constant) and isinstance(first.value, str)


def _is_handle(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "handle"
