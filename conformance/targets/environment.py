"""The environment of a program under test: a named part of the suite's own, and what its manifest adds."""

import os
from collections.abc import Mapping

MARK = "SOCKSPEC_PROGRAM"
"""The variable by which the suite finds what a program has started; its value names one program of one process."""

PASSED_ON = frozenset(
    {
        # who runs it, and where
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "TMPDIR", "TMP", "TEMP", "DISPLAY"),
        *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"),
        # language and time zone; LC_* too
        *("LANG", "LANGUAGE", "LOCPATH", "LOCALE_ARCHIVE", "TZ", "TZDIR"),
        # where compilers, interpreters and libraries are
        *("VIRTUAL_ENV", "CONDA_PREFIX", "PYENV_ROOT", "PYENV_VERSION", "NVM_DIR", "NODE_PATH", "JAVA_HOME"),
        *("CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "GOROOT", "GOPATH", "GOCACHE", "DOTNET_ROOT", "GEM_HOME"),
        *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"),
        # Wine, and containers
        *("WINEPREFIX", "WINEARCH", "WINEDEBUG", "WINELOADER", "WINESERVER", "DOCKER_HOST", "CONTAINER_HOST"),
        # Windows
        *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA"),
        *("PROGRAMFILES", "USERPROFILE", "USERNAME", "NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE"),
    }
)
"""Variables that a program gets as they are, with those that begin with ``LC_``.

None changes how a program buffers or encodes its output, as PYTHONUNBUFFERED and NODE_OPTIONS do: it would hide what
the checks look for.
"""


def clean_environment() -> dict[str, str]:
    """Return the part of this process's environment that programs under test get."""
    # By name: another thread may take away a variable of its own meanwhile, as pytest does
    return {name: os.environ[name] for name in os.environ if name in PASSED_ON or name.startswith("LC_")}


def read_environment(table: object, directory: str) -> dict[str, str]:
    """Return the variables of a manifest's table, with the directory in the place of ``{directory}``.

    Raises ValueError with one line.
    """
    if not isinstance(table, Mapping) or not all(isinstance(value, str) for value in table.values()):
        raise ValueError("must be a table of strings")
    for name, value in table.items():
        if not name or "=" in name or "\0" in name + value:
            raise ValueError(f"{name!r} is no name of a variable, or has NUL in its value")
        if name == MARK:
            raise ValueError(f"{MARK} is the suite's own")
    return {name: value.replace("{directory}", directory) for name, value in table.items()}
