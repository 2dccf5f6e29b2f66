"""Who may sign: OpenSSH's allowed-signers file (ssh-keygen(1), ALLOWED SIGNERS)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from sshsig.allowed_signers import AllowedSigner

__all__ = ["admitted_principals"]


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    principals: str
    options: dict[str, str]
    key: str


def admitted_principals(text: str, key: str, *, namespace: str, at: datetime, identity: str | None = None) -> str:
    """The principals that the file lists for a key that may sign; ValueError, with the reason, where it may not.

    ``key`` is in OpenSSH's one-line form; ``at`` is the time of signing; ``identity`` narrows to one principal.
    """
    lines, unreadable = _parse(text)
    reasons = []
    for line in (line for line in lines if line.key == key):
        if not (reason := _against(line, namespace, at, identity)):
            return line.principals
        reasons.append(f"line {line.number} {reason}")
    if not reasons:
        reasons = ["none of its lines has this key", *unreadable]
    raise ValueError(f"the allowed signers do not admit the signer: {'; '.join(reasons)}")


def _parse(text: str) -> tuple[list[_Line], list[str]]:
    lines, unreadable = [], []
    for number, raw in enumerate(text.split("\n"), start=1):
        stripped = raw.strip()
        if not stripped or stripped.startswith("#"):
            continue
        try:
            entry = AllowedSigner.parse(stripped)
        except (ValueError, IndexError, NotImplementedError):
            unreadable.append(f"line {number} cannot be read")
            continue
        key = f"{entry.key_type} {entry.base64_key}"
        lines.append(_Line(number, entry.principals, dict(entry.options or {}), key))
    return lines, unreadable


def _against(line: _Line, namespace: str, at: datetime, identity: str | None) -> str:
    """Why this line does not admit the signature; empty where it does."""
    if "cert-authority" in line.options:
        return "is for a certificate authority, which is not supported"
    if identity is not None and not _matches(line.principals, identity):
        return f"is for {line.principals}, not for {identity}"
    namespaces = line.options.get("namespaces")
    if namespaces is not None and not _matches(namespaces, namespace):
        return f"is for namespace {namespaces}, not for {namespace}"
    try:
        since = _moment(line.options["valid-after"]) if "valid-after" in line.options else None
        until = _moment(line.options["valid-before"]) if "valid-before" in line.options else None
    except ValueError:
        return "has a date that cannot be read"
    if since is not None and at < since:
        return f"is valid only after {line.options['valid-after']}"
    if until is not None and at > until:
        return f"was valid only before {line.options['valid-before']}"
    return ""


def _matches(patterns: str, text: str) -> bool:
    """OpenSSH's pattern list: ``*`` and ``?``, commas, and ``!`` in front of what is excluded."""
    matched = False
    for pattern in patterns.split(","):
        bare = pattern.removeprefix("!")
        parts = (".*" if sign == "*" else "." if sign == "?" else re.escape(sign) for sign in bare)
        if re.fullmatch("".join(parts), text, re.DOTALL):
            if pattern.startswith("!"):
                return False
            matched = True
    return matched


def _moment(stamp: str) -> datetime:
    """``YYYYMMDD[HHMM[SS]]``, in UTC with a ``Z`` behind it and else in the machine's time zone."""
    bare = stamp.removesuffix("Z")
    form = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}.get(len(bare))
    if form is None or not bare.isdigit():
        raise ValueError(stamp)
    moment = datetime.strptime(bare, form)
    return moment.replace(tzinfo=UTC) if stamp.endswith("Z") else moment.astimezone()
