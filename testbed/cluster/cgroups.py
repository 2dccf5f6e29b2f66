"""The control group that holds everything which pods run, in each hierarchy of version 1, or the one of version 2."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from testbed.cluster.part import stop_all
from testbed.cluster.place import Place
from tuner.errors import PermanentError
from tuner.trial.process_table import Process, find

__all__ = ["ROOT", "Cgroups"]

ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Cgroups:
    """One group by the test bed's name; kubelet makes its own below."""

    place: Place

    def make(self) -> None:
        """Make it in every hierarchy; kubelet does not start under a group that is missing."""
        for hierarchy in _hierarchies():
            folder = hierarchy / self.place.name
            folder.mkdir(exist_ok=True)
            for name in ("cpuset.cpus", "cpuset.mems"):  # version 1: a new group has none, and nothing could run in it
                own = folder / name
                if hierarchy.name == "cpuset" and not own.read_text().strip():
                    own.write_text((hierarchy / name).read_text())

    def cpu(self) -> Path:
        """The folder whose files say how much processor time each container may have."""
        return (ROOT / "cpu" if (ROOT / "cpu").is_dir() else ROOT) / self.place.name

    def processes(self) -> list[Process]:
        """Everything that runs in a pod."""
        found = {process.pid: process for process in map(find, self._pids()) if process and not process.zombie}
        return list(found.values())

    def kill(self) -> None:
        """End everything that pods run."""
        stop_all(self.processes, grace=0)

    def stop(self) -> None:
        """Kill what pods run and remove the groups; PermanentError where one stays."""
        self.kill()
        deadline = time.monotonic() + 5
        while left := [folder for folder in self._folders() if not _removed(folder)]:
            if time.monotonic() > deadline:
                raise PermanentError(f"a control group stays: {left[0]}")
            time.sleep(0.05)

    def present(self) -> bool:
        """Whether there is one in any hierarchy."""
        return any((hierarchy / self.place.name).is_dir() for hierarchy in _hierarchies())

    def _folders(self) -> list[Path]:
        """Deepest first."""
        found: list[Path] = []
        for hierarchy in _hierarchies():
            top = hierarchy / self.place.name
            if top.is_dir():
                found += _walk(top)
        return found

    def _pids(self) -> Iterator[int]:
        for folder in self._folders():
            try:
                yield from map(int, (folder / "cgroup.procs").read_text().split())
            except OSError:
                continue


def _walk(top: Path) -> list[Path]:
    try:
        children = [each for each in top.iterdir() if each.is_dir() and not each.is_symlink()]
    except FileNotFoundError:  # a pod ended meanwhile
        return []
    return [*(folder for child in children for folder in _walk(child)), top]


def _hierarchies() -> list[Path]:
    """Version 1 has one a controller, perhaps with one of version 2 beside them."""
    if (ROOT / "cgroup.controllers").is_file():
        return [ROOT]
    return [folder for folder in sorted(ROOT.iterdir()) if folder.is_dir() and not folder.is_symlink()]


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
