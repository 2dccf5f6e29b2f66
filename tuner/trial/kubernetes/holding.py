"""The sign that the process which runs trials is alive, and the removal of what a dead one left.

A Lease for each process that has trials running; its beat is told by the API server's own clock (the time of the last
update in ``managedFields`` against the ``Date`` of an answer), so that no other clock has to be right.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from tuner.errors import TemporaryError, TunerError
from tuner.telemetry.logs import logger
from tuner.trial.kubernetes.api import Api
from tuner.trial.kubernetes.objects import LEASE, MANAGED
from tuner.trial.kubernetes.removal import remove

__all__ = ["BEAT", "PATIENCE", "Holding", "reap_namespace"]

BEAT = 10.0
"""Seconds between two beats."""
PATIENCE = 40
"""Seconds without a beat after which a process is dead."""
_PROCESS = "tuner/process"
_SELECTOR = ",".join(f"{key}={value}" for key, value in MANAGED.items())

_log = logger("trial")


class Holding:
    """The lease of this process: there while it has trials."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.name = f"tuner-{secrets.token_hex(6)}"
        self._api = api
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._lock = threading.Lock()
        self._held = 0
        self._over = threading.Event()

    def enter(self) -> None:
        """One more trial begins. Raises what ``Api`` raises."""
        with self._lock:
            if self._held == 0:
                self._beat()
                self._over = threading.Event()
                threading.Thread(target=self._keep, args=(self._over,), name="tuner-lease", daemon=True).start()
            self._held += 1

    def leave(self) -> None:
        """One trial has ended, with nothing left of it; the lease goes with the last."""
        with self._lock:
            self._held -= 1
            if self._held == 0:
                self._over.set()
                self._api.delete(f"{self._path}/{self.name}")

    def _keep(self, over: threading.Event) -> None:
        while not over.wait(BEAT):
            try:
                with self._lock:
                    if not over.is_set():
                        self._beat()
            except TunerError as error:
                _log.warning("the lease of the trials was not renewed", lease=self.name, reason=str(error))

    def _beat(self) -> None:
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.name, "labels": dict(MANAGED), "annotations": {_PROCESS: _this_process()}},
            "spec": {
                "holderIdentity": self.name,
                "leaseDurationSeconds": PATIENCE,
                "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            },
        }
        self._api.apply(f"{self._path}/{self.name}", body)


def reap_namespace(api: Api, namespace: str) -> int:
    """Remove the trials whose process is dead; returns how many. Raises what ``Api`` raises.

    Owners are listed before the leases: the lease of a trial was there before the trial.
    """
    owners = f"/api/v1/namespaces/{namespace}/configmaps"
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    found = list(_all(api, owners, f"{_SELECTOR},{LEASE}"))
    known = {str(each["metadata"]["name"]): _alive(each, now) for each, now in _all(api, leases, _SELECTOR)}
    count = 0
    for owner, _ in found:
        metadata = owner["metadata"]
        if not known.get(str(metadata["labels"][LEASE]), False):
            remove(api, namespace, str(metadata["name"]), str(metadata["uid"]))
            count += 1
    for name in (name for name, alive in known.items() if not alive):
        api.delete(f"{leases}/{name}")
    return count


def _all(api: Api, path: str, selector: str) -> Iterator[tuple[dict[str, Any], float]]:
    """Each object with the API server's time, a page at a time."""
    following = ""
    while True:
        page = api.page(path, {"labelSelector": selector}, following)
        for item in page.items:
            yield item, page.now
        following = page.following
        if not following:
            return


def _alive(lease: Mapping[str, Any], now: float) -> bool:
    """Whether its process may still be running. A process of this machine is looked for, others by their beat."""
    metadata = lease["metadata"]
    place, _, process = str((metadata.get("annotations") or {}).get(_PROCESS, "")).rpartition("/")
    if place and place == _place():
        return _runs(process)
    beats = [_seconds(str(entry["time"])) for entry in metadata.get("managedFields") or [] if entry.get("time")]
    return now - max(beats, default=0.0) < PATIENCE


def _seconds(written: str) -> float:
    return datetime.fromisoformat(written.replace("Z", "+00:00")).timestamp()


def _this_process() -> str:
    started = psutil.Process().create_time()
    return f"{_place()}/{os.getpid()}-{started:.2f}"


def _place() -> str:
    """Where numbers of processes mean the same: one boot of one machine, one namespace of processes."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _runs(process: str) -> bool:
    number, _, started = process.partition("-")
    try:
        return abs(psutil.Process(int(number)).create_time() - float(started)) < 1.0
    except (psutil.NoSuchProcess, ValueError):
        return False
    except psutil.AccessDenied as error:
        raise TemporaryError("the processes of this machine cannot be seen") from error
