"""The bridge that is node, API server and gateway of the pods, and the kernel's settings; all put back at the end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from testbed.cluster.part import run
from testbed.cluster.place import Place
from tuner.errors import PermanentError, UserError

__all__ = ["Bridge", "KernelSettings"]

_WANTED: Mapping[str, str] = {"net/ipv4/ip_forward": "1", "net/bridge/bridge-nf-call-iptables": "1"}
"""Forwarding for cluster addresses; bridged packets pass the rules, else answers within the bridge bypass them."""
_TOUCHED = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
)
_TOUCHED_BYTES = ("kernel/keys/root_maxbytes",)
"""What kubelet changes when it starts."""
_SYS = Path("/proc/sys")


@dataclass(frozen=True, slots=True)
class KernelSettings:
    """Settings under ``/proc/sys`` that the cluster needs or changes; ``stop`` restores what was found first."""

    place: Place
    name: str = "kernel"

    def start(self) -> None:
        """Write down what is found, once, then set what is needed."""
        if not self._note.is_file():
            found = {key: text for key in (*_WANTED, *_TOUCHED, *_TOUCHED_BYTES) if (text := _read(key)) is not None}
            scratch = self._note.with_suffix(".new")
            scratch.write_text(json.dumps(found))
            scratch.replace(self._note)
        for key, value in _WANTED.items():
            if _read(key) not in (None, value):
                (_SYS / key).write_text(value)

    def ready(self) -> bool:
        """Each is as needed, where the kernel has it."""
        return all(_read(key) in (None, value) for key, value in _WANTED.items()) and self._note.is_file()

    def stop(self) -> None:
        """Put back what was found."""
        if not self._note.is_file():
            return
        for key, value in json.loads(self._note.read_text()).items():
            if _read(key) not in (None, value):
                (_SYS / key).write_text(value)
        self._note.unlink()

    def logs(self) -> None:
        """It has none."""

    @property
    def _note(self) -> Path:
        return self.place.run / "kernel.json"


@dataclass(frozen=True, slots=True)
class Bridge:
    """The bridge, and a rule that keeps the pods' packets on this machine."""

    place: Place
    name: str = "network"

    def start(self) -> None:
        """Make both; UserError where another interface has these addresses already."""
        place = self.place
        self._refuse_overlap()
        if not _link(place.bridge):
            run("ip", "link", "add", place.bridge, "type", "bridge")
        run("ip", "address", "replace", f"{place.address}/{place.subnet.prefixlen}", "dev", place.bridge)
        run("ip", "link", "set", place.bridge, "up")
        run("ip", "link", "set", "lo", "up")
        run("nft", "-f", "-", given=self._rules())
        (place.etc / "cni").mkdir(exist_ok=True)
        (place.etc / "cni" / "10-bridge.conflist").write_text(json.dumps(self._plugins(), indent=1))

    def ready(self) -> bool:
        """Both are there."""
        return _link(self.place.bridge) and _table("inet", self._table)

    def stop(self) -> None:
        """Remove both, with the pods' ends that still hang on the bridge."""
        if _link(self.place.bridge):
            run("ip", "link", "delete", self.place.bridge)
        if _table("inet", self._table):
            run("nft", "delete", "table", "inet", self._table)
        for left in Path("/var/lib/cni/results").glob(f"{self.place.name}-pods-*"):
            left.unlink(missing_ok=True)

    def logs(self) -> None:
        """It has none."""

    @property
    def _table(self) -> str:
        return self.place.name

    def _rules(self) -> str:
        bridge, table = self.place.bridge, self._table
        return (
            f"add table inet {table}\nflush table inet {table}\ntable inet {table} {{\n chain stay {{\n"
            f"  type filter hook forward priority 10; policy accept;\n"
            f'  iifname "{bridge}" oifname != "{bridge}" drop\n }}\n}}\n'
        )

    def _plugins(self) -> Mapping[str, object]:
        ranges = [[{"subnet": str(self.place.subnet), "gateway": str(self.place.address)}]]
        addresses = {
            "type": "host-local",
            "dataDir": str(self.place.run / "ipam"),
            "ranges": ranges,
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        bridge = {
            "type": "bridge",
            "bridge": self.place.bridge,
            "isGateway": True,
            "ipMasq": False,
            "hairpinMode": True,
            "ipam": addresses,
        }
        return {"cniVersion": "0.4.0", "name": f"{self.place.name}-pods", "plugins": [bridge]}

    def _refuse_overlap(self) -> None:
        for route in json.loads(run("ip", "-json", "-4", "route", "show") or "[]"):
            target = route.get("dst", "default")
            if target == "default" or route.get("dev") == self.place.bridge:
                continue
            if self.place.subnet.overlaps(type(self.place.subnet)(target, strict=False)):
                raise UserError.of(
                    f"{route.get('dev')} has {target}, which overlaps the pods' {self.place.subnet}",
                    "give another range by --subnet",
                )


def _read(key: str) -> str | None:
    try:
        return (_SYS / key).read_text().strip()
    except OSError:
        return None


def _link(name: str) -> bool:
    return _quiet("ip", "link", "show", name)


def _table(family: str, name: str) -> bool:
    return _quiet("nft", "list", "table", family, name)


def _quiet(*command: str) -> bool:
    try:
        run(*command)
    except PermanentError:
        return False
    return True
