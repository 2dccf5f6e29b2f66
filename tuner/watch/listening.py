"""An address to listen on, as people write it: ``127.0.0.1:8484``, ``[::1]:8484``."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from tuner.spec.mistake import Mistake, shown

__all__ = ["Listen", "host_and_port"]

_FORM = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:]{2,45})\]|(?P<host>[A-Za-z0-9.-]{1,253})):(?P<port>\d{1,5})")


def host_and_port(text: str) -> tuple[str, int]:
    """Host and port. Mistake (a ValueError) for anything else; port 0 lets the system choose."""
    match = _FORM.fullmatch(text)
    if match is None or int(match["port"]) > 65_535:
        raise Mistake(f"{shown(text)} is not an address to listen on", "write host:port, for example 127.0.0.1:8484")
    host = match["six"] or match["host"]
    try:
        return ("127.0.0.1" if host == "localhost" else str(ipaddress.ip_address(host))), int(match["port"])
    except ValueError as error:
        raise Mistake(f"{shown(host)} is not an IP address", "write for example 127.0.0.1:8484") from error


def _listen(text: str) -> str:
    host_and_port(text)
    return text


Listen = Annotated[
    str, AfterValidator(_listen), WithJsonSchema({"type": "string", "examples": ["127.0.0.1:8484", "[::1]:8484"]})
]
