"""Ports that cannot collide: not with another tuner, not with another program."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tuner.errors import TemporaryError
from tuner.trial.ports import free, reserve

RESERVE = """
import sys
from pathlib import Path
from tuner.trial.ports import reserve
held = [reserve(Path(sys.argv[1])) for _ in range(20)]
for reservation in held:
    reservation.hand_over()  # from here on only the locks keep the others away
print(*[port for reservation in held for port in reservation.ports.model_dump().values()], flush=True)
sys.stdin.read()
"""


def test_tuners_side_by_side_never_share_a_port(tmp_path: Path) -> None:
    tuners = [
        subprocess.Popen(
            [sys.executable, "-c", RESERVE, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    ports: list[str] = []
    for tuner in tuners:
        assert tuner.stdout is not None
        ports += tuner.stdout.readline().split()
    for tuner in tuners:
        tuner.communicate()
    assert len(ports) == len(set(ports)) == 4 * 20 * 3


def test_reserved_ports_are_bound_until_they_are_handed_over(tmp_path: Path) -> None:
    with reserve(tmp_path) as reservation:
        ports = reservation.ports.model_dump().values()
        assert not any(free(port) for port in ports)
        reservation.hand_over()
        assert all(free(port) for port in ports)


def test_ports_are_none_that_the_kernel_gives_away(tmp_path: Path) -> None:
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    if low <= 10_000 and high >= 65_435:
        return  # a machine that gives them all away leaves no choice
    with reserve(tmp_path) as reservation:
        assert not [port for port in reservation.ports.model_dump().values() if low <= port <= high]


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_port_in_use_is_not_free(address: str) -> None:
    with socket.socket() as other:
        other.bind((address, 0))
        other.listen()
        assert not free(other.getsockname()[1])


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(TemporaryError, match="cannot reserve ports"):
        reserve(file / "ports")
