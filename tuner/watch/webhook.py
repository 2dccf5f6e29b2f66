"""Webhooks: whose they are, shown by the shared secret, and which repository they are about. They carry no orders.

GitHub and Gitea sign the body (HMAC-SHA256 in ``X-Hub-Signature-256`` or ``X-Gitea-Signature``), GitLab sends the
secret itself (``X-Gitlab-Token``).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from tuner.watch.configuration import Watched

__all__ = ["MalformedError", "concerned", "is_genuine"]

_HEX = re.compile(r"[0-9a-f]{64}")
_ADDRESSES = ("clone_url", "ssh_url", "html_url", "git_http_url", "git_ssh_url", "web_url", "git_url", "url")
_NAMES = ("full_name", "path_with_namespace")
_SCP = re.compile(r"^(?:[\w.-]+@)?(?P<host>[\w.-]+):(?P<path>[^/].*)$")


class MalformedError(ValueError):
    """The body of a genuine webhook is nothing that a forge sends."""


def is_genuine(headers: Mapping[str, str], body: bytes, secret: bytes) -> bool:
    """Whether whoever sent this knows the secret. ``headers`` by lower-case name. Takes the same time either way."""
    signed = headers.get("x-hub-signature-256", "").removeprefix("sha256=") or headers.get("x-gitea-signature", "")
    expected = hmac.new(secret, body, hashlib.sha256).hexdigest()
    if _HEX.fullmatch(signed):
        return hmac.compare_digest(signed, expected)
    token = headers.get("x-gitlab-token", "")
    digests = (hashlib.sha256(value).digest() for value in (token.encode("latin-1", "replace"), secret))
    return hmac.compare_digest(*digests) and bool(token)


def concerned(body: bytes, watched: Sequence[Watched]) -> tuple[str, ...]:
    """Names of the watched repositories that this is about; none for a push to a branch that is not watched.

    MalformedError where the body is no JSON object.
    """
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedError("the body is not JSON") from error
    if not isinstance(payload, dict):
        raise MalformedError("the body is not a JSON object")
    told = [each for each in (payload.get("repository"), payload.get("project")) if isinstance(each, dict)]
    places = {_place(each[key]) for each in told for key in _ADDRESSES if isinstance(each.get(key), str)} - {None}
    names = {each[key].lower() for each in told for key in _NAMES if isinstance(each.get(key), str)} - {""}
    return tuple(
        one.name
        for one in watched
        if (_place(one.url) in places or (one.project or "").lower() in names) and _may_matter(payload, one)
    )


def _may_matter(payload: Mapping[str, Any], watched: Watched) -> bool:
    """A push to another branch changes nothing; everything else may."""
    ref = payload.get("ref")
    branch = watched.branch
    return branch is None or not isinstance(ref, str) or not ref.startswith("refs/") or ref == f"refs/heads/{branch}"


def _place(address: str) -> str | None:
    """Host and path, however the address is spelled."""
    match = None if "://" in address else _SCP.match(address)
    if match is not None:
        host, path = match["host"], match["path"]
    else:
        try:
            parts = urlsplit(address)
            host = parts.hostname or ""
            port = f":{parts.port}" if parts.port and parts.scheme in ("http", "https") else ""
        except ValueError:
            return None
        host, path = f"{host}{port}", parts.path
    path = path.strip("/").removesuffix(".git").lower()
    return f"{host.lower()}/{path}" if path else None
