"""The boards that the node claims to have: emulated MIG slices in its status, with the labels of GPU feature discovery.

No such board is in the machine. A count of slices makes scheduler and quota work as on a real one; how fast a slice is
comes from ``testbed.cluster.compute``, which is an emulation too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from testbed.cluster.api import Api
from testbed.cluster.place import Place
from tuner.errors import PermanentError, UserError

__all__ = ["BOARD", "PREFIX", "PROFILES", "Profile", "Slices", "parse_stock"]

PREFIX = "nvidia.com/mig-"


@dataclass(frozen=True, slots=True)
class Profile:
    """One MIG profile: ``compute`` of a board's 7 slices, ``sms`` multiprocessors, ``most`` on one board."""

    compute: int
    sms: int
    most: int


@dataclass(frozen=True, slots=True)
class Board:
    """A kind of board: the label that it gives its node, and its multiprocessors."""

    product: str
    family: str
    memory: int
    sms: int


BOARD = Board("NVIDIA-H100-80GB-HBM3", "hopper", 81559, 132)
"""``memory`` in MiB, as its label has it."""
PROFILES: Mapping[str, Profile] = {
    "1g.10gb": Profile(1, 16, 7),
    "1g.20gb": Profile(1, 26, 4),
    "2g.20gb": Profile(2, 32, 3),
    "3g.40gb": Profile(3, 60, 2),
    "4g.40gb": Profile(4, 64, 1),
    "7g.80gb": Profile(7, 132, 1),
}
"""H100 80GB: NVIDIA/mig-parted ``deployments/systemd/config-default.yaml`` and NVIDIA's "Supported MIG Profiles"."""
_STOCK: Mapping[str, int] = {"1g.10gb": 7, "2g.20gb": 3, "3g.40gb": 2, "4g.40gb": 1, "7g.80gb": 1}
"""Five boards, each cut into one kind of slice."""


def parse_stock(text: str | None) -> Mapping[str, int]:
    """Slices such as ``1g.10gb=7,3g.40gb=2``; UserError for a profile that this board has not."""
    if text is None:
        return _STOCK
    found: dict[str, int] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"([\w.+]+)=(\d{1,3})", item)
        if match is None or match[1] not in PROFILES:
            raise UserError.of(
                f"{item!r} is no slice of {BOARD.product}", f"write PROFILE=COUNT: {', '.join(PROFILES)}"
            )
        found[match[1]] = int(match[2])
    return found


@dataclass(frozen=True, slots=True)
class Slices:
    """The node's status and labels."""

    place: Place
    stock: Mapping[str, int]
    name: str = "slices"

    def start(self) -> None:
        """State them; the node must be registered."""
        api, node = Api(self.place), f"/api/v1/nodes/{self.place.node}"
        present = api.get(node)
        capacity = present["status"].get("capacity", {})
        gone = {resource: None for resource in capacity if resource.startswith(PREFIX)}
        amounts = {**gone, **{f"{PREFIX}{profile}": str(count) for profile, count in self.stock.items()}}
        api.patch(f"{node}/status", {"status": {"capacity": amounts, "allocatable": amounts}})
        old = {label: None for label in present["metadata"].get("labels", {}) if label.startswith("nvidia.com/")}
        api.patch(node, {"metadata": {"labels": {**old, **self._labels()}}})

    def ready(self) -> bool:
        """The scheduler may give each of them."""
        try:
            found = Api(self.place).get(f"/api/v1/nodes/{self.place.node}")["status"].get("allocatable", {})
        except PermanentError:
            return False
        wanted = {f"{PREFIX}{profile}": str(count) for profile, count in self.stock.items()}
        return {name: value for name, value in found.items() if name.startswith(PREFIX) and value != "0"} == wanted

    def stop(self) -> None:
        """They go with the node."""

    def logs(self) -> None:
        """It has none."""

    def _labels(self) -> Mapping[str, str]:
        """As GPU feature discovery writes them for the strategy ``mixed``."""
        boards = sum(-(-count // PROFILES[profile].most) for profile, count in self.stock.items())
        labels = {
            "nvidia.com/gpu.present": "true",
            "nvidia.com/gpu.product": BOARD.product,
            "nvidia.com/gpu.family": BOARD.family,
            "nvidia.com/gpu.memory": str(BOARD.memory),
            "nvidia.com/gpu.count": str(boards),
            "nvidia.com/gpu.replicas": "1",
            "nvidia.com/gpu.sharing-strategy": "none",
            "nvidia.com/mig.capable": "true",
            "nvidia.com/mig.strategy": "mixed",
            "nvidia.com/mig.config": "custom",
            "nvidia.com/mig.config.state": "success",
        }
        for profile, count in self.stock.items():
            prefix, about = f"{PREFIX}{profile}", PROFILES[profile]
            labels |= {
                f"{prefix}.count": str(count),
                f"{prefix}.product": f"{BOARD.product}-MIG-{profile}",
                f"{prefix}.multiprocessors": str(about.sms),
                f"{prefix}.slices.gi": str(about.compute),
                f"{prefix}.slices.ci": str(about.compute),
                f"{prefix}.replicas": "1",
                f"{prefix}.sharing-strategy": "none",
            }
        return labels
