"""Published descriptions of forges' APIs, each pinned by the digest of its package and cached outside the checkout.

``python -m testbed.openapi github`` prints the path of the description, fetched with npm the first time.
"""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from testbed.lock import locked
from tuner.errors import PermanentError, UserError

__all__ = ["DESCRIPTIONS", "Description", "description", "main"]

_TIMEOUT = 600


@dataclass(frozen=True, slots=True)
class Description:
    """A file in a version of an npm package; ``integrity`` is the package's SHA-512 as npm writes it."""

    package: str
    version: str
    integrity: str
    file: str


DESCRIPTIONS: Mapping[str, Description] = {
    "github": Description(
        "@octokit/openapi",
        "23.0.2",
        "sha512-pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg==",
        "package/generated/api.github.com.json",
    ),
}


def description(name: str, cache: Path | None = None) -> Path:
    """The description's file, fetched now where it is not there yet. Safe to call from several processes.

    UserError for an unknown name; PermanentError where npm fails, or brings something else than what is pinned.
    """
    wanted = DESCRIPTIONS.get(name)
    if wanted is None:
        raise UserError.of(f"no description is called {name!r}", f"choose one of {', '.join(sorted(DESCRIPTIONS))}")
    digest = hashlib.sha256(f"{wanted}".encode()).hexdigest()[:16]
    place = (cache or user_cache_path("tuner")) / "openapi" / f"{name}-{digest}.json"
    if not place.is_file():
        with locked(place.with_name(f"{place.name}.lock"), name):
            if not place.is_file():
                _fetch(wanted, place)
    return place


def _fetch(wanted: Description, place: Path) -> None:
    sys.stderr.write(f"{wanted.package}: fetching version {wanted.version}\n")
    with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as scratch:
        package = f"{wanted.package}@{wanted.version}"
        command = ("npm", "pack", package, "--silent", "--ignore-scripts", "--pack-destination", scratch)
        try:
            done = subprocess.run(
                command, cwd=scratch, env=os.environ, capture_output=True, text=True, timeout=_TIMEOUT, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PermanentError(f"{package} cannot be fetched: npm does not run ({error})") from error
        packed = sorted(Path(scratch).glob("*.tgz"))
        if done.returncode != 0 or len(packed) != 1:
            raise PermanentError(f"{package} cannot be fetched: {done.stderr.strip()[-500:]}")
        raw = packed[0].read_bytes()
        if f"sha512-{base64.b64encode(hashlib.sha512(raw).digest()).decode()}" != wanted.integrity:
            raise PermanentError(f"{package} is not what it was: its digest differs from the pinned one")
        with tarfile.open(packed[0]) as archive:
            member = archive.extractfile(wanted.file)
            if member is None:
                raise PermanentError(f"{package} has no file {wanted.file}")
            partial = Path(scratch) / "description.json"
            partial.write_bytes(member.read())
        partial.rename(place)


def main(arguments: Sequence[str]) -> int:
    """Print the path of each description named."""
    try:
        for name in arguments or sorted(DESCRIPTIONS):
            sys.stdout.write(f"{description(name)}\n")
    except (UserError, PermanentError) as error:
        sys.stderr.write(f"{error}\n")
        return 2 if isinstance(error, UserError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
