"""What the parts leave outside the state's folder, and mounts inside it."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path

from testbed.cluster.part import run
from testbed.cluster.place import Place
from tuner.errors import PermanentError

__all__ = ["Leftovers"]

_CODE = re.compile(r"\\([0-7]{3})")
_SHARED = (
    "/var/log/containers",
    "/var/lib/cni/results",
    "/var/lib/cni",
    "/run/containerd/s",
    "/run/containerd",
    "/var/lib/kubelet/device-plugins",
    "/var/lib/kubelet",
)
"""Folders with names that cannot be chosen; each goes where it is empty at the end."""


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Of a test bed whose processes have ended."""

    place: Place

    def remove(self) -> None:
        """Unmount, and remove links, rules and sockets; PermanentError where a mount stays."""
        for mount in self._mounts():
            run("umount", "--lazy", mount)
        if left := self._mounts():
            raise PermanentError(f"a mount stays: {left[0]}")
        if (self.place.run / "proxy").exists():
            for family in ("ip", "ip6"):
                run("nft", "-f", "-", given=f"add table {family} kube-proxy\ndelete table {family} kube-proxy\n")
        for link in Path("/var/log/containers").glob("*.log"):
            if link.is_symlink() and str(link.readlink()).startswith(f"{self.place.log}/"):
                link.unlink()
        for noted in Path("/var/lib/cni/results").glob("cni-loopback-*"):  # of pods that had no time to end
            if f"{self.place.state}{os.sep}" in noted.read_text():
                noted.unlink(missing_ok=True)
        for found in (*Path("/run/containerd/s").glob("*"), Path("/var/lib/kubelet/device-plugins/kubelet.sock")):
            if found.is_socket() and not _listens(found):
                found.unlink(missing_ok=True)
        for folder in _SHARED:
            try:
                Path(folder).rmdir()
            except OSError:  # not there, or somebody else's things are in it
                continue

    def _mounts(self) -> list[str]:
        """Deepest first."""
        lines = Path("/proc/self/mounts").read_text().splitlines()
        targets = (_CODE.sub(lambda code: chr(int(code[1], 8)), line.split(" ")[1]) for line in lines)
        return sorted((each for each in targets if each.startswith(f"{self.place.state}{os.sep}")), reverse=True)


def _listens(path: Path) -> bool:
    """Whether a socket is in use: a shim's is named by a digest, kubelet's is the same for all."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
    return True
