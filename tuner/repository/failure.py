"""What git's refusals mean: its last words become an error that says wait, stop or mend."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tuner.errors import PermanentError, TemporaryError, TunerError, UserError

__all__ = ["ContendedError", "error_from", "readable", "without_credentials"]

_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")
_SPEAKERS = re.compile(r"^(?:fatal|error|remote|ssh|!)[: ]", re.IGNORECASE)
_LONGEST = 300


class ContendedError(TemporaryError):
    """Another process holds a lock or was first: look again at once, and decide anew."""


class _Next(StrEnum):
    """What the caller should do."""

    AGAIN = "again"
    WAIT = "wait"
    STOP = "stop"
    MEND = "mend"


_ERRORS: Mapping[_Next, type[TunerError]] = {
    _Next.AGAIN: ContendedError,
    _Next.WAIT: TemporaryError,
    _Next.STOP: PermanentError,
}


@dataclass(frozen=True, slots=True)
class _Meaning:
    """The first pattern that is found in git's words decides, so the order of the table matters."""

    pattern: re.Pattern[str]
    then: _Next
    what: str
    fix: str


def _meaning(pattern: str, then: _Next, what: str, fix: str) -> _Meaning:
    return _Meaning(re.compile(pattern, re.IGNORECASE), then, what, fix)


_MEANINGS = (
    _meaning(r"^timeout:", _Next.WAIT, "git did not finish in time", "try again; a hanging network is the usual cause"),
    _meaning(
        r"^env: \W*git\W*: (?:no such file|permission denied)",
        _Next.STOP,
        "git is not installed",
        "install git 2.34 or newer",
    ),
    _meaning(
        r"no space left on device|disk quota exceeded|file too large",
        _Next.STOP,
        "the disk is full",
        "free some space and run again: nothing was changed",
    ),
    _meaning(
        r"couldn't write '|unable to write|write error|failed to write",
        _Next.STOP,
        "the disk is full or fails",
        "free some space and run again: nothing was changed",
    ),
    _meaning(
        r"could not read (?:username|password)|authentication failed|permission denied \(publickey|"
        r"host key verification failed|returned error: 40[13]|terminal prompts disabled",
        _Next.STOP,
        "the remote repository does not accept the credentials",
        "give tuner a token or key that may read and write it",
    ),
    _meaning(
        r"read-only file system|permission denied|insufficient permission|unable to create directory for",
        _Next.STOP,
        "the repository cannot be written",
        "give tuner write access to it, or work on a clone: nothing was changed",
    ),
    _meaning(
        r"\.lock': file exists|index file open failed.*lock|unable to lock",
        _Next.AGAIN,
        "another git process holds a lock on the repository",
        "wait for it; delete the lock file if no git process runs",
    ),
    _meaning(
        r"': '[^']+' exists; cannot create|cannot process '[^']+' and '[^']+' at the same time|directory/file conflict|"
        r"refs/[^ ]+ is a non-empty directory|there are still refs under",
        _Next.STOP,
        "a branch with a clashing name is in the way",
        "rename or delete it: git cannot hold both `a` and `a/b`",
    ),
    _meaning(
        r"but expected|reference already exists|stale info|fetch first|non-fast-forward|unable to resolve reference|"
        r"failed to update ref|incorrect old value|cannot lock ref",
        _Next.AGAIN,
        "another process moved the branch first",
        "look again and decide anew",
    ),
    _meaning(
        r"transport '[^']*' not allowed|unable to find remote helper",
        _Next.MEND,
        "the repository's address uses a protocol that is not allowed",
        "use https:// or ssh://",
    ),
    _meaning(
        r"dubious ownership|unsafe repository",
        _Next.MEND,
        "the repository belongs to another user",
        "run `git config --global --add safe.directory FOLDER` if you trust it",
    ),
    _meaning(
        r"hook declined|protected branch|remote rejected|\[rejected\]|deny(?:ing|deletes|current)|prohibited",
        _Next.STOP,
        "the remote repository refused the push",
        "its rules do not allow it: ask who owns it",
    ),
    _meaning(
        r"could not resolve|connection (?:refused|timed out|reset|closed)|network is unreachable|early eof|"
        r"hung up unexpectedly|failed to connect|returned error: (?:429|5\d\d)|operation timed out|rpc failed|"
        r"no route to host|empty reply|ssl_error|gnutls",
        _Next.WAIT,
        "the remote repository does not answer",
        "try again later",
    ),
    _meaning(
        r"not a git repository|does not appear to be a git|repository .*not found|repository .*does not exist|"
        r"unable to access .*returned error: 404",
        _Next.MEND,
        "there is no Git repository at this address",
        "check the address",
    ),
    _meaning(
        r"bad object|corrupt|inflate|missing (?:blob|tree|commit)|not a tree object|unable to read|hash mismatch",
        _Next.STOP,
        "the repository is damaged",
        "run `git fsck` in it and mend it from another clone",
    ),
)


def readable(raw: str | bytes) -> str:
    """Text of an outside program made safe to show: no credentials, no control characters."""
    text = raw.decode(errors="replace") if isinstance(raw, bytes) else raw
    return "".join(char if char.isprintable() else " " for char in without_credentials(text)).strip()


def without_credentials(text: str) -> str:
    """The text with user and password cut out of every address."""
    return _CREDENTIALS.sub("", text)


def error_from(command: str, status: int, stderr: str, *, about: str = "") -> TunerError:
    """The error that git's exit status and words stand for; one line, the cause in git's own words at its end."""
    said = _last_words(stderr) or f"git {command} ended with exit code {status}"
    place = f"{about}: " if about else ""
    for meaning in _MEANINGS:
        if meaning.pattern.search(stderr) or meaning.pattern.search(said):
            text = f"{place}{meaning.what}"
            if meaning.then is _Next.MEND:
                return UserError.of(f"{text}: {said}", meaning.fix)
            line = f"{text} ({meaning.fix}): {said}"
            return _ERRORS[meaning.then](line)
    return PermanentError(f"{place}git {command} failed: {said}")


def _last_words(stderr: str) -> str:
    """The one line that tells most: the first that git marks as an error."""
    lines = [line for line in map(readable, stderr.splitlines()) if line]
    marked = [line for line in lines if _SPEAKERS.match(line)]
    return (marked or lines or [""])[0][:_LONGEST]
