"""What one container is started with, free of YAML and of any engine: the value that both of them read and write."""

from __future__ import annotations

from pydantic import Field

from tuner.value import Value, canonical_json, digest_of

__all__ = ["Resources", "Workload"]


class Resources(Value):
    """What one replica is given. ``gpus`` counts by extended resource, for example ``nvidia.com/mig-1g.10gb``.

    ``cpu`` in cores and ``memory`` in bytes; ``None`` where the manifest sets no limit.
    """

    cpu: float | None = None
    memory: int | None = None
    gpus: dict[str, int] = Field(default_factory=dict)


class Workload(Value):
    """The tunable part of a service's manifest.

    ``files`` are engine configuration files by the path that the container sees (mounted from a ConfigMap);
    ``node_selector`` holds the labels that a node must have, for example ``nvidia.com/gpu.product``.
    """

    image: str
    command: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)
    resources: Resources = Resources()
    replicas: int = 1
    node_selector: dict[str, str] = Field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Identity of everything that a trial runs: equal digests are equal configurations."""
        return digest_of(canonical_json(self.model_dump(mode="json")))

    def argument(self, flag: str) -> str | None:
        """The value of ``--flag=value`` or ``--flag value``; the last one wins, ``None`` where absent."""
        found = None
        for index, item in enumerate(self.arguments):
            if item.startswith(f"{flag}="):
                found = item.partition("=")[2]
            elif item == flag and index + 1 < len(self.arguments):
                found = self.arguments[index + 1]
        return found
