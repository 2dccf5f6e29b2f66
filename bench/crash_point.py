"""Points at which a process of tuner kills itself: before and after each thing that it does to the outside.

A folder on ``PYTHONPATH`` (``armed``) makes the interpreters of ``tuner watch`` and of campaigns, those that wait for
one too, call ``arm``, which puts points around tuner's doors to the outside. What passes a door, and how often, nobody
lists: a process that comes to a point which no process before it came to writes its name down, and is gone.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

__all__ = ["arm", "armed", "reached"]

_ROOT = Path(__file__).resolve().parent.parent
_REACHED, _SHARE = "reached", "share"
_HOOK = """\
import sys
asked = set(sys.orig_argv)
if {"--config", "watch"} <= asked or {"--config", "campaign"} <= asked or "tuner.cli.standby" in asked:
    from pathlib import Path
    from bench.crash_point import arm
    arm(Path(__file__).parent)
"""
_NUMBER, _SHA = re.compile(r"(?<=/)\d+(?=/|$)"), re.compile(r"[0-9a-f]{40}")
_DIGITS = re.compile(r"\D")
_BLOCKS = 1000
"""Blocks of the confirmation are trials with numbers from here on."""
_WRITING_FRAMES = frozenset({"write", "lead", "transaction", "__enter__"})


def armed(folder: Path, share: int = 0, shares: int = 1) -> dict[str, str]:
    """Variables of a service whose processes die once at each point; of several services each takes a share of them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(_HOOK)
    (folder / _SHARE).write_text(f"{share} {shares}")
    return {"PYTHONPATH": os.pathsep.join((str(folder), str(_ROOT)))}


def reached(folder: Path) -> tuple[str, ...]:
    """The points at which a process died, in order."""
    file = folder / _REACHED
    return tuple(file.read_text().splitlines()) if file.exists() else ()


def arm(folder: Path) -> None:
    """Put the points around the doors of this process."""
    from tuner.ledger.chain import Ledger
    from tuner.pull_request.gitea.client import GiteaClient
    from tuner.repository.repository import Repository
    from tuner.trial.server import ProcessServer
    from tuner.watch.database import Database
    from tuner.watch.process import ProcessRunner

    share, shares = (int(word) for word in (folder / _SHARE).read_text().split())
    known = set(reached(folder))

    def point(name: str) -> None:
        if name in known or zlib.crc32(name.encode()) % shares != share:
            return
        with (folder / _REACHED).open("a") as file:
            file.write(f"{name}\n")
            file.flush()
            os.fsync(file.fileno())
        _die()

    _enclose(Ledger, "append", point, lambda _, kind, body: f"record {_thing(kind, body)}")
    _enclose(Repository, "swap", point, lambda _, updates: "push " + " ".join(update.ref for update in updates))
    _enclose(GiteaClient, "_call", point, lambda _, method, path, **more: _call(method, path, more.get("body")))
    _enclose(ProcessServer, "__init__", point, _server)
    _enclose(ProcessRunner, "start", point, lambda _, job: f"campaign {job.spec_path}")
    _enclose_transactions(Database, point)


def _die() -> None:
    """With the service, where this is a campaign of one: what is left is found by the next service."""
    parent = os.getppid()
    try:
        service = b"\0watch\0" in Path(f"/proc/{parent}/cmdline").read_bytes()
    except OSError:
        service = False
    if service:
        os.kill(parent, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _enclose(owner: type, method: str, point: Callable[[str], None], name: Callable[..., str]) -> None:
    """``name`` of a call is empty where it changes nothing outside."""
    original = getattr(owner, method)

    @wraps(original)
    def enclosed(*arguments: Any, **named: Any) -> Any:
        called = name(*arguments, **named)
        if called:
            point(f"before {called}")
        result = original(*arguments, **named)
        if called:
            point(f"after {called}")
        return result

    setattr(owner, method, enclosed)


def _enclose_transactions(owner: type, point: Callable[[str], None]) -> None:
    original = owner.write  # type: ignore[attr-defined]

    @contextmanager
    def write(self: object) -> Iterator[object]:
        name = _writer()
        with original(self) as connection:
            yield connection
            point(f"before commit of {name}")
        point(f"after commit of {name}")

    owner.write = write  # type: ignore[attr-defined]


def _writer() -> str:
    """Who asked for the transaction."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_name in _WRITING_FRAMES:
        frame = frame.f_back
    return frame.f_code.co_qualname if sys.version_info >= (3, 11) else frame.f_code.co_name


def _thing(kind: str, body: Mapping[str, Any]) -> str:
    """What a record is about, whichever attempt it belongs to."""
    trial, block = body.get("trial"), body.get("block")
    number = body.get("number", trial.get("number") if kind == "trial-finished" and isinstance(trial, dict) else None)
    index = block.get("index") if isinstance(block, dict) else block
    about = (body.get("step"), number, body.get("candidate"), index, body.get("trials"), body.get("state"))
    return " ".join([kind, *(str(part) for part in about if part is not None)])


def _server(_server: object, _launch: object, folder: Path, *_cpus: object, **_named: object) -> str:
    """Each try has a folder, and each block tries of its own: they are one kind of server each."""
    return f"server of a {'block' if int(_DIGITS.sub('', folder.name) or 0) >= _BLOCKS else 'trial'}"


def _call(method: str, path: str, body: Mapping[str, Any] | None) -> str:
    if method in ("GET", "HEAD"):
        return ""
    state = str((body or {}).get("state", ""))
    return f"{method} {_SHA.sub('SHA', _NUMBER.sub('N', path))} {state}".strip()
