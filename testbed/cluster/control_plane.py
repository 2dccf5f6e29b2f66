"""etcd, the API server, the controllers and the scheduler."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from testbed.cluster.api import Api, answers
from testbed.cluster.part import Daemon
from testbed.cluster.place import Place
from testbed.toolbox import Toolbox

__all__ = ["ControlPlane"]

_LOST = 20
"""Seconds after which a silent node counts as lost, and then until its pods are evicted. Kubernetes waits longer; a
test bed's node does not lose its way."""


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """Makes the parts. All listen on the bridge only, with certificates of the cluster's authority."""

    place: Place
    box: Toolbox

    def etcd(self) -> Daemon:
        """The store; without fsync, since nothing of it outlives the test bed."""
        place, url = self.place, f"https://{self.place.address}:2379"
        peer = f"https://{place.address}:2380"

        def command() -> list[str | Path]:
            return [
                self.box.path("etcd"),
                f"--data-dir={place.data / 'etcd'}",
                f"--listen-client-urls={url}",
                f"--advertise-client-urls={url}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
                *self._tls("etcd", "--cert-file", "--key-file"),
                *self._tls("etcd", "--peer-cert-file", "--peer-key-file"),
                f"--trusted-ca-file={place.pki / 'ca.crt'}",
                f"--peer-trusted-ca-file={place.pki / 'ca.crt'}",
                "--client-cert-auth",
                "--peer-client-cert-auth",
                "--unsafe-no-fsync=true",
                "--log-level=warn",
            ]

        return Daemon(place, "etcd", command, lambda: answers(place, f"{url}/health"))

    def api_server(self) -> Daemon:
        """Ready with its default service account, without which no pod may be made."""
        place, pki = self.place, self.place.pki

        def command() -> list[str | Path]:
            return [
                self.box.path("kube-apiserver"),
                f"--etcd-servers=https://{place.address}:2379",
                f"--etcd-cafile={pki / 'ca.crt'}",
                *self._tls("etcd", "--etcd-certfile", "--etcd-keyfile"),
                f"--bind-address={place.address}",
                f"--advertise-address={place.address}",
                "--secure-port=6443",
                f"--client-ca-file={pki / 'ca.crt'}",
                *self._tls("apiserver"),
                f"--cert-dir={place.run / 'api-server'}",
                "--authorization-mode=Node,RBAC",
                "--enable-admission-plugins=NodeRestriction",
                "--allow-privileged=true",
                f"--service-cluster-ip-range={place.services}",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={pki / 'sa.pub'}",
                f"--service-account-signing-key-file={pki / 'sa.key'}",
                *self._tls("apiserver-kubelet", "--kubelet-client-certificate", "--kubelet-client-key"),
                f"--kubelet-certificate-authority={pki / 'ca.crt'}",
                "--kubelet-preferred-address-types=InternalIP",
                f"--default-not-ready-toleration-seconds={_LOST}",
                f"--default-unreachable-toleration-seconds={_LOST}",
            ]

        return Daemon(place, "api-server", command, lambda: Api(place).found("/readyz"))

    def controller_manager(self) -> Daemon:
        """All controllers; ready when it has made the default service account."""
        place = self.place
        account = "/api/v1/namespaces/default/serviceaccounts/default"

        def command() -> list[str | Path]:
            return [
                self.box.path("kube-controller-manager"),
                *self._client("controller-manager", 10257),
                f"--service-account-private-key-file={place.pki / 'sa.key'}",
                f"--root-ca-file={place.pki / 'ca.crt'}",
                "--use-service-account-credentials=true",
                f"--node-monitor-grace-period={_LOST}s",
                "--node-monitor-period=2s",
            ]

        def ready() -> bool:
            return answers(place, f"https://{place.address}:10257/healthz") and Api(place).found(account)

        return Daemon(place, "controller-manager", command, ready)

    def scheduler(self) -> Daemon:
        """Kubernetes' own."""

        def command() -> list[str | Path]:
            return [self.box.path("kube-scheduler"), *self._client("scheduler", 10259)]

        url = f"https://{self.place.address}:10259/healthz"
        return Daemon(self.place, "scheduler", command, lambda: answers(self.place, url))

    def _client(self, name: str, port: int) -> list[str]:
        config = self.place.etc / f"{name}.conf"
        return [
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            "--leader-elect=false",
            f"--bind-address={self.place.address}",
            f"--secure-port={port}",
            *self._tls(name),
        ]

    def _tls(self, name: str, certificate: str = "--tls-cert-file", key: str = "--tls-private-key-file") -> list[str]:
        return [f"{certificate}={self.place.pki / f'{name}.crt'}", f"{key}={self.place.pki / f'{name}.key'}"]
