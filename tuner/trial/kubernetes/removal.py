"""Removing a trial: one delete of its owner, and the wait until everything that it owns is gone."""

from __future__ import annotations

import threading
import time

from tuner.errors import TemporaryError
from tuner.trial.kubernetes.api import Api

__all__ = ["GRACE", "remove"]

GRACE = 1
"""Seconds that a pod which is no longer needed has to end."""
_PATIENCE = 60.0
_PAUSE = 1.0


def remove(api: Api, namespace: str, name: str, uid: str) -> None:
    """Delete the owner ``name`` of this ``uid`` and wait until it is gone, which it is after all that it owns.

    Its pods are not given their whole grace: nobody talks to them. An API server that does not answer is waited for.
    TemporaryError where something is still there after a minute.
    """
    deadline = time.monotonic() + _PATIENCE
    owner = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
    while True:
        try:
            if not api.delete(owner, propagation="Foreground", uid=uid) or _gone(api, namespace, name, uid, deadline):
                return
        except TemporaryError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)
            continue
        if time.monotonic() > deadline:
            raise TemporaryError(f"the trial {namespace}/{name} is still being removed", delay=10.0)


def _gone(api: Api, namespace: str, name: str, uid: str, deadline: float) -> bool:
    """Follow the pods, ending each as soon as it is told to, then the owner; whether it is gone in time."""
    pods = f"/api/v1/namespaces/{namespace}/pods"
    if not _emptied(api, pods, {"labelSelector": f"tuner/trial={name}"}, deadline, end=True):
        return False
    found = api.get(f"/api/v1/namespaces/{namespace}/configmaps/{name}")
    if found is None or found["metadata"]["uid"] != uid:
        return True
    owners = {"fieldSelector": f"metadata.name={name}"}
    return _emptied(api, f"/api/v1/namespaces/{namespace}/configmaps", owners, deadline, end=False)


def _emptied(api: Api, path: str, query: dict[str, str], deadline: float, *, end: bool) -> bool:
    """Wait until nothing matches; with ``end``, objects that are told to go are given ``GRACE`` seconds only."""
    while time.monotonic() < deadline:
        page = api.page(path, query)
        left = {str(item["metadata"]["name"]): item for item in page.items}
        ended: set[str] = set()
        for item in page.items if end else ():
            _end(api, path, item, ended)
        if not left:
            return True
        watch = api.watch(path, query, page.version)
        timer = threading.Timer(max(0.0, deadline - time.monotonic()), watch.close)
        timer.daemon = True
        timer.start()
        try:
            for kind, item in watch:
                if kind == "ERROR":
                    break
                if kind == "DELETED":
                    left.pop(str(item["metadata"]["name"]), None)
                elif end:
                    left[str(item["metadata"]["name"])] = item
                    _end(api, path, item, ended)
                if not left:
                    return True
        finally:
            timer.cancel()
            watch.close()
    return False


def _end(api: Api, path: str, item: dict[str, object], ended: set[str]) -> None:
    metadata = item["metadata"]
    assert isinstance(metadata, dict)  # noqa: S101 - the API's own shape
    name = str(metadata["name"])
    if metadata.get("deletionTimestamp") and name not in ended:
        ended.add(name)
        api.delete(f"{path}/{name}", grace=GRACE, uid=str(metadata["uid"]))
