"""Trials as pods of a staging cluster, each made from the very manifest that is later edited."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuner.engine.protocol import Engine
from tuner.engine.workload import Resources, Workload
from tuner.errors import UserError
from tuner.manifest.manifest import Manifest
from tuner.manifest.template import PodTemplate
from tuner.telemetry.logs import logger
from tuner.trial.folder import prepare_folder, write_whole
from tuner.trial.kubernetes.api import Api
from tuner.trial.kubernetes.holding import Holding, reap_namespace
from tuner.trial.kubernetes.objects import Staging, objects_of
from tuner.trial.kubernetes.patience import Patience
from tuner.trial.kubernetes.reference import pod_reference
from tuner.trial.kubernetes.server import PodServer, ServedAt
from tuner.trial.reference import ReferenceLoad

__all__ = ["STAGING", "KubernetesBackend"]

STAGING = "tuner/staging"
"""The label, with the value ``true``, without which a namespace is refused."""
_OBJECTS = "objects.json"
_POLL = 0.03

_log = logger("trial")


class KubernetesBackend:
    """Runs the servers that ``manifest`` describes in one namespace of one cluster.

    ``trials`` is where the folders of the trials go; the objects and the server's log are kept in them.
    ``reference_image`` is an image with ``python3``, for the reference load; without one the cluster's speed is not
    known.
    """

    name = "kubernetes"

    def __init__(
        self,
        trials: Path,
        api: Api,
        manifest: Manifest,
        staging: Staging,
        *,
        patience: Patience | None = None,
        reference_image: str | None = None,
    ) -> None:
        self._trials = trials
        self._api = api
        self._manifest = manifest
        self._staging = staging
        self._patience = Patience() if patience is None else patience
        self._reference_image = reference_image
        self._holding = Holding(api, staging.namespace)

    def generator_cpus(self, resources: Resources) -> tuple[int, ...]:  # noqa: ARG002 - any will do for all
        """See the Protocol."""
        return ()

    def start(self, engine: Engine, workload: Workload, model: Path, name: str) -> PodServer:  # noqa: ARG002
        """See the Protocol. ``workload`` is what the manifest can be edited to; the model is the one that it names."""
        self._refuse_production()
        template = PodTemplate.of(self._manifest.with_workload(workload))
        objects = objects_of(template, self._staging, lease=self._holding.name, trial=name)
        ports = ServedAt(template.pod, template.container).ports
        folder = prepare_folder(self._trials, name)
        write_whole(folder / _OBJECTS, objects.text)
        self._holding.enter()
        server = PodServer(
            self._api,
            self._staging.namespace,
            objects,
            ports,
            template.container,
            folder=folder,
            memory=workload.resources.memory,
            removed=self._holding.leave,
        )
        try:
            server.begin()
            server.await_ready(self._patience)
            self._await_engine(engine, server)
        except BaseException:
            server.stop()
            raise
        server.set_ready()
        return server

    @contextmanager
    def reference(self, resources: Resources) -> Iterator[ReferenceLoad]:
        """See the Protocol: a pod of its own on a node that the server may run on."""
        self._refuse_production()
        workload = self._manifest.workload
        self._holding.enter()
        try:
            with pod_reference(
                self._api, self._staging, self._holding.name, self._reference_image, resources, workload.node_selector
            ) as load:
                yield load
        finally:
            self._holding.leave()

    def reap(self) -> int:
        """See the Protocol: the trials in this namespace whose process has given no sign of life."""
        self._refuse_production()
        count = reap_namespace(self._api, self._staging.namespace)
        if count:
            _log.warning("removed trials that a killed tuner left behind", trials=count)
        return count

    def _refuse_production(self) -> None:
        """UserError for a namespace that is not there or not labelled as staging."""
        name = self._staging.namespace
        found = self._api.get(f"/api/v1/namespaces/{name}")
        if found is None:
            raise UserError.of(f"the cluster has no namespace {name}", "make it, or correct trials.namespace")
        if ((found["metadata"].get("labels")) or {}).get(STAGING) != "true":
            what = f"the namespace {name} is not labelled {STAGING}=true, so no trial may run in it"
            raise UserError.of(what, "name a staging namespace, or have its owner label it")

    def _await_engine(self, engine: Engine, server: PodServer) -> None:
        """The pod's probes say that it is ready; the engine has the last word, within the same time."""
        deadline = time.monotonic() + self._patience.start
        while not engine.ready(server.endpoint):
            server.check()
            if time.monotonic() > deadline:
                raise server.never_ready(self._patience.start)
            time.sleep(_POLL)
        server.check()
