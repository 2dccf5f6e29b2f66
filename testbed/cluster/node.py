"""containerd, kubelet and kube-proxy: what runs the pods."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import requests
import yaml

from testbed.cluster.api import Api
from testbed.cluster.cgroups import Cgroups
from testbed.cluster.part import Daemon, run
from testbed.cluster.place import Place
from testbed.toolbox import Toolbox
from tuner.errors import PermanentError

__all__ = ["PAUSE", "Node", "plugins"]

PAUSE = "localhost/pause:1"
_CONTAINERD = """\
version = 2
root = "{data}/containerd"
state = "{run}/containerd"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{data}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  enable_selinux = false
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        Root = "{run}/runc"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{etc}/cni"
"""
"""``restrict_oom_score_adj``: without CAP_SYS_RESOURCE a sandbox could not be made."""


def plugins() -> Path | None:
    """Where the CNI plugins are: Debian's folder, or the one of everybody else."""
    return next(
        (folder for folder in map(Path, ("/usr/lib/cni", "/opt/cni/bin")) if (folder / "bridge").exists()), None
    )


@dataclass(frozen=True, slots=True)
class Node:
    """Makes the parts of the one node."""

    place: Place
    box: Toolbox

    def containerd(self) -> Daemon:
        """Debian's, with folders and socket of its own."""
        place = self.place

        def command() -> list[str | Path]:
            config = place.etc / "containerd.toml"
            folders = {"data": place.data, "run": place.run, "etc": place.etc, "socket": place.containerd}
            config.write_text(_CONTAINERD.format(**folders, pause=PAUSE, plugins=plugins()))
            return ["containerd", "--config", config]

        return Daemon(place, "containerd", command, self._containerd_answers)

    def kubelet(self) -> Daemon:
        """Ready when its node is."""
        place = self.place

        def command() -> list[str | Path]:
            Cgroups(place).make()
            config = place.etc / "kubelet.yaml"
            config.write_text(yaml.safe_dump(self._kubelet_settings()))
            return [
                self.box.path("kubelet"),
                f"--config={config}",
                f"--kubeconfig={place.etc / 'kubelet.conf'}",
                f"--root-dir={place.data / 'kubelet'}",
                f"--cert-dir={place.run / 'kubelet'}",
                f"--hostname-override={place.node}",
                f"--node-ip={place.address}",
            ]

        return Daemon(place, "kubelet", command, self._node_is_ready)

    def proxy(self) -> Daemon:
        """Cluster addresses, by nftables."""
        place = self.place

        def command() -> list[str | Path]:
            (place.run / "proxy").touch()
            return [
                self.box.path("kube-proxy"),
                f"--kubeconfig={place.etc / 'proxy.conf'}",
                f"--hostname-override={place.node}",
                "--proxy-mode=nftables",
                f"--cluster-cidr={place.subnet}",
                f"--bind-address={place.address}",
                f"--healthz-bind-address={place.address}:10256",
                f"--metrics-bind-address={place.address}:10249",
                "--conntrack-max-per-core=0",
                "--conntrack-tcp-timeout-established=0",
                "--conntrack-tcp-timeout-close-wait=0",
                "--oom-score-adj=0",
            ]

        return Daemon(place, "proxy", command, lambda: _healthy(f"http://{place.address}:10256/healthz"))

    def _containerd_answers(self) -> bool:
        try:
            run("ctr", "--address", self.place.containerd, "--timeout", "2s", "version")
        except PermanentError:
            return False
        return True

    def _node_is_ready(self) -> bool:
        try:
            node = Api(self.place).get(f"/api/v1/nodes/{self.place.node}")
        except PermanentError:
            return False
        conditions = node.get("status", {}).get("conditions", ())
        told = {condition["type"]: condition["status"] for condition in conditions}
        return told.get("Ready") == "True" and _healthy(f"http://{self.place.address}:10248/healthz")

    def _kubelet_settings(self) -> dict[str, object]:
        place = self.place
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": str(place.address),
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(place.pki / "ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(place.pki / "kubelet.crt"),
            "tlsPrivateKeyFile": str(place.pki / "kubelet.key"),
            "containerRuntimeEndpoint": f"unix://{place.containerd}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{place.name}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "makeIPTablesUtilChains": False,
            "resolvConf": "",
            "podLogsDir": str(place.log / "pods"),
            "volumePluginDir": str(place.data / "volume-plugins"),
            "healthzBindAddress": str(place.address),
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "imageMinimumGCAge": "24h",
            "evictionHard": {
                "memory.available": "100Mi",
                "nodefs.available": "1%",
                "imagefs.available": "1%",
                "nodefs.inodesFree": "1%",
            },
            "nodeStatusUpdateFrequency": "4s",
            "nodeLeaseDurationSeconds": 20,
            "oomScoreAdj": 0,
        }


def _healthy(url: str) -> bool:
    session = requests.Session()
    session.trust_env = False
    try:
        return session.get(url, timeout=5).ok
    except requests.RequestException:
        return False
