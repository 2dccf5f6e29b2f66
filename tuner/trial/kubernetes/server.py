"""A server that runs as a pod: made, followed by watches, asked, and removed with everything that belongs to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tuner.engine.protocol import Endpoint, Ports
from tuner.errors import TemporaryError, TunerError, UserError
from tuner.measurement.resource_use import ResourceUse
from tuner.trial.excerpt import log_excerpt
from tuner.trial.folder import LOG, write_whole
from tuner.trial.kubernetes.api import Api
from tuner.trial.kubernetes.diagnosis import Cause, Trouble, diagnose, unschedulable
from tuner.trial.kubernetes.follower import Follower
from tuner.trial.kubernetes.objects import TRIAL, TrialObjects
from tuner.trial.kubernetes.patience import Patience
from tuner.trial.kubernetes.pod import Pod
from tuner.trial.kubernetes.removal import remove
from tuner.trial.kubernetes.shell import Shell
from tuner.trial.kubernetes.use import COMMAND, UseReader
from tuner.trial.outcome import Failed, FailureKind
from tuner.trial.protocol import Observed, TrialFailedError, Usage

__all__ = ["PodServer", "ServedAt"]

_TAIL = {"tailLines": "200", "limitBytes": str(64 * 1024)}

Json = dict[str, Any]


class ServedAt:
    """Which ports of a pod serve: by their names ``http``, ``grpc`` and ``metrics``, as the template has them."""

    def __init__(self, pod: Json, container: str) -> None:
        entries = [each for each in pod["spec"]["containers"] if each.get("name") == container]
        declared = [port for each in entries for port in each.get("ports") or []]
        named = {str(port.get("name")): int(port["containerPort"]) for port in declared}
        first = next(iter(named.values()), None)
        http = named.get("http", first)
        if http is None:
            what = f"the container {container} declares no port, so no load can be sent to it"
            raise UserError.of(what, "add ports: [{name: http, containerPort: …, protocol: TCP}] to the manifest")
        self.ports = Ports(http=http, grpc=named.get("grpc", http), metrics=named.get("metrics", http))


class PodServer:
    """One trial's server, from ``begin`` on. ``memory`` is its limit in bytes.

    ``removed`` is called once nothing of it is left.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        objects: TrialObjects,
        ports: Ports,
        container: str,
        *,
        folder: Path,
        memory: int | None,
        removed: Callable[[], None],
    ) -> None:
        self.folder = folder
        self._memory = memory
        self._removed = removed
        self._api = api
        self._namespace = namespace
        self._objects = objects
        self._ports = ports
        self._container = container
        self._state = threading.Condition(threading.RLock())
        self._uid = ""
        self._pod: Pod | None = None
        self._refused = ""
        self._broken: TunerError | None = None
        self._gone = False
        self._ready = False
        self._stopping = False
        self._followers: list[Follower] = []
        self._reader: UseReader | None = None
        self._last = Usage(cpu_seconds=None, peak_memory=None)
        self._removal = threading.Lock()
        self._left = False

    @property
    def template(self) -> str:
        """See the Protocol."""
        return self._objects.template

    @property
    def endpoint(self) -> Endpoint:
        """The pod's own address."""
        return Endpoint(host="" if self._pod is None else self._pod.address, ports=self._ports)

    @property
    def generator_cpus(self) -> tuple[int, ...]:
        """Any: the server's CPUs are the cluster's to give."""
        return ()

    def begin(self) -> None:
        """Send the objects and follow them. Raises what ``Api`` raises; ``stop`` removes what was made."""
        self._own()
        core, apps = f"/api/v1/namespaces/{self._namespace}", f"/apis/apps/v1/namespaces/{self._namespace}"
        for path, body in self._objects.belonging_to(self._uid):
            self._api.apply(path, body)
        selector = {"labelSelector": f"{TRIAL}={self._objects.name}"}
        self._followers = [
            Follower(self._api, f"{core}/pods", selector, self._take_pods, self._break),
            Follower(self._api, f"{apps}/deployments", selector, self._take_deployment, self._break),
        ]

    def await_ready(self, patience: Patience) -> None:
        """Wait for the pod's own probes. Raises as ``Backend.start`` does."""
        began, running = time.monotonic(), None
        while True:
            with self._state:
                self._raise_trouble()
                pod = self._pod
                if pod is not None and pod.ready:
                    break
                if running is None and pod is not None and pod.container(self._container).running:
                    running = time.monotonic()
                limit = patience.deadline(pod, began, running)
                if time.monotonic() < limit:
                    self._state.wait(limit - time.monotonic())
                    continue
            self._give_up(pod, began, running, patience)
        self._followers[1].close()

    def set_ready(self) -> None:
        """From now on a failure is one under load."""
        with self._state:
            self._ready = True

    def never_ready(self, seconds: float) -> TrialFailedError:
        """The error for a server that is alive and does not say that it is ready."""
        said = self._probe_said()
        what = f"the server was alive but not ready after {seconds:g} s{f': {said}' if said else ''}"
        return TrialFailedError(Failed(failure=FailureKind.START_TIMEOUT, reason=self._with_log(what)))

    def check(self) -> None:
        """See the Protocol."""
        with self._state:
            if self._stopping:
                raise TrialFailedError(Failed(failure=FailureKind.DIED, reason="the server was stopped"))
            self._raise_trouble()

    def usage(self) -> Usage:
        """See the Protocol; ``None`` in it where the container has no shell."""
        reader = self._reading()
        if reader is not None:
            self._last = reader.look()
        return self._last

    @contextmanager
    def observe(self) -> Iterator[_Observation]:
        """See the Protocol. What else the node did meanwhile is not seen from here."""
        yield _Observation(self)

    def stop(self) -> None:
        """See the Protocol: one delete, and the wait until all that it removes is gone."""
        with self._removal:
            first = not self._stopping
            if first and self._ready:
                self.usage()
                self._save_log()
            with self._state:
                self._stopping = True
                self._state.notify_all()
            if self._reader is not None:
                self._reader.close()
            for follower in self._followers:
                follower.close()
            if self._uid:
                remove(self._api, self._namespace, self._objects.name, self._uid)
                self._uid = ""
            if not self._left:
                self._left = True
                self._removed()

    def _own(self) -> None:
        """Make the owner. One that a cut-off try of this very trial left goes first."""
        owners = f"/api/v1/namespaces/{self._namespace}/configmaps"
        for _ in range(2):
            made = self._api.create(owners, self._objects.owner)
            if made is not None:
                self._uid = str(made["metadata"]["uid"])
                return
            left = self._api.get(f"{owners}/{self._objects.name}")
            if left is not None:
                remove(self._api, self._namespace, self._objects.name, str(left["metadata"]["uid"]))
        raise TemporaryError(f"somebody else makes {self._namespace}/{self._objects.name}", delay=5.0)

    def _take_pods(self, what: str, found: tuple[Json, ...]) -> None:
        pods = [Pod.of(each) for each in found]
        with self._state:
            if self._pod is None and what != "gone" and pods:
                self._pod = pods[0]
            elif self._pod is not None:
                same = next((pod for pod in pods if pod.uid == self._pod.uid), None)
                if same is not None:
                    self._pod = same
                self._gone |= (what == "gone" and same is not None) or (what == "all" and same is None)
            self._state.notify_all()

    def _take_deployment(self, what: str, found: tuple[Json, ...]) -> None:
        with self._state:
            if what == "gone" or (what == "all" and not found):
                self._gone = True
            for each in found:
                conditions = (each.get("status") or {}).get("conditions") or []
                refused = [one for one in conditions if one["type"] == "ReplicaFailure" and one["status"] == "True"]
                self._refused = str(refused[0].get("message") or "") if refused else ""
            self._state.notify_all()

    def _break(self, error: TunerError) -> None:
        with self._state:
            self._broken = error
            self._state.notify_all()

    def _raise_trouble(self) -> None:
        if self._broken is not None:
            raise self._broken
        if self._pod is not None:
            ended = self._pod.container(self._container).ended
            said = self._probe_said() if ended is not None and ended.code in (137, 143) else ""
            trouble = diagnose(self._pod, self._container, memory=self._memory, ready=self._ready, probe=said)
            if trouble is not None:
                raise self._error(trouble)
        if self._gone:
            raise TemporaryError(f"{Cause.DELETED}: somebody removed the trial's objects", delay=5.0)
        if self._refused and self._pod is None and "exceeded quota" not in self._refused:
            raise UserError.of(f"the namespace refuses the pod: {self._refused}", "change the manifest or the rules")

    def _error(self, trouble: Trouble) -> Exception:
        if trouble.kind is None:
            return TemporaryError(trouble.reason, delay=5.0)
        return TrialFailedError(Failed(failure=trouble.kind, reason=self._with_log(trouble.reason)))

    def _give_up(self, pod: Pod | None, began: float, running: float | None, patience: Patience) -> None:
        waited = time.monotonic() - began
        if running is not None:
            raise self.never_ready(patience.start)
        if pod is None:
            if self._refused:
                raise TemporaryError(f"{Cause.QUOTA}: {self._refused} (waited {waited:.0f} s)", delay=10.0)
            raise TemporaryError(f"the cluster made no pod in {waited:.0f} s", delay=10.0)
        trouble = unschedulable(pod, waited)
        if trouble is not None:
            raise self._error(trouble)
        raise TemporaryError(f"the pod's image and set-up took longer than {waited:.0f} s", delay=10.0)

    def _reading(self) -> UseReader | None:
        with self._state:
            if self._reader is None and self._ready and not self._stopping and self._pod is not None:
                shell = Shell(self._api.source, self._namespace, self._pod.name, self._container, COMMAND)
                self._reader = UseReader(shell)
            return self._reader

    def _probe_said(self) -> str:
        """The kubelet's last words about the pod's probes; empty where there are none, or they cannot be read."""
        if self._pod is None:
            return ""
        path = f"/api/v1/namespaces/{self._namespace}/events"
        with suppress(TunerError):
            query = {"fieldSelector": f"involvedObject.uid={self._pod.uid},reason=Unhealthy"}
            told = [str(each.get("message") or "") for each in self._api.page(path, query).items]
            return next((text.strip() for text in reversed(told) if "probe failed" in text), "")
        return ""

    def _with_log(self, what: str) -> str:
        self._save_log()
        excerpt = log_excerpt(self.folder / LOG)
        return f"{what}\n{excerpt}" if excerpt else what

    def _save_log(self) -> None:
        """The end of the container's log, of the run that ended where it was started again, into the folder."""
        if self._pod is None:
            return
        path = f"/api/v1/namespaces/{self._namespace}/pods/{self._pod.name}/log"
        query = {"container": self._container, **_TAIL}
        if self._pod.container(self._container).restarts:
            query["previous"] = "true"
        with suppress(TunerError):
            write_whole(self.folder / LOG, self._api.text(path, query))


class _Observation:
    """Two looks at what the container used."""

    def __init__(self, server: PodServer) -> None:
        self._server = server
        self._began = time.monotonic()
        self._before = server.usage().cpu_seconds

    def end(self) -> Observed:
        """See the Protocol."""
        elapsed = time.monotonic() - self._began
        after = self._server.usage().cpu_seconds
        spent = None if after is None or self._before is None else max(after - self._before, 0.0)
        return Observed(use=ResourceUse(elapsed=elapsed, cpu_seconds=spent))
