"""Tuners that others wrote, as strategies: each in an environment of its own, asked and told through a pipe.

``python -m bench.search_peers`` installs the environment from ``requirements/peers.txt``, by hash, into the user's
cache, where it is not there yet, and prints its folder. The benchmark leaves these methods out where it is missing.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_path

from testbed.lock import locked
from tuner.errors import PermanentError
from tuner.experience.model import Tried
from tuner.replay.recording import Recording
from tuner.search.encoding import Axis, axes_of
from tuner.space.assignment import Assignment
from tuner.spec.model import Scalar

__all__ = ["LOCK", "PEERS", "Peer", "Worker", "home", "install"]

PEERS = ("smac", "mlos")
LOCK = Path(__file__).resolve().parent.parent / "requirements" / "peers.txt"
_WORKER = Path(__file__).with_name("search_worker.py")
_BUILD = ("setuptools", "wheel")
"""What SMAC's own package, which has no wheel, is built with; pinned as well."""
_STEEPNESS = 3.0
"""What a broken limit costs, by the logarithm of how far it is broken: steeper than any merit can rise meanwhile."""


def home() -> Path:
    """Where the environment is, or would be: a change of the lock file or of Python makes another one."""
    digest = hashlib.sha256(LOCK.read_bytes() if LOCK.exists() else b"").hexdigest()[:16]
    return user_cache_path("tuner") / "peers" / f"{digest}-py{sys.version_info[0]}.{sys.version_info[1]}"


def install() -> Path:
    """The environment's folder, made now where it is missing. PermanentError where it cannot be."""
    place = home()
    with locked(place.with_name(f"{place.name}.lock"), "peers"):
        if not place.is_dir():
            sys.stderr.write("peers: installing SMAC and mlos-core (about 150 MB to fetch)\n")
            with tempfile.TemporaryDirectory(prefix=".peers-", dir=place.parent) as scratch:
                made = Path(scratch, "home")
                _run(sys.executable, "-m", "venv", "--without-pip", str(made))
                _pip(made, "--only-binary", ":all:", *_pinned(_BUILD, Path(scratch)))
                _pip(made, "--no-build-isolation", "-r", str(LOCK))
                made.rename(place)
    return place


def _pinned(names: tuple[str, ...], scratch: Path) -> tuple[str, str]:
    """The lock file's entries of these packages, as a file for pip."""
    entries = LOCK.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    chosen = [entry for entry in entries if entry.partition("==")[0] in names]
    file = scratch / "build.txt"
    file.write_text("\n".join(chosen) + "\n", encoding="utf-8")
    return "-r", str(file)


def _pip(made: Path, *options: str) -> None:
    common = ("--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes", "--no-deps")
    _run(sys.executable, "-m", "pip", "--python", str(made / "bin" / "python"), "install", *common, *options)


def _run(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        told = "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:])
        raise PermanentError(f"{' '.join(command[:5])} … failed (exit {done.returncode}):\n{told}")


class Worker:
    """The process behind the pipe; it serves one run after another."""

    def __init__(self) -> None:
        threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
        self._process = subprocess.Popen(
            (str(home() / "bin" / "python"), "-I", str(_WORKER)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(os.environ) | threads,
            text=True,
        )

    def exchange(self, order: dict[str, Any]) -> dict[str, Any]:
        """Send a line and read one. PermanentError where the process has ended."""
        if self._process.stdin is None or self._process.stdout is None:
            raise PermanentError("the peer's process has no pipe")
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        line = self._process.stdout.readline()
        if not line:
            raise PermanentError(f"the peer's process ended: run {_WORKER.name} by hand to see why")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


@dataclass(slots=True)
class Peer:
    """One run of a peer. It looks for the lowest cost: the merit's negative logarithm, raised by a broken limit."""

    method: str
    recording: Recording
    seed: int
    trials: int
    worker: Worker
    _axes: tuple[Axis, ...] = field(init=False)
    _cost: float | None = None
    _worst: float = 0.0

    def __post_init__(self) -> None:
        self._axes = axes_of(self.recording.space)

    def ask(self) -> Assignment | None:
        if self._cost is None:
            order: dict[str, Any] = {
                "method": self.method,
                "seed": self.seed,
                "trials": self.trials,
                "sizes": [[len(_values(axis)), axis.ordered] for axis in self._axes],
                "start": [_values(axis).index(self.recording.start[axis.parameter.name]) for axis in self._axes],
            }
        else:
            order = {"cost": self._cost}
        places = self.worker.exchange(order)["places"]
        pairs = zip(self._axes, places, strict=True)
        return Assignment({axis.parameter.name: _values(axis)[place] for axis, place in pairs})

    def tell(self, tried: Tried) -> None:
        merit, excess = self.recording.merit(tried), self.recording.excess(tried)
        if merit is None or excess is None:
            self._cost = self._worst + 1
        else:
            self._cost = -float(np.log(merit)) + _STEEPNESS * max(excess, 0.0)
            self._worst = max(self._worst, self._cost)


def _values(axis: Axis) -> tuple[Scalar, ...]:
    return tuple(axis.domain.grid())


def main() -> int:
    """Install and print the folder; exit 1 where that cannot be."""
    try:
        sys.stdout.write(f"{install()}\n")
    except PermanentError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
