"""Where Triton is installed on this machine: from the ``nvidia-pytriton`` wheel in a venv, or as NVIDIA installs it.

The wheel keeps the Python backend and its stubs (one a Python version) apart; Triton wants them in one folder, which
``merge_backends`` makes once beside the venv.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from tuner.errors import UserError

__all__ = ["HOME_VARIABLE", "Installation", "default_home", "find", "merge_backends", "search_path"]

HOME_VARIABLE = "TUNER_TRITON_HOME"
_INSTALL = f"run `python -m testbed.serving triton`, or set {HOME_VARIABLE} to an installation"
_SYSTEM_PATH = ("/usr/local/bin", "/usr/bin", "/bin")


@dataclass(frozen=True, slots=True)
class Installation:
    """What a server process needs of it; ``search`` holds PATH and LD_LIBRARY_PATH, this installation first."""

    server: Path
    backends: Path
    search: dict[str, str]

    @classmethod
    def at(cls, home: Path) -> Installation:
        """The installation in ``home``; UserError where there is none that is whole."""
        if (home / "bin" / "tritonserver").is_file():
            return cls(home / "bin" / "tritonserver", home / "backends", search_path(home))
        packages = _packages(home)
        if packages is None or not (packages / "pytriton/tritonserver/bin/tritonserver").is_file():
            raise UserError.of("Triton is not installed there", _INSTALL, file=str(home))
        if not (home / "backends" / "python" / "triton_python_backend_stub").is_file():
            raise UserError.of("this installation of Triton lacks its merged backends", _INSTALL, file=str(home))
        return cls(packages / "pytriton/tritonserver/bin/tritonserver", home / "backends", search_path(home))

    def serves(self) -> frozenset[str]:
        """Names of the backends that it has."""
        return frozenset(folder.name for folder in self.backends.iterdir() if folder.is_dir())


def default_home() -> Path:
    """Where ``python -m testbed.serving triton`` leaves the current installation."""
    return platformdirs.user_cache_path("tuner") / "serving" / "triton"


def find() -> Installation:
    """The installation that ``TUNER_TRITON_HOME`` names, else the one in the cache; UserError where there is none."""
    named = os.environ.get(HOME_VARIABLE)
    home = Path(named) if named else default_home()
    if not home.is_dir():
        raise UserError.of("Triton is not installed", _INSTALL, file=str(home))
    return Installation.at(home.resolve())


def merge_backends(home: Path) -> None:
    """Put the Python backend and the stub for the venv's Python into ``home/backends/python``. Atomic, idempotent.

    Raises UserError where the wheel is missing or has no stub for this version of Python.
    """
    if (home / "backends").is_dir():
        return
    packages = _packages(home)
    if packages is None:
        raise UserError.of("this is no virtual environment", _INSTALL, file=str(home))
    server = packages / "pytriton" / "tritonserver"
    version = packages.parent.name.removeprefix("python")
    stubs = server / "python_backend_stubs" / version
    if not stubs.is_dir():
        known = sorted(folder.name for folder in server.glob("python_backend_stubs/*"))
        raise UserError.of(
            f"Triton's Python backend has no stub for Python {version}",
            f"use one of {', '.join(known)}" if known else _INSTALL,
            file=str(server),
        )
    with tempfile.TemporaryDirectory(dir=home) as scratch:
        merged = Path(scratch, "backends")
        shutil.copytree(server / "backends" / "python", merged / "python")
        shutil.copytree(stubs, merged / "python", dirs_exist_ok=True)
        merged.rename(home / "backends")


def search_path(home: Path) -> dict[str, str]:
    """PATH and LD_LIBRARY_PATH for a process out of ``home``."""
    packages = _packages(home)
    libraries = (packages / "nvidia_pytriton.libs", *_python_libraries(home)) if packages else (home / "lib",)
    return {
        "PATH": os.pathsep.join([str(home / "bin"), *_SYSTEM_PATH]),
        "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
    }


def _packages(home: Path) -> Path | None:
    """The ``site-packages`` of a venv."""
    return next(iter(sorted(home.glob("lib/python3.*/site-packages"))), None)


def _python_libraries(home: Path) -> tuple[Path, ...]:
    """Where the stub finds libpython: beside the venv's base interpreter, or in ``home/runtime``."""
    settings = (home / "pyvenv.cfg").read_text(encoding="utf-8")
    stated = re.search(r"^home\s*=\s*(.+?)\s*$", settings, re.MULTILINE)
    base = Path(stated[1] if stated else "/usr/bin").resolve().parent / "lib"
    return tuple(folder for folder in (base, home / "runtime") if any(folder.glob("libpython3*.so*")))
