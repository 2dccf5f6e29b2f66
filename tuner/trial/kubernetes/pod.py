"""A pod's status as the kubelet and the controllers tell it, read from JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Ended", "Pod", "PodContainer"]


@dataclass(frozen=True, slots=True)
class Ended:
    """One run of a container that is over."""

    code: int
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class PodContainer:
    """One container: whether it runs, why it waits, how it ended last."""

    name: str
    image: str = ""
    running: bool = False
    ready: bool = False
    restarts: int = 0
    waiting: str = ""
    """The reason, for example ``ImagePullBackOff``; empty where it does not wait."""
    why: str = ""
    """More about the waiting."""
    ended: Ended | None = None

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> PodContainer:
        state, last = raw.get("state") or {}, raw.get("lastState") or {}
        waiting = state.get("waiting") or {}
        ended = state.get("terminated") or last.get("terminated")
        return cls(
            name=str(raw.get("name")),
            image=str(raw.get("image") or ""),
            running=bool(state.get("running")),
            ready=bool(raw.get("ready")),
            restarts=int(raw.get("restartCount") or 0),
            waiting=str(waiting.get("reason") or ""),
            why=str(waiting.get("message") or ""),
            ended=None if not ended else _ended(ended),
        )


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a pod."""

    status: str
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod at one moment."""

    name: str
    uid: str
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    address: str = ""
    node: str = ""
    deleting: bool = False
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    containers: tuple[PodContainer, ...] = ()
    init_containers: tuple[PodContainer, ...] = ()

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Pod:
        """A ``v1.Pod``."""
        metadata, status = raw["metadata"], raw.get("status") or {}
        return cls(
            name=str(metadata["name"]),
            uid=str(metadata["uid"]),
            phase=str(status.get("phase") or "Pending"),
            reason=str(status.get("reason") or ""),
            message=str(status.get("message") or ""),
            address=str(status.get("podIP") or ""),
            node=str((raw.get("spec") or {}).get("nodeName") or ""),
            deleting=metadata.get("deletionTimestamp") is not None,
            conditions={
                str(each.get("type")): Condition(
                    str(each.get("status")), str(each.get("reason") or ""), str(each.get("message") or "")
                )
                for each in status.get("conditions") or []
            },
            containers=tuple(PodContainer.of(each) for each in status.get("containerStatuses") or []),
            init_containers=tuple(PodContainer.of(each) for each in status.get("initContainerStatuses") or []),
        )

    def container(self, name: str) -> PodContainer:
        """The container of that name; one that nothing is known of yet where there is none."""
        return next((each for each in self.containers if each.name == name), PodContainer(name))

    def told(self, condition: str, status: str) -> Condition | None:
        """The condition where it has this status."""
        found = self.conditions.get(condition)
        return found if found is not None and found.status == status else None

    @property
    def ready(self) -> bool:
        """By its own probes, all containers."""
        return self.told("Ready", "True") is not None and not self.deleting


def _ended(raw: Mapping[str, Any]) -> Ended:
    return Ended(int(raw.get("exitCode") or 0), str(raw.get("reason") or ""), str(raw.get("message") or ""))
