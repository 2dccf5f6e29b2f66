"""What is wrong with a trial's pod, and whose fault it is: the configuration's, or the cluster's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tuner.trial.kubernetes.pod import Pod, PodContainer
from tuner.trial.outcome import FailureKind

__all__ = ["Cause", "Trouble", "diagnose", "unschedulable"]


class Cause(StrEnum):
    """Why a server is not there. The ledger has it as the first words of the reason."""

    UNSCHEDULABLE = "unschedulable"
    IMAGE_PULL = "image pull"
    SETUP = "set-up"
    CRASH = "crash"
    CRASH_LOOP = "crash loop"
    OUT_OF_MEMORY = "OOMKilled"
    PROBE = "probe failure"
    EVICTED = "evicted"
    PREEMPTED = "preempted"
    DELETED = "deleted"
    NODE_LOST = "node lost"
    QUOTA = "quota refused"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happened. ``kind`` where the configuration is at fault; ``None``: the cluster is, so it is tried again."""

    cause: Cause
    what: str
    kind: FailureKind | None = None

    @property
    def reason(self) -> str:
        """For people, in one line."""
        return f"{self.cause}: {self.what}"


_IMAGE = frozenset({"ErrImageNeverPull", "ImagePullBackOff", "ImageInspectError", "InvalidImageName"})
_SETUP = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_DISRUPTED = {
    "PreemptionByScheduler": Cause.PREEMPTED,
    "EvictionByEvictionAPI": Cause.EVICTED,
    "TerminationByKubelet": Cause.EVICTED,
    "DeletionByTaintManager": Cause.NODE_LOST,
    "DeletionByPodGC": Cause.NODE_LOST,
}
_KILLED = (137, 143)


def diagnose(pod: Pod, container: str, *, memory: int | None, ready: bool, probe: str = "") -> Trouble | None:
    """What is wrong with this pod now; ``None`` where nothing is, so far.

    ``memory`` is the container's limit in bytes, ``ready`` whether the server had been ready, ``probe`` what the
    kubelet said of a probe for which it killed the container (an event; empty where it said nothing).
    """
    disrupted = _disrupted(pod)
    if disrupted is not None:
        return disrupted
    server = pod.container(container)
    ended = _ended(server, memory, ready=ready, probe=probe)
    if ended is not None:
        return ended
    for each in (*pod.init_containers, *pod.containers):
        if each.waiting in _IMAGE:
            return Trouble(Cause.IMAGE_PULL, f"the image {each.image or 'of ' + each.name}: {each.why or each.waiting}")
        if each.waiting in _SETUP:
            return Trouble(Cause.SETUP, f"the container {each.name} cannot be created: {each.why or each.waiting}")
        if each.name != container and each.ended is not None and (each.ended.code or each.restarts):
            what = f"the container {each.name} beside the server exited with code {each.ended.code}"
            return Trouble(Cause.CRASH, what)
    if pod.deleting or pod.phase == "Failed":
        return Trouble(Cause.DELETED, pod.message or "somebody removed the pod")
    if ready and server.ready and pod.told("Ready", "False"):
        return Trouble(Cause.NODE_LOST, f"the node {pod.node} does not report any more")
    return None


def unschedulable(pod: Pod, seconds: float) -> Trouble | None:
    """That no node takes the pod, with the scheduler's words for what is missing; ``None`` where one has it."""
    found = pod.told("PodScheduled", "False")
    if found is None:
        return None
    missing = found.message.partition(" preemption:")[0].rstrip(". ") or "no node takes the pod"
    return Trouble(Cause.UNSCHEDULABLE, f"{missing} (waited {seconds:.0f} s)")


def _disrupted(pod: Pod) -> Trouble | None:
    target = pod.told("DisruptionTarget", "True")
    if target is not None:
        cause = _DISRUPTED.get(target.reason, Cause.DELETED)
        return Trouble(cause, target.message or pod.message or target.reason)
    if pod.reason == "Evicted":
        return Trouble(Cause.EVICTED, pod.message or "the kubelet evicted the pod")
    if pod.reason == "NodeLost":
        return Trouble(Cause.NODE_LOST, pod.message or f"the node {pod.node} is lost")
    if pod.phase == "Failed" and pod.reason not in ("", "Error"):
        return Trouble(Cause.DELETED, f"{pod.reason}: {pod.message}".rstrip(": "))
    return None


def _ended(server: PodContainer, memory: int | None, *, ready: bool, probe: str) -> Trouble | None:
    if server.ended is None:
        return None
    when = "under load" if ready else "before it was ready"
    if server.ended.reason == "OOMKilled":
        limit = "its node's memory" if memory is None else f"its memory limit of {memory / 2**20:.0f} MiB"
        what = f"the server passed {limit} {when} and was killed"
        return Trouble(Cause.OUT_OF_MEMORY, what, FailureKind.OUT_OF_MEMORY)
    kind = FailureKind.DIED if ready else FailureKind.START
    if probe and server.ended.code in _KILLED:
        return Trouble(Cause.PROBE, f"the server was killed {when}: {probe}", kind)
    more = f" ({server.ended.message})" if server.ended.message else ""
    looping = server.waiting == "CrashLoopBackOff"
    again = f", {server.restarts} times" if server.restarts > 1 else ""
    what = f"the server exited {when} with code {server.ended.code}{again}{more}"
    return Trouble(Cause.CRASH_LOOP if looping else Cause.CRASH, what, kind)
