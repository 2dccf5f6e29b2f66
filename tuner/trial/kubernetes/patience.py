"""How long each part of a pod's start may take."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.trial.kubernetes.pod import Pod

__all__ = ["Patience"]


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. ``schedule``: for quota and a node; ``image``: for image, volumes and init containers after that.

    ``start``: from the server's own start until it is ready. Only that one is the configuration's.
    """

    schedule: float = 120.0
    image: float = 600.0
    start: float = 120.0

    def deadline(self, pod: Pod | None, began: float, running: float | None) -> float:
        """Until when to wait in the state that the pod is in; ``running`` is when its server was first seen to run."""
        if running is not None:
            return running + self.start
        if pod is None or not pod.node:
            return began + self.schedule
        return began + self.schedule + self.image
