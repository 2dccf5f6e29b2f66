"""A part of the test bed, and the kind of part that is one process."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from testbed.cluster.place import MARK, Place
from tuner.errors import PermanentError
from tuner.trial.process_table import Process, environment_value, kill, processes

__all__ = ["Daemon", "Part", "marked", "run", "stop_all", "wait_for"]

_GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""


class Part(Protocol):
    """``start`` is idempotent and need not wait; ``stop`` removes whatever is left, whoever made it."""

    @property
    def name(self) -> str:
        """One word."""
        ...

    def start(self) -> None:
        """Begin; PermanentError where it cannot."""
        ...

    def ready(self) -> bool:
        """Whether it does its work."""
        ...

    def stop(self) -> None:
        """End it and leave nothing."""
        ...

    def logs(self) -> Path | None:
        """Where it tells what it does."""
        ...


def run(*command: str | Path, given: str | None = None, timeout: float = 60) -> str:
    """Run to the end and return its output; PermanentError with the end of what it said where it fails."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, input=given, capture_output=True, text=True, timeout=timeout)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PermanentError(f"{words[0]}: {error}") from error
    if done.returncode != 0:
        raise PermanentError(f"{' '.join(words[:4])} failed: {(done.stderr or done.stdout).strip()[-400:]}")
    return done.stdout


def marked(place: Place, part: str | None = None) -> list[Process]:
    """The processes of a test bed, or of one part of it, whoever started them. Never the calling one."""
    table = processes().values()
    told = {each: environment_value(each.pid, MARK) or "" for each in table if each.pid != os.getpid()}
    prefix = f"{place.name}/"
    return [
        process
        for process, mark in told.items()
        if not process.zombie and (mark == f"{prefix}{part}" if part else mark.startswith(prefix))
    ]


def stop_all(found: Callable[[], Iterable[Process]], grace: float = _GRACE) -> None:
    """Ask, wait, and kill what is still there; PermanentError where something does not even go then."""
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, _GRACE)):
        deadline = time.monotonic() + patience
        sent: set[tuple[int, int]] = set()
        while living := list(found()):
            for process in living:
                if (process.pid, process.start) not in sent:
                    sent.add((process.pid, process.start))
                    kill(process, number)
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        else:
            return
    if left := [process.pid for process in found()]:
        raise PermanentError(f"processes do not end: {left}")


def wait_for(parts: Sequence[Part], patience: float) -> None:
    """Wait until all are ready, at most ``patience`` seconds; PermanentError names the first that is not and why."""
    deadline = time.monotonic() + patience
    waiting = list(parts)
    while waiting := [part for part in waiting if not part.ready()]:
        ended = next((part for part in waiting if isinstance(part, Daemon) and not part.running()), None)
        if ended or time.monotonic() > deadline:
            part = ended or waiting[0]
            said = part.logs()
            end = said.read_text(errors="replace")[-1500:] if said and said.is_file() else ""
            raise PermanentError(f"{part.name} {'ended' if ended else f'is not ready after {patience:g} s'}:\n{end}")
        time.sleep(0.05)


@dataclass(frozen=True)
class Daemon:
    """One process that outlives its starter. ``probe`` tells whether it does its work.

    ``command`` is called when it is started, so that files which it names may be made then.
    """

    place: Place
    name: str
    command: Callable[[], Sequence[str | Path]]
    probe: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self) -> None:
        """Start it where it does not run."""
        if self.running():
            return
        words = [str(word) for word in self.command()]
        passed = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        path = os.pathsep.join((passed.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"))
        environment = {**passed, "PATH": path, **self.environment, MARK: f"{self.place.name}/{self.name}"}
        with self.logs().open("ab") as log:
            try:
                begun = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=environment,
                    cwd=self.place.state,
                    start_new_session=True,
                )
            except OSError as error:
                raise PermanentError(f"{self.name} does not start: {error}") from error
        while begun.poll() is None and environment_value(begun.pid, MARK) is None:  # the kernel still loads it
            time.sleep(0.002)

    def running(self) -> list[Process]:
        """Its process, and the processes that it started and that keep its mark."""
        return marked(self.place, self.name)

    def ready(self) -> bool:
        """It answers."""
        return self.probe()

    def stop(self) -> None:
        """End it, also where another process started it."""
        stop_all(self.running)

    def logs(self) -> Path:
        """What it wrote."""
        return self.place.log / f"{self.name}.log"
