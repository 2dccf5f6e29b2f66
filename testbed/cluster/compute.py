"""The emulation of a slice's compute: a container that was granted a MIG slice gets processor time by its SMs.

A process on the node follows the node's pods and writes the quota into each container's control group. Templates are
not touched. All processors of the machine stand for one whole board, so ``1g.10gb`` of an H100 (16 of 132 SMs) on two
processors has 0.24 of one. The period is 5 ms, so that a request waits a few milliseconds for the rest of its quota and
not a tenth of a second as under Kubernetes' own limits; a container's own limit, where it is lower, holds as well.
"""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from testbed.cluster.api import Api
from testbed.cluster.cgroups import Cgroups
from testbed.cluster.part import Daemon
from testbed.cluster.place import Place
from testbed.cluster.slices import BOARD, PREFIX, PROFILES
from tuner.errors import PermanentError

__all__ = ["Grant", "Quota", "emulation", "main", "processors", "share"]

_PERIOD = 5_000
"""Microseconds. The kernel takes quotas of 1,000 and more."""
_LEAST = 1_000
_LONGEST = 1_000_000
"""The kernel takes periods of one second and less."""
_ROUND = 0.02
"""Seconds between two looks at the control groups while a pod has a slice."""
_WATCH = 240
"""Seconds after which the server ends a watch and the pods are listed anew; less than a silent stream is borne."""
_ENDED = ("Succeeded", "Failed")
_PROJECT = Path(__file__).resolve().parents[2]


def emulation(place: Place) -> Daemon:
    """The part; ready when it has read the node's pods once."""
    ready = place.run / "compute-ready"

    def command() -> list[str | Path]:
        ready.unlink(missing_ok=True)
        return [sys.executable, "-m", "testbed.cluster.compute", str(place.state)]

    return Daemon(place, "mig-emulation", command, ready.is_file, {"PYTHONPATH": str(_PROJECT)})


def share(granted: Mapping[str, str | int]) -> float:
    """Which part of a board's SMs a container's resources hold; 0 where they hold no slice."""
    held = ((name.removeprefix(PREFIX), int(count)) for name, count in granted.items() if name.startswith(PREFIX))
    return sum(count * PROFILES[profile].sms / BOARD.sms for profile, count in held if profile in PROFILES)


def processors(limits: Mapping[str, str | int]) -> float:
    """How many of this machine's processors a container with these limits may use; its slice must be among them."""
    from kubernetes.utils.quantity import parse_quantity  # half a second that only the agent needs

    slice_ = share(limits) * (os.cpu_count() or 1)
    if "cpu" not in limits:
        return slice_
    return min(slice_, float(parse_quantity(limits["cpu"])))  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a container of a pod may use: processors of this machine, by its slice or its own limit if that is less."""

    pod: str
    container: str
    processors: float


@dataclass(frozen=True, slots=True)
class Quota:
    """Processor time of one control group: ``quota`` of each ``period``, in microseconds; -1 is no limit."""

    quota: int
    period: int

    @classmethod
    def of(cls, processors: float) -> Quota:
        """With the short period, longer only where the kernel would refuse so small a quota."""
        period = _PERIOD if processors >= _LEAST / _PERIOD else min(_LONGEST, math.ceil(_LEAST / processors))
        return cls(max(_LEAST, math.floor(processors * period + 1e-6)), period)

    @classmethod
    def read(cls, folder: Path) -> Quota:
        """As the control group has it, of either version; OSError where it is gone."""
        if (folder / "cpu.max").is_file():
            quota, period = (folder / "cpu.max").read_text().split()
            return cls(-1 if quota == "max" else int(quota), int(period))
        return cls(int((folder / "cpu.cfs_quota_us").read_text()), int((folder / "cpu.cfs_period_us").read_text()))

    def write(self, folder: Path) -> None:
        """Set it. A longer period goes before the quota: at no time may a group have more than the one above it."""
        if (folder / "cpu.max").is_file():
            (folder / "cpu.max").write_text(f"{self.quota} {self.period}")
            return
        files = [(folder / "cpu.cfs_quota_us", self.quota), (folder / "cpu.cfs_period_us", self.period)]
        for file, value in reversed(files) if self.period > Quota.read(folder).period else files:
            file.write_text(str(value))


class Follower:
    """The node's pods that hold slices, kept current by a watch."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._api = Api(place)
        self._lock = threading.Lock()
        self._grants: dict[str, tuple[Grant, ...]] = {}
        self.changed = threading.Event()

    def grants(self) -> Sequence[Grant]:
        """Those of all pods now."""
        with self._lock:
            return [grant for pod in self._grants.values() for grant in pod]

    def follow(self) -> None:
        """List, then watch, for ever; a server that is away for a while is asked again."""
        while True:
            try:
                where = {"fieldSelector": f"spec.nodeName={self._place.node}"}
                listed = self._api.get("/api/v1/pods", **where)
                with self._lock:
                    self._grants = {pod["metadata"]["uid"]: _granted(pod) for pod in listed["items"]}
                self.changed.set()
                (self._place.run / "compute-ready").touch()
                for event in self._events(listed["metadata"]["resourceVersion"]):
                    self._take(event)
            except (PermanentError, requests.RequestException) as error:
                sys.stderr.write(f"{error}\n")
                time.sleep(1)

    def _take(self, event: Mapping[str, Any]) -> None:
        pod = event["object"]
        if event["type"] == "ERROR":
            raise PermanentError(f"the watch ended: {pod.get('message', '')}")
        with self._lock:
            self._grants.pop(pod["metadata"]["uid"], None)
            if event["type"] != "DELETED":
                self._grants[pod["metadata"]["uid"]] = _granted(pod)
        self.changed.set()

    def _events(self, since: str) -> Iterator[Mapping[str, Any]]:
        where = {"fieldSelector": f"spec.nodeName={self._place.node}", "resourceVersion": since}
        query = {**where, "watch": "true", "timeoutSeconds": str(_WATCH)}
        for line in self._api.stream("/api/v1/pods", **query):
            yield json.loads(line)


def _granted(pod: Mapping[str, Any]) -> tuple[Grant, ...]:
    """Nothing for a pod that has ended."""
    if pod["status"].get("phase") in _ENDED:
        return ()
    spec, uid = pod["spec"], pod["metadata"]["uid"]
    containers = (*spec.get("initContainers", ()), *spec["containers"])
    limits = {each["name"]: each.get("resources", {}).get("limits", {}) for each in containers}
    return tuple(Grant(uid, name, processors(limit)) for name, limit in limits.items() if share(limit) > 0)


class Emulation:
    """Writes quotas; a control group is written once, and again where something else has written it since."""

    def __init__(self, place: Place) -> None:
        self._pods = Cgroups(place).cpu() / "kubepods"
        self._bundles = place.run / "containerd" / "io.containerd.runtime.v2.task" / "k8s.io"
        self._names: dict[str, str] = {}

    def apply(self, grants: Sequence[Grant]) -> None:
        """One round over the groups of the pods that hold slices."""
        by_pod: dict[str, dict[str, float]] = {}
        for grant in grants:
            by_pod.setdefault(grant.pod, {})[grant.container] = grant.processors
        for pod, containers in by_pod.items():
            for folder in self._groups(pod):
                granted = containers.get(self._container(folder.name))
                if granted is not None:
                    _limit(folder, granted)

    def _groups(self, pod: str) -> Iterator[Path]:
        for quality in ("", "burstable", "besteffort"):
            try:
                yield from (Path(each.path) for each in os.scandir(self._pods / quality / f"pod{pod}") if each.is_dir())
            except FileNotFoundError:
                continue

    def _container(self, identity: str) -> str:
        """The container's name in its pod; containerd keeps it among the bundle's annotations."""
        if identity not in self._names:
            try:
                bundle = json.loads((self._bundles / identity / "config.json").read_text())
            except (OSError, ValueError):  # not written to the end yet, or gone
                return ""
            self._names[identity] = bundle.get("annotations", {}).get("io.kubernetes.cri.container-name", "")
        return self._names[identity]


def _limit(folder: Path, granted: float) -> None:
    """Write where something else is there: the runtime sets quota and period once more after it made the group."""
    try:
        wanted = Quota.of(granted)
        if Quota.read(folder) != wanted:
            wanted.write(folder)
            sys.stdout.write(f"{folder.name[:12]}: {granted:.3f} processors, {wanted.quota} of {wanted.period} us\n")
            sys.stdout.flush()
    except OSError as error:
        if folder.is_dir():
            sys.stderr.write(f"{folder}: {error}\n")


def main(arguments: Sequence[str]) -> int:
    """Run for the test bed in the folder named, until a signal ends it."""
    place = Place.at(Path(arguments[0]))
    follower, emulated = Follower(place), Emulation(place)
    threading.Thread(target=follower.follow, daemon=True).start()
    while True:
        grants = follower.grants()
        emulated.apply(grants)
        if grants:
            time.sleep(_ROUND)
        else:
            follower.changed.wait()
            follower.changed.clear()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
