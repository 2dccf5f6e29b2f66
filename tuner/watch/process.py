"""A campaign as a child process: ``tuner campaign …``, in a session of its own, with an environment of its own.

The child gets names, never secrets: the configuration's file says where those are. Its standard input is the heartbeat,
its standard output one JSON document, its standard error a log in the state folder.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from tuner.errors import PermanentError
from tuner.watch.configuration import Configuration
from tuner.watch.heartbeat import BEAT
from tuner.watch.job import Account, Ended, Job
from tuner.watch.standby import Order, Standby

__all__ = ["ProcessRunner", "common_environment"]

_KEPT = re.compile(
    r"PATH|HOME|USER|LOGNAME|LANG|LC_.*|TZ|TMPDIR|XDG_.*|SSL_CERT_(FILE|DIR)|SSH_AUTH_SOCK|KUBECONFIG|KUBERNETES_.*"
    r"|(HTTPS?|NO|ALL)_PROXY|(https?|no|all)_proxy|OTEL_.*|TUNER_(TRACE|STORAGE|OPA)|TRITON_.*|PYTHON(PATH|HASHSEED)"
)
_HOW = {1: "failed", 2: "refused", 4: "retry", 130: "stopped"}
_LONGEST_ANSWER = 4 << 20
_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class ProcessRunner:
    """Starts ``program campaign NAME --config FILE …``; ``patience``: seconds that a child works without a beat."""

    config: Path
    configuration: Configuration
    state: Path
    patience: float
    program: Sequence[str]
    options: Sequence[str] = ()
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables that every campaign gets beside its own."""
    standby: Standby | None = None
    """A process that waits for a campaign; the next one is started when a campaign has ended, so as to disturb none."""

    def start(self, job: Job) -> _Process:
        logs = self.state / "watch" / "logs"
        arguments = (
            *("campaign", job.repository, "--config", str(self.config), "--state", str(self.state)),
            *("--spec", job.spec_path, "--revision", job.revision, "--patience", str(self.patience), "--json"),
            *(("--occasion", job.occasion) if job.occasion else ()),
            *self.options,
        )
        said = logs / f"{job.id}.log", logs / f"{job.id}.json"
        try:
            logs.mkdir(parents=True, exist_ok=True)
            with ExitStack() as opened:
                log, out = opened.enter_context(said[0].open("ab")), opened.enter_context(said[1].open("w+b"))
                child = self._taken(arguments, job, said[0], said[1]) or subprocess.Popen(
                    (*self.program, *arguments),
                    stdin=subprocess.PIPE,
                    stdout=out,
                    stderr=log,
                    env=common_environment() | self._own(job),
                    start_new_session=True,
                )
                opened.pop_all()
                log.close()
        except OSError as error:
            raise PermanentError(f"the campaign cannot be started: {error.strerror or error}") from error
        os.set_blocking(child.stdin.fileno(), False)  # type: ignore[union-attr]
        return _Process(child, out, self.standby.prepare if self.standby is not None else None)

    def _taken(self, arguments: tuple[str, ...], job: Job, log: Path, out: Path) -> subprocess.Popen[bytes] | None:
        if self.standby is None:
            return None
        order = Order(arguments=arguments, environment=self._own(job), out=str(out), log=str(log))
        return self.standby.take(order)

    def _own(self, job: Job) -> dict[str, str]:
        """The variables that this campaign's own secrets are in, and what every campaign gets."""
        watched = self.configuration.repository(job.repository)
        forge = self.configuration.forges.get(watched.forge)
        named = (watched.token, forge.token, forge.key) if forge else (watched.token,)
        secrets = [secret.env for secret in named if secret and secret.env]
        return {**{name: os.environ[name] for name in secrets if name in os.environ}, **self.extra}


def common_environment() -> dict[str, str]:
    """What any campaign may have of this process's environment."""
    return {name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)}


@dataclass(slots=True)
class _Process:
    """A child; a ``Running``."""

    child: subprocess.Popen[bytes]
    out: IO[bytes]
    after: Callable[[], None] | None = None
    """Called once, when it has ended."""
    _ended: Ended | None = None

    def beat(self) -> None:
        pipe = self.child.stdin
        if pipe is not None and not pipe.closed:
            with suppress(OSError, BlockingIOError):  # ended, or it does not read: both show elsewhere
                os.write(pipe.fileno(), BEAT)

    def interrupt(self) -> None:
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGINT)

    def kill(self) -> None:
        if self.child.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.child.pid, signal.SIGKILL)

    def ended(self) -> Ended | None:
        status = self.child.poll()
        if status is None or self._ended is not None:
            return self._ended
        if self.child.stdin is not None:
            with suppress(OSError):
                self.child.stdin.close()
        self._ended = self._read(status)
        self.out.close()
        if self.after is not None:
            self.after()
        return self._ended

    def _read(self, status: int) -> Ended:
        self.out.seek(0)
        raw = self.out.read(_LONGEST_ANSWER)
        try:
            document = json.loads(raw) if raw.strip() else {}
        except ValueError:
            document = {}
        if not isinstance(document, dict):
            document = {}
        if "campaign" in document:
            with suppress(ValidationError):
                account = Account.model_validate(document)
                return Ended("done", account.reason, account)
        said = document.get("error")
        reason = "; ".join(str(line) for line in said) if isinstance(said, list) else ""
        delay = document.get("delay")
        if status in (_INTERRUPTED, -signal.SIGINT):
            return Ended("stopped", reason or "interrupted")
        how = _HOW.get(status) if reason else None
        match how:
            case "failed" | "refused" | "retry":
                return Ended(how, reason, delay=float(delay) if isinstance(delay, int | float) else 0.0)
            case _:
                return Ended("retry", f"the campaign's process ended with {status} and did not say why")
