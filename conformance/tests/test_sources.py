"""Whose file a program is, how much code is in it, and which lines of two programs belong together."""

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from conformance import ROOT
from conformance.comparison.sources import code_lines, longest_function, program_file, source_table, sources
from conformance.reports.page.side_by_side import aligned, coloured, kinds
from conformance.targets.discovery import BUNDLED
from conformance.targets.target import Target

PYTHON = '''"""Docstring
of the module."""

import os  # 4

TEXT = """
# no comment: 7"""


class Server:
    """One."""

    # A comment.
    def send(self):
        "Another."
        def inner():
            return """code"""
        return inner


async def wait(): ...
'''


def test_lines_of_code_in_python() -> None:
    lines = code_lines("server.py", PYTHON)
    assert lines == {4, 6, 7, 10, 14, 16, 17, 18, 21}
    assert longest_function(PYTHON, lines) == ("Server.send", 4)


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("server.mjs", "/* one\n two */\nlet a = 1; // three\n\n// four\nfoo();\n", {3, 6}),
        ("server.c", "#include <a.h>\n/* - */\n\nint main(void) { return 0; }", {1, 4}),
        ("server.go", "// Package main.\npackage main\n", {2}),
        ("server.unknown", "# nobody knows\n\nwhat this is\n", {1, 3}),
        ("broken.py", "def (\n# comment\n", {1}),
        ("empty.py", "", set()),
    ],
)
def test_lines_of_code_in_any_language(name: str, text: str, lines: set[int]) -> None:
    assert code_lines(name, text) == lines


def test_what_is_no_python_has_no_function() -> None:
    assert longest_function("def (\n", {1}) == ("", 0)


def test_the_file_of_a_program(tmp_path: Path) -> None:
    (tmp_path / "пакет").mkdir()
    files = [tmp_path / "server.mjs", tmp_path / "пакет" / "udp.py", tmp_path / "пакет" / "__main__.py"]
    for file in files:
        file.write_text("")
    assert program_file(("node", "server.mjs"), tmp_path) == files[0]
    assert program_file(("python3", "-X", "dev", "-m", "пакет.udp"), tmp_path) == files[1]
    assert program_file(("python3", "-m", "пакет"), tmp_path) == files[2]
    assert program_file((sys.executable, "-c", "pass"), tmp_path) is None
    assert program_file((sys.executable, "../outside.py"), tmp_path / "пакет") is None


def test_the_bundled_programs_are_found_and_fit_a_terminal() -> None:
    found = [source for target in BUNDLED.values() for source in sources(target)]
    assert len(found) == 12
    for source in found:
        assert (ROOT / source.path).read_text(encoding="utf-8") == source.text
        assert 30 < source.code_lines < source.text.count("\n") and source.longest_function_lines > 5
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(source_table(found))
    assert all(f" {source.code_lines} " in console.export_text(clear=False) for source in found)


def test_what_runs_elsewhere_or_is_compiled_has_no_source(tmp_path: Path) -> None:
    (tmp_path / "server").write_bytes(b"\x7fELF\xff")
    assert sources(Target("compiled", {("udp", "server"): ("server",)}, tmp_path)) == []
    assert sources(Target("url", {}, url="echo+udp://127.0.0.1:7")) == []


def test_lines_that_differ_in_their_indentation_belong_together() -> None:
    assert aligned("a\nб\nc", "a\nwith x:\n    б\n    d") == [
        (0, 1, 0, 1, True),
        (1, 1, 1, 2, False),
        (1, 2, 2, 3, True),
        (2, 3, 3, 4, False),
    ]


@pytest.mark.parametrize("name", ["a.py", "a.unknown"])
def test_each_line_is_coloured_by_itself(name: str) -> None:
    lines = coloured(name, '"""один\n<два>"""\n\nx = 1\n')
    assert len(lines) == 4
    assert all(line.count("<span") == line.count("</span>") for line in lines)
    assert "&lt;два&gt;" in lines[1]


def test_runs_cover_both_programs_whole() -> None:
    shown = kinds([source for target in BUNDLED.values() for source in sources(target)])
    assert [kind.id for kind in shown] == ["udp-server", "udp-client", "tcp-server", "tcp-client"]
    for kind in shown:
        assert len(kind.pairs) == 3
        for one, other, runs in kind.pairs:
            for program, start, end in ((one, 0, 1), (other, 2, 3)):
                assert [run[start] for run in runs] == [0, *(run[end] for run in runs[:-1])]
                assert runs[-1][end] == len(kind.programs[program].lines)
