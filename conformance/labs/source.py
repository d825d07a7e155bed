"""What is read in the source of a program: `with`, the classes of socketserver, and the traces of known mistakes."""

import ast
from pathlib import Path

OPENING = {"socket", "create_server", "create_connection", "socketpair"}
HANDLERS = {"BaseRequestHandler", "StreamRequestHandler", "DatagramRequestHandler"}
SERVERS = {
    f"{threads}{transport}Server"
    for threads in ("", "Threading", "Forking")
    for transport in ("TCP", "UDP", "UnixStream", "UnixDatagram")
}
CLOCKS = {"datetime", "strftime", "ctime", "asctime", "localtime"}
RECEIVING = {"recv", "recvfrom", "recv_into", "recvmsg"}


class Source:
    """One program's source."""

    def __init__(self, file: Path) -> None:
        """Read a file. Raises SyntaxError, and OSError."""
        try:
            self.tree = ast.parse(file.read_bytes(), file.name)
        except ValueError as error:  # NUL
            raise SyntaxError(str(error)) from None
        self._nodes = list(ast.walk(self.tree))

    @property
    def calls(self) -> list[ast.Call]:
        """All calls, in no order."""
        return [node for node in self._nodes if isinstance(node, ast.Call)]

    def calls_of(self, names: set[str]) -> list[ast.Call]:
        """Return the calls of functions or methods of these names."""
        return [call for call in self.calls if _name(call.func) in names]

    @property
    def tells_time(self) -> bool:
        """Whether it reads a clock as a person does: the time server's source does, an echo server's does not."""
        names = {node.attr for node in self._nodes if isinstance(node, ast.Attribute)}
        names |= {node.id for node in self._nodes if isinstance(node, ast.Name)}
        return bool(names & CLOCKS)

    def opened_without_with(self) -> list[int]:
        """Return the lines where a socket is opened that no ``with`` closes, neither there nor by its name later."""
        managed: set[ast.AST] = set()
        names: set[str] = set()
        for node in self._nodes:
            if isinstance(node, ast.With | ast.AsyncWith):
                for item in node.items:
                    managed.update(ast.walk(item.context_expr))
                    names.update(each.id for each in ast.walk(item.context_expr) if isinstance(each, ast.Name))
            if isinstance(node, ast.Call) and _name(node.func) == "enter_context":
                managed.update(ast.walk(node))
        for node in self._nodes:
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if any(isinstance(target, ast.Name) and target.id in names for target in targets):
                    managed.update(ast.walk(node.value))
        opening = self.calls_of(OPENING)
        return sorted(call.lineno for call in opening if call not in managed)

    def holes(self) -> list[int]:
        """Return the lines where ``...`` stands for a value."""
        bodies = {id(node.value) for node in self._nodes if isinstance(node, ast.Expr)}
        return sorted(
            node.lineno
            for node in self._nodes
            if isinstance(node, ast.Constant) and node.value is ... and id(node) not in bodies
        )

    @property
    def opens_sockets(self) -> bool:
        """Whether it opens a socket by itself."""
        return bool(self.calls_of(OPENING))

    @property
    def handler(self) -> str:
        """The name of the request handler with a ``handle`` of its own; empty: there is none."""
        classes = [node for node in self._nodes if isinstance(node, ast.ClassDef)]
        handlers = [each for each in classes if any(_name(base) in HANDLERS for base in each.bases)]
        own = (each.name for each in handlers if any(_is_handle(part) for part in each.body))
        return next(own, "")

    @property
    def server_class_in_with(self) -> bool:
        """Whether a server object of socketserver, or of a class made from one, is opened in a ``with``."""
        own = {
            node.name
            for node in self._nodes
            if isinstance(node, ast.ClassDef) and any(_name(base) in SERVERS for base in node.bases)
        }
        items = [item for node in self._nodes if isinstance(node, ast.With) for item in node.items]
        opened = {_name(item.context_expr.func) for item in items if isinstance(item.context_expr, ast.Call)}
        if opened & (SERVERS | own):
            return True
        in_with = {item.context_expr.id for item in items if isinstance(item.context_expr, ast.Name)}
        return any(
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Call)
            and _name(node.value.func) in SERVERS | own
            and any(isinstance(target, ast.Name) and target.id in in_with for target in node.targets)
            for node in self._nodes
        )

    @property
    def serves(self) -> bool:
        """Whether it calls ``serve_forever`` or ``handle_request``."""
        return bool(self.calls_of({"serve_forever", "handle_request"}))

    def receives(self) -> list[tuple[int, int]]:
        """Return where it receives with a size that stands there: the lines and the sizes in bytes."""
        found = []
        for call in self.calls_of(RECEIVING):
            if call.args and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, int):
                found.append((call.lineno, call.args[0].value))
        return sorted(found)

    @property
    def receives_in_a_loop(self) -> bool:
        """Whether what is received by one call is joined with more: ``+=``, or ``makefile``, or ``rfile``."""
        names = {node.attr for node in self._nodes if isinstance(node, ast.Attribute)}
        joins = any(
            isinstance(node, ast.AugAssign) and any(_name(call.func) in RECEIVING for call in _calls(node.value))
            for node in self._nodes
        )
        return joins or bool(names & {"makefile", "rfile", "readline", "readlines"})


def _is_handle(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "handle"


def _calls(tree: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def _name(node: ast.AST) -> str:
    """Return the last name of ``a.b.c`` or of ``c``."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
