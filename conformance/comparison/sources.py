"""Measures the size of each program: its own file, its lines of code, its longest function."""

import ast
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from pygments.lexer import Lexer
from pygments.lexers import TextLexer, get_lexer_for_filename
from pygments.token import Comment, String, is_token_subtype
from pygments.util import ClassNotFound
from rich.markup import escape
from rich.table import Table

from conformance import ROOT
from conformance.comparison.model import Source
from conformance.languages.texts import mark, say
from conformance.targets.target import Target
from conformance.targets.terms import ROLES, TRANSPORTS


def sources(target: Target) -> list[Source]:
    """Return the programs of a target whose files are found: a module after ``-m``, or a file in its directory."""
    found = []
    for transport in TRANSPORTS:
        for role in ROLES:
            if target.url or not target.offers(role, transport):
                continue
            path = program_file(target.command(transport, role), target.cwd)
            if path is None:
                continue
            try:
                text = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue  # a compiled program
            root = next(each for each in (ROOT, target.cwd, Path("/")) if path.is_relative_to(each))
            lines = code_lines(path.name, text)
            name, length = longest_function(text, lines) if path.suffix == ".py" else ("", 0)
            shown = path.relative_to(root).as_posix()
            found.append(Source(target.name, transport, role, shown, text, len(lines), name, length))
    return found


def program_file(command: Sequence[str], directory: Path) -> Path | None:
    """Return the file that a command runs, if it is in that directory or below. The interpreter does not count."""
    directory = directory.resolve()
    if "-m" in command[:-1]:
        module = directory.joinpath(*command[command.index("-m") + 1].split("."))
        named = [module.with_name(f"{module.name}.py"), module / "__main__.py"]
    else:
        named = [(directory / word).resolve() for word in command]
    return next((path for path in named if path.is_relative_to(directory) and path.is_file()), None)


def lexer_for(name: str) -> Lexer:
    """Return Pygments' lexer for a file of that name; it keeps every character."""
    try:
        lexer: Lexer = get_lexer_for_filename(name, stripnl=False, ensurenl=False)
    except ClassNotFound:
        lexer = TextLexer(stripnl=False, ensurenl=False)
    return lexer


def code_lines(name: str, text: str) -> set[int]:
    """Return the numbers, from 1, of the lines that are neither blank nor comment nor docstring."""
    lexer = lexer_for(name)
    docstrings = _docstrings(text) if lexer.name == "Python" else set()
    lines: set[int] = set()
    number = 1
    for kind, value in lexer.get_tokens(text):
        documentation = is_token_subtype(kind, String.Doc) and lexer.name != "Python"
        comment = documentation or (is_token_subtype(kind, Comment) and not is_token_subtype(kind, Comment.Preproc))
        for part in value.split("\n"):
            if part.strip() and not comment:
                lines.add(number)
            number += 1
        number -= 1  # the last part has no end
    return lines - docstrings


def _docstrings(text: str) -> set[int]:
    """Return the numbers of the lines of strings that stand alone as statements."""
    return {
        number
        for node in ast.walk(_parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


def _parse(text: str) -> ast.Module:
    """Return Python's syntax tree; an empty one for what this Python does not understand."""
    try:
        return ast.parse(text)
    except SyntaxError:
        return ast.Module([], [])


def longest_function(text: str, lines: set[int]) -> tuple[str, int]:
    """Return the name of the Python function with the most of these lines, as ``Server.send``, and their number."""
    longest = ("", 0)
    rest: list[tuple[str, ast.AST]] = [("", _parse(text))]
    for prefix, node in rest:
        for child in ast.iter_child_nodes(node):
            name = prefix
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = f"{prefix}{child.name}"
                if not isinstance(child, ast.ClassDef):
                    length = len(lines.intersection(range(child.lineno, (child.end_lineno or child.lineno) + 1)))
                    longest = max(longest, (name, length), key=lambda each: each[1])
                name += "."
            rest.append((name, child))
    return longest


ROLE_WORDS = {"server": mark("server"), "client": mark("client")}


def source_table(found: Sequence[Source]) -> Table:
    """Return a table of targets by programs: lines of code, the longest function and its lines."""
    table = Table(title=say("Lines of code, and of the longest function"), title_justify="left")
    table.add_column(say("target"), overflow="fold")
    kinds = [
        {source.target: source for source in found if (source.transport, source.role) == kind}
        for kind in product(TRANSPORTS, ROLES)
    ]
    for (transport, role), of in zip(product(TRANSPORTS, ROLES), kinds, strict=True):
        if of:
            table.add_column(f"{transport.upper()} {say(ROLE_WORDS[role])}")
    for target in dict.fromkeys(source.target for source in found):
        table.add_row(escape(target), *(_cell(of[target]) if target in of else "[dim]–[/]" for of in kinds if of))
    return table


def _cell(source: Source) -> str:
    longest = f"\n[dim]{escape(source.longest_function)} {source.longest_function_lines}[/]"
    return f"{source.code_lines}{longest if source.longest_function else ''}"
