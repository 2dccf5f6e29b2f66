"""The lease as a Kubernetes ``Lease`` object: swapped under its resource version.

``leaseTransitions`` is the fence; the beat is kept in an annotation, because a renewal time is a clock's word and a
clock may be wrong. Needs get, create and update on ``leases`` of ``coordination.k8s.io`` in one namespace.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from tuner.errors import PermanentError, TemporaryError
from tuner.watch.lease import LeaseRecord

__all__ = ["KubernetesLease", "cluster"]

_BEAT = "tuner/beat"
_SECONDS = "tuner/seconds"
_TIMEOUT = 5.0


def cluster() -> client.ApiClient:
    """A client of the cluster that this process runs in, or else of the kubeconfig. PermanentError for neither."""
    try:
        config.load_incluster_config()  # type: ignore[no-untyped-call]
    except ConfigException:
        try:
            config.load_kube_config()  # type: ignore[no-untyped-call]
        except (ConfigException, OSError) as error:
            raise PermanentError(f"no Kubernetes cluster can be reached: {error}") from error
    return client.ApiClient()


class KubernetesLease:
    """A ``LeaseStore`` for one object."""

    def __init__(self, api: client.ApiClient, namespace: str, name: str) -> None:
        self._leases = client.CoordinationV1Api(api)
        self._namespace = namespace
        self._name = name
        self._versions: dict[LeaseRecord | None, str] = {}

    def read(self) -> LeaseRecord | None:
        found = self._call("read_namespaced_lease", self._name, self._namespace, absent=True)
        if found is None:
            return None
        record = _record(found)
        self._versions = {record: found.metadata.resource_version}
        return record

    def swap(self, old: LeaseRecord | None, new: LeaseRecord) -> bool:
        body = client.V1Lease(
            metadata=client.V1ObjectMeta(
                name=self._name,
                namespace=self._namespace,
                annotations={_BEAT: str(new.beat), _SECONDS: repr(new.seconds)},
                resource_version=None if old is None else self._versions.get(old),
            ),
            spec=client.V1LeaseSpec(
                holder_identity=new.holder,
                lease_duration_seconds=max(1, round(new.seconds)),
                lease_transitions=new.fence,
                renew_time=datetime.now(UTC),
            ),
        )
        if old is None:
            return self._call("create_namespaced_lease", self._namespace, body, absent=True) is not None
        if old not in self._versions:
            return False
        return self._call("replace_namespaced_lease", self._name, self._namespace, body, absent=True) is not None

    def _call(self, method: str, *arguments: Any, absent: bool) -> Any:
        """What the API server answers; None for not found and for a lost race, where ``absent``."""
        try:
            return getattr(self._leases, method)(*arguments, _request_timeout=_TIMEOUT)
        except ApiException as error:
            if absent and error.status in (404, 409):
                return None
            text = f"the Kubernetes API refuses the lease {self._namespace}/{self._name}: {error.status} {error.reason}"
            if error.status in (401, 403):
                raise PermanentError(f"{text} (allow get, create and update on leases)") from error
            raise TemporaryError(text) from error
        except (HTTPError, OSError) as error:
            raise TemporaryError(f"the Kubernetes API does not answer: {type(error).__name__}") from error


def _record(found: Any) -> LeaseRecord:
    notes = found.metadata.annotations or {}
    spec = found.spec
    try:
        beat, seconds = int(notes.get(_BEAT, "0")), float(notes.get(_SECONDS) or spec.lease_duration_seconds or 15)
    except ValueError:
        beat, seconds = 0, 15.0
    return LeaseRecord(spec.holder_identity or "", spec.lease_transitions or 0, beat, seconds)
