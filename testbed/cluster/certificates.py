"""One authority for everything in the cluster, made by code; identities as the API server reads them."""

from __future__ import annotations

import datetime
import ipaddress
import os
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from testbed.cluster.place import Place

__all__ = ["Certificates", "Identity"]

_YEARS = datetime.timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a certificate names: ``user`` and ``group`` are what RBAC sees; ``names`` are those that it serves under."""

    file: str
    user: str
    group: str = ""
    names: tuple[str, ...] = ()
    kubeconfig: bool = False


def _identities(place: Place) -> tuple[Identity, ...]:
    here = str(place.address)
    service = "kubernetes.default.svc"
    first = str(next(place.services.hosts()))
    api = ("kubernetes", "kubernetes.default", service, f"{service}.cluster.local", "localhost", here, first)
    return (
        Identity("etcd", "etcd", names=(here,)),
        Identity("apiserver", "kube-apiserver", names=api),
        Identity("apiserver-kubelet", "apiserver-kubelet-client", "system:masters"),
        Identity("admin", "admin", "system:masters", kubeconfig=True),
        Identity("controller-manager", "system:kube-controller-manager", names=(here,), kubeconfig=True),
        Identity("scheduler", "system:kube-scheduler", names=(here,), kubeconfig=True),
        Identity("proxy", "system:kube-proxy", kubeconfig=True),
        Identity("kubelet", f"system:node:{place.node}", "system:nodes", (place.node, here), kubeconfig=True),
    )


@dataclass(frozen=True, slots=True)
class Certificates:
    """The authority, a key for service accounts, a certificate for each identity and kubeconfigs of the clients."""

    place: Place
    name: str = "certificates"

    def start(self) -> None:
        """Make what is missing: all of them, since one authority signs all."""
        if self.ready():
            return
        key = ec.generate_private_key(ec.SECP256R1())
        authority = _sign(key, key, "tuner test bed", None, Identity("ca", "tuner test bed"))
        _write(self.place.pki / "ca.crt", _pem(authority))
        account = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        _write(self.place.pki / "sa.key", _private(account))
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        _write(self.place.pki / "sa.pub", account.public_key().public_bytes(serialization.Encoding.PEM, form))
        for identity in _identities(self.place):
            own = ec.generate_private_key(ec.SECP256R1())
            signed = _sign(own, key, "tuner test bed", authority, identity)
            _write(self.place.pki / f"{identity.file}.key", _private(own))
            _write(self.place.pki / f"{identity.file}.crt", _pem(signed))
            if identity.kubeconfig:
                _write(self.place.etc / f"{identity.file}.conf", self._kubeconfig(identity.file))
        _write(self.place.kubeconfig, self._kubeconfig("admin"))

    def ready(self) -> bool:
        """The administrator's kubeconfig is written last."""
        return self.place.kubeconfig.is_file()

    def stop(self) -> None:
        """They go with the folder."""

    def logs(self) -> None:
        """It has none."""

    def _kubeconfig(self, file: str) -> bytes:
        def inline(name: str) -> str:
            return b64encode((self.place.pki / name).read_bytes()).decode()

        cluster = {"server": self.place.server, "certificate-authority-data": inline("ca.crt")}
        user = {"client-certificate-data": inline(f"{file}.crt"), "client-key-data": inline(f"{file}.key")}
        name = self.place.name
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": file, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": file, "namespace": "default"}}],
            "current-context": name,
        }
        return yaml.safe_dump(config).encode()


def _sign(
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    issuer: str,
    authority: x509.Certificate | None,
    identity: Identity,
) -> x509.Certificate:
    """A certificate by the authority, or the authority's own where there is none yet."""
    words = [x509.NameAttribute(NameOID.COMMON_NAME, identity.user)]
    if identity.group:
        words.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, identity.group))
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(words))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + _YEARS)
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
        .add_extension(_usage(authority=authority is None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if authority is not None:
        both = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        made = made.add_extension(x509.ExtendedKeyUsage(both), critical=False)
    if identity.names:
        made = made.add_extension(x509.SubjectAlternativeName(_names(identity.names)), critical=False)
    return made.sign(signer, hashes.SHA256())


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _names(names: Sequence[str]) -> list[x509.GeneralName]:
    def one(name: str) -> x509.GeneralName:
        try:
            return x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            return x509.DNSName(name)

    return [one(name) for name in names]


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _write(file: Path, content: bytes) -> None:
    """Readable by this user alone, whole or not there."""
    scratch = file.with_name(f".{file.name}")
    scratch.touch(mode=0o600)
    scratch.write_bytes(content)
    os.replace(scratch, file)  # noqa: PTH105 - one step, over an older one
