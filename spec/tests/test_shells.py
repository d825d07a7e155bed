"""The shells hold no protocol: SPEC.md is obeyed in ``spec`` alone."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(path.name for path in ROOT.glob("impl_*"))
PROGRAMS = ["tcp_client.py", "tcp_server.py", "udp_client.py", "udp_server.py"]


def stem(name: str) -> str:
    return name.removesuffix(".py")


def bytes_literals(source: str) -> list[bytes]:
    """Return the bytes literals of a module but ``b""``."""
    return [
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, bytes) and node.value
    ]


def test_they_are_found() -> None:
    assert {"impl_raw", "impl_socketserver", "impl_with"} <= set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_each_has_just_the_four_programs(package: str) -> None:
    assert sorted(path.name for path in (ROOT / package).glob("*.py")) == ["__init__.py", *PROGRAMS]


@pytest.mark.parametrize("package", PACKAGES)
def test_each_names_its_programs_in_a_manifest(package: str) -> None:
    manifest = (ROOT / package / "sockspec.toml").read_text(encoding="utf-8")
    programs = [f'{name} = ["{{python}}", "-S", "-m", "{package}.{name}"]' for name in map(stem, PROGRAMS)]
    name, directory, blank, table, *lines = manifest.splitlines()
    assert name == f'name = "{package.removeprefix("impl_")}"'
    assert (directory, blank, table) == ('directory = ".."', "", "[programs]")
    assert sorted(lines) == programs


@pytest.mark.parametrize("path", sorted(ROOT.glob("impl_*/**/*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_bytes_but_none(path: Path) -> None:
    assert bytes_literals(path.read_text(encoding="utf-8")) == []


def test_a_bytes_literal_is_found() -> None:
    assert bytes_literals('def f():\n    return b"" + b"ERR\\n" if "x" else bytes(3)\n') == [b"ERR\n"]
