"""Environments of their own for other people's tools: pinned by hash, made on demand, outside of the checkout."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from testbed.lock import locked
from tuner.errors import PermanentError

__all__ = ["Environment", "Pipe"]

_BUILD = ("setuptools", "wheel")
"""What packages without wheels are built with, where the lock file pins it."""


@dataclass(frozen=True, slots=True)
class Environment:
    """One lock file's packages. A change of the file or of Python makes another folder."""

    name: str
    lock: Path

    @property
    def home(self) -> Path:
        """Where the environment is, or would be."""
        digest = hashlib.sha256(self.lock.read_bytes() if self.lock.exists() else b"").hexdigest()[:16]
        return user_cache_path("tuner") / self.name / f"{digest}-py{sys.version_info[0]}.{sys.version_info[1]}"

    @property
    def installed(self) -> bool:
        """Whether it is there."""
        return self.home.is_dir()

    def install(self) -> Path:
        """The folder, made now where it is missing. PermanentError where it cannot be."""
        home = self.home
        with locked(home.with_name(f"{home.name}.lock"), self.name):
            if not home.is_dir():
                sys.stderr.write(f"{self.name}: installing\n")
                with tempfile.TemporaryDirectory(prefix=f".{self.name}-", dir=home.parent) as scratch:
                    made = Path(scratch, "home")
                    _run(sys.executable, "-m", "venv", "--without-pip", str(made))
                    if build := self._build_tools():
                        file = Path(scratch, "build.txt")
                        file.write_text("\n".join(build) + "\n", encoding="utf-8")
                        _pip(made, "--only-binary", ":all:", "-r", str(file))
                    _pip(made, "--no-build-isolation", "-r", str(self.lock))
                    made.rename(home)
        return home

    def _build_tools(self) -> list[str]:
        """The lock file's entries of them, a line each."""
        entries = self.lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
        return [entry for entry in entries if entry.partition("==")[0] in _BUILD]


def _pip(made: Path, *options: str) -> None:
    common = ("--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes", "--no-deps")
    _run(sys.executable, "-m", "pip", "--python", str(made / "bin" / "python"), "install", *common, *options)


def _run(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        told = "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:])
        raise PermanentError(f"{' '.join(command[:5])} … failed (exit {done.returncode}):\n{told}")


class Pipe:
    """A script that runs in an environment: a line of JSON goes in, a line comes out."""

    def __init__(self, environment: Environment, script: Path) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
        self._script = script
        self._process = subprocess.Popen(
            (str(environment.home / "bin" / "python"), "-P", "-s", str(script)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=inherited | threads | {"PYTHONHASHSEED": "0"},  # or SMAC proposes something else each time
            text=True,
        )

    def exchange(self, order: dict[str, Any]) -> dict[str, Any]:
        """Send a line and read one. PermanentError where the process has ended."""
        if self._process.stdin is None or self._process.stdout is None:
            raise PermanentError(f"{self._script.name} has no pipe")
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise PermanentError(f"{self._script.name} ended: run it by hand to see why")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        with suppress(BrokenPipeError):
            self._process.communicate()
