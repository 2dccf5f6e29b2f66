"""Which project of which server a repository's address means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from tuner.errors import UserError
from tuner.repository.failure import readable

__all__ = ["Project"]

_SCP_FORM = re.compile(r"^(?:[\w.-]+@)?(?P<host>[A-Za-z0-9][\w.-]*):(?P<path>[^:/][^:]*)$")
_PATH = re.compile(r"^[\w.-]+(?:/[\w.-]+)+$")


@dataclass(frozen=True, slots=True)
class Project:
    """``server`` is scheme, host and port, without a slash at its end; ``path`` is such as ``owner/name``."""

    server: str
    path: str

    @classmethod
    def of(cls, address: str) -> Project:
        """The project of an https, ssh or (loopback) http address; UserError for any other, or one without a path."""
        scp = None if "://" in address else _SCP_FORM.match(address)
        parts = urlsplit(f"ssh://{scp['host']}/{scp['path']}" if scp else address)
        path = parts.path.strip("/").removesuffix(".git")
        if parts.scheme not in ("https", "http", "ssh") or not parts.hostname or not _PATH.match(path):
            raise UserError.of(
                f"{readable(address)} is no project on a forge", "its address is like https://HOST/OWNER/NAME.git"
            )
        if ".." in path.split("/"):
            raise UserError.of(f"{readable(address)} is no project on a forge")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        if parts.scheme == "ssh":  # its port is not that of the web
            return cls(f"https://{host}", path)
        return cls(f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}", path)

    @property
    def owner(self) -> str:
        """Everything before the last part."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """The last part."""
        return self.path.rpartition("/")[2]
