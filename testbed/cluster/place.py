"""Where a test bed lives: its folder, its names on the machine and its addresses, all told apart from another one's."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from platformdirs import user_cache_path, user_state_path

from tuner.errors import UserError

__all__ = ["MARK", "Place", "default_state"]

MARK = "TUNER_TESTBED"
"""Variable in the environment of every process of a test bed: ``NAME/PART``. That is how they are found again."""
_LONGEST = 70
"""Letters of the folder's path: a socket's path may have 107, and containerd adds some."""
_SERVICES = IPv4Network("10.96.0.0/16")
_SUBNET = IPv4Network("10.244.0.0/24")


def default_state() -> Path:
    """The folder of this user's test bed."""
    return user_state_path("tuner") / "testbed"


@dataclass(frozen=True, slots=True)
class Place:
    """One test bed. ``subnet`` holds node and pods; the bridge's address is the node's and the API server's."""

    state: Path
    name: str
    subnet: IPv4Network
    cache: Path
    services: IPv4Network = _SERVICES
    node: str = "node1"

    @classmethod
    def at(cls, state: Path | None = None, subnet: str | None = None, cache: Path | None = None) -> Place:
        """The test bed of a folder; UserError for a path too long or no address range for pods."""
        folder = (state or default_state()).resolve()
        if len(str(folder)) > _LONGEST:
            raise UserError.of(f"{folder} is too long for sockets in it", f"choose one of {_LONGEST} letters at most")
        given = folder / "subnet"
        try:
            range_ = IPv4Network(subnet or (given.read_text().strip() if given.is_file() else _SUBNET))
        except ValueError as error:
            raise UserError.of(f"{subnet} is no range of addresses: {error}", f"give one such as {_SUBNET}") from error
        if range_.prefixlen > 25:
            raise UserError.of(f"{range_} has too few addresses", "a node has up to 110 pods: give a /24")
        mark = "" if folder == default_state().resolve() else f"-{hashlib.sha256(str(folder).encode()).hexdigest()[:6]}"
        return cls(folder, f"tuner{mark}", range_, cache or user_cache_path("tuner"))

    @property
    def address(self) -> IPv4Address:
        """Of the bridge, which is node and API server."""
        return next(self.subnet.hosts())

    @property
    def server(self) -> str:
        """URL of the API server."""
        return f"https://{self.address}:6443"

    @property
    def bridge(self) -> str:
        """An interface's name has 15 letters at most."""
        return f"{self.name}0"

    @property
    def kubeconfig(self) -> Path:
        """Of the administrator."""
        return self.state / "kubeconfig"

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.state / "pki"

    @property
    def etc(self) -> Path:
        """Written settings."""
        return self.state / "etc"

    @property
    def run(self) -> Path:
        """Sockets and notes of what was changed on the machine."""
        return self.state / "run"

    @property
    def data(self) -> Path:
        """What the parts store."""
        return self.state / "data"

    @property
    def log(self) -> Path:
        """One file a part; the pods' logs are in ``pods``."""
        return self.state / "log"

    @property
    def containerd(self) -> Path:
        """The socket of containerd."""
        return self.run / "containerd.sock"

    def prepare(self) -> None:
        """Make the folders, for this user alone."""
        self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (self.pki, self.etc, self.run, self.data, self.log):
            folder.mkdir(exist_ok=True)
        (self.state / "subnet").write_text(f"{self.subnet}\n")
