"""Where a remote repository is, and how to be let in."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tuner.errors import UserError
from tuner.repository.failure import readable

__all__ = ["Access", "Address"]

_SCP_FORM = re.compile(r"^(?P<user>[A-Za-z0-9_][\w.-]*@)?(?P<host>[A-Za-z0-9][\w.-]*):(?P<path>[^:].*)$")


@dataclass(frozen=True, slots=True)
class Access:
    """A name and a token for a repository over https; handed to git by askpass, never in an address or a log."""

    username: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Address:
    """A remote repository's address whose protocol is known and allowed; ``protocol`` is all that git may speak."""

    url: str
    protocol: str

    @classmethod
    def parse(cls, text: str, *, local: bool = False) -> Address:
        """An https or ssh address; http to this machine only; a folder or ``file:`` only where ``local``.

        Raises UserError for anything else, above all ``ext::`` (which runs programs), an option in disguise, and an
        address with a password or token in it.
        """
        if not text or text != text.strip() or not text.isprintable():
            raise UserError.of("the repository's address is empty or has blanks or control characters around it")
        if text.startswith("-"):
            raise UserError.of(f"{text}: an address cannot start with a dash")
        if "::" in text.split("/", 1)[0] and not text.startswith(("/", ".")):
            raise UserError.of(
                f"{_shown(text)}: git's remote helpers may run programs and are not allowed", "use https:// or ssh://"
            )
        if "://" in text:
            return cls._with_scheme(text, local=local)
        if not _exists(text) and _SCP_FORM.match(text):
            return cls(text, "ssh")
        if local:
            return cls(str(Path(text).absolute()), "file")
        raise UserError.of(f"{text}: a folder is not allowed as a remote repository here", "use https:// or ssh://")

    @classmethod
    def _with_scheme(cls, text: str, *, local: bool) -> Address:
        try:
            parts = urlsplit(text)
            host = parts.hostname or ""
            secret = parts.password is not None or (parts.scheme != "ssh" and parts.username is not None)
        except ValueError as error:
            raise UserError.of(f"{_shown(text)}: not an address ({error})") from error
        if secret:
            raise UserError.of(
                f"{_shown(text)}: the address has credentials in it, which would end up in files and logs",
                "take them out and give the token separately",
            )
        if parts.scheme == "file" and local and host in ("", "localhost"):
            return cls(text, "file")
        if host.startswith("-") or parts.path.startswith("/-"):
            raise UserError.of(f"{_shown(text)}: neither host nor path may start with a dash")
        if parts.scheme in ("https", "ssh") and host:
            return cls(text, parts.scheme)
        if parts.scheme == "http" and _is_loopback(host):
            return cls(text, "http")
        raise UserError.of(
            f"{_shown(text)}: the protocol {parts.scheme!r} is not allowed here", "use https:// or ssh://"
        )

    def __str__(self) -> str:
        return self.url


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # no file can have this name
        return False


def _shown(text: str) -> str:
    return readable(text)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
