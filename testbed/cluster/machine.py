"""Can this machine hold a cluster? Everything that is missing, in one line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from testbed.cluster.node import plugins
from testbed.cluster.part import marked
from testbed.cluster.place import Place
from tuner.errors import UserError

__all__ = ["check"]

_PROGRAMS = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "nft": "nftables",
    "ip": "iproute2",
    "busybox": "busybox-static",
    "umount": "mount",
}
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


def check(place: Place) -> None:
    """UserError where the machine is not Linux, the user not root, a package is missing, or another cluster is here."""
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:{_SBIN}"
    if sys.platform != "linux":
        raise UserError.of("the test bed runs on Linux only", "give an existing cluster by --kubeconfig")
    if os.geteuid() != 0:
        raise UserError.of("the test bed needs root", "run it by sudo, or give an existing cluster by --kubeconfig")
    missing = {package for program, package in _PROGRAMS.items() if shutil.which(program) is None}
    missing |= set() if plugins() else {"containernetworking-plugins"}
    if missing:
        names = " ".join(sorted(missing))
        raise UserError.of(f"the test bed lacks {names}", f"apt-get install --no-install-recommends {names}")
    if not Path("/sys/fs/cgroup").is_dir():
        raise UserError.of("there are no control groups", "mount /sys/fs/cgroup")
    for module in ("overlay", "br_netfilter", "nf_tables"):  # built in, or loaded already, on many machines
        subprocess.run(["modprobe", "--quiet", module], check=False, capture_output=True) if shutil.which(
            "modprobe"
        ) else None
    if "overlay" not in Path("/proc/filesystems").read_text():
        raise UserError.of("the kernel lacks overlayfs", "give an existing cluster by --kubeconfig")
    done = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True)
    if done.returncode != 0:
        raise UserError.of("the kernel lacks nf_tables, or this user may not use it", "give a cluster by --kubeconfig")
    if "kube-proxy" in done.stdout and not (place.run / "proxy").exists() and not marked(place):
        raise UserError.of("another Kubernetes runs on this machine", "give it by --kubeconfig, or stop it first")
