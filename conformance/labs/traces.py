"""Traces of mistakes in a source after which a client gets nothing: where they stand."""

import ast

from conformance.labs.source import Source

_STARTING = {"Thread", "Process", "submit", "start_new_thread"}


def closed_under_a_thread(source: Source) -> list[int]:
    """Return where a ``with`` block gives what it closes to a thread, and ends without waiting for it."""
    found = []
    for block in source.nodes_of(ast.With):
        parts = list(ast.walk(block))
        stays = any(isinstance(part, ast.While | ast.For) for part in parts)
        calls = [part for part in parts if isinstance(part, ast.Call)]
        if stays or any(isinstance(call.func, ast.Attribute) and call.func.attr == "join" for call in calls):
            continue
        closed = {_name(item.optional_vars or item.context_expr) for item in block.items} - {""}
        given = {_name(part) for call in source.calls_of(_STARTING) if call in calls for part in ast.walk(call)}
        if closed & given:
            found.append(block.lineno)
    return sorted(found)


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
    """Return whether ``input`` is called in a loop or in a class: not only when the program starts."""
    blocks = [*source.nodes_of(ast.While), *source.nodes_of(ast.ClassDef)]
    parts = {part for block in blocks for part in ast.walk(block)}
    return any(call in parts for call in source.calls_of({"input"}))


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ""
