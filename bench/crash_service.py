"""A real service, started again whenever it was killed, and killed in every way that a machine knows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psutil

from bench.crash_place import Place
from bench.result import ROOT

__all__ = ["KILLS", "Watcher"]

_LOOK = 0.1
_DRAIN = 90.0
_DONE = "done"
_WAITING = ("queued", "running")

KILLS: Mapping[str, int] = {"service": 6, "campaign": 2, "both": 4, "groups": 4, "everything": 4}
"""What is killed, by how often: the service's process alone, the campaign's alone, both of them, both with the process
groups that they lead, or every process that comes from the service (as when a machine or a container ends)."""


@dataclass(slots=True)
class Watcher:
    """Runs ``tuner watch`` at a place. ``kills`` counts those that hit, by what was killed."""

    place: Place
    environment: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    kills: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    seen: dict[int, float] = field(default_factory=dict)
    """Processes that came from the service: when each was made, by id."""
    _process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Start it."""
        program = Path(sys.executable).with_name("tuner")
        command = [str(program), "watch", "--config", str(self.place.config), "--log-level", "info", *self.options]
        own = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "TUNER_"))}
        home = {"HOME": str(self.place.root), "GIT_CONFIG_NOSYSTEM": "1", "TUNER_STATE": str(self.place.service.state)}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**own, "PYTHONPATH": str(ROOT), **home, **self.environment},
                start_new_session=True,
            )
        self.starts += 1

    @property
    def log(self) -> Path:
        return self.place.root / "service.log"

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def state(self) -> str:
        """Of the place's campaign; empty while it is not queued."""
        rows = self.place.rows()
        return rows[-1].state if rows else ""

    def ended(self) -> bool:
        """Whether the campaign has come to an end, whichever."""
        return self.state() not in ("", *_WAITING)

    def watch(self, seconds: float) -> bool:
        """Let it work, for so long at most; whether it still runs and its campaign has not ended."""
        deadline = time.monotonic() + seconds
        while self.alive and not self.ended():
            self.descendants()
            left = deadline - time.monotonic()
            if left <= 0:
                return True
            time.sleep(min(_LOOK, left))
        return False

    def stays(self, seconds: float) -> bool:
        """Whether it runs, and goes on so long: a service that begins is ended by a signal as any program is."""
        deadline = time.monotonic() + seconds
        while self.alive and time.monotonic() < deadline:
            time.sleep(_LOOK)
        return self.alive

    def descendants(self) -> list[psutil.Process]:
        """What came from the service and runs now."""
        found: list[psutil.Process] = []
        if self._process is not None and self.alive:
            with suppress(psutil.Error):
                found = psutil.Process(self._process.pid).children(recursive=True)
        for each in found:
            with suppress(psutil.Error):
                self.seen[each.pid] = each.create_time()
        return found

    def kill(self, what: str) -> None:
        """SIGKILL; the service is no more afterwards, except where only the campaign was to die."""
        below = self.descendants()
        campaigns = [each.pid for each in below if _is_campaign(each)]
        service = [self._process.pid] if self._process is not None and what != "campaign" else []
        everything = [each.pid for each in below] if what == "everything" else []
        for pid in (*service, *(campaigns if what != "service" else ()), *everything):
            with suppress(ProcessLookupError):
                if what == "groups":
                    os.killpg(pid, signal.SIGKILL)
                else:
                    os.kill(pid, signal.SIGKILL)
        self.kills[what] += 1
        if what == "campaign":
            self._told()
        elif self._process is not None:
            self._process.wait()

    def kill_at_random(self, source: Random) -> None:
        """Start it where it does not run, and kill something at a random instant, unless the campaign ends before."""
        if not self.alive:
            self.begin()
        self.place.hasten()
        longest = source.choice((6.0, 18.0, 18.0))
        what = source.choices(list(KILLS), list(KILLS.values()))[0]
        if self.watch(source.uniform(0.1, longest)):
            self.kill(what)

    def drain(self) -> int:
        """End it as an orchestrator does; its exit code."""
        if self._process is None:
            return 0
        if self.alive:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(_DRAIN)

    @contextmanager
    def attended(self) -> Iterator[None]:
        """Nothing of it is left afterwards, whatever happens."""
        try:
            yield
        finally:
            if self.alive:
                self.kill("everything")

    def left(self, patience: float = 20.0) -> list[str]:
        """Command lines of processes that came from the service and outlived it, ``patience`` seconds after its end."""
        deadline = time.monotonic() + patience
        while (found := self._left()) and time.monotonic() < deadline:
            time.sleep(_LOOK)
        return found

    def _left(self) -> list[str]:
        found = set(self.place.service.strays())
        for pid, made in self.seen.items():
            with suppress(psutil.Error):
                process = psutil.Process(pid)
                if process.create_time() == made and process.status() != psutil.STATUS_ZOMBIE:
                    found.add(" ".join(process.cmdline()) or process.name())
        return sorted(found)

    def _told(self) -> None:
        """Until the service has noticed that its campaign is gone; then it does not wait for the next try."""
        deadline = time.monotonic() + 10.0
        while self.alive and self.place.hasten() == 0 and not self.ended() and time.monotonic() < deadline:
            time.sleep(_LOOK)


def _is_campaign(process: psutil.Process) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    return "campaign" in words and "--patience" in words
