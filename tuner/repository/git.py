"""The one call to the git program, with nothing in its surroundings that could make it run or reveal something.

Every call gets an environment made from an allow-list, no configuration but the repository's own, and of that
everything overridden that names a program. What a repository's configuration can still do is described in
``docs/repository.md``.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Container, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import Protocol

from tuner.errors import PermanentError, UserError
from tuner.repository.failure import error_from, readable

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # a machine without git gets our error, not one at import

from git import Git as GitProgram
from git.exc import GitCommandNotFound

__all__ = ["Answer", "Git", "Sink"]

_KEPT = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LANGUAGE", "LC_ALL"),
        *("SSH_AUTH_SOCK", "SSH_AGENT_PID", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO"),
        *("http_proxy", "https_proxy", "no_proxy", "all_proxy"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
    }
)
_FIXED = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ASKPASS": "true",
    "SSH_ASKPASS": "true",
    "GIT_EDITOR": "false",
    "GIT_PAGER": "cat",
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oClearAllForwardings=yes",
    "GIT_AUTHOR_NAME": "tuner",
    "GIT_AUTHOR_EMAIL": "tuner@tuner.invalid",
    "GIT_COMMITTER_NAME": "tuner",
    "GIT_COMMITTER_EMAIL": "tuner@tuner.invalid",
}
_OVERRIDES = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.askPass=true",
    "core.alternateRefsCommand=true",
    "core.fsync=committed,reference",
    "credential.helper=",
    "commit.gpgSign=false",
    "push.gpgSign=false",
    "push.followTags=false",
    "push.recurseSubmodules=no",
    "fetch.recurseSubmodules=false",
    "submodule.recurse=false",
    "log.showSignature=false",
    "i18n.commitEncoding=UTF-8",
    "gc.auto=0",
    "maintenance.auto=false",
    "color.ui=false",
)
_NO_PROTOCOL = "none"
_LOCAL_TIMEOUT = 120.0


class Sink(Protocol):
    """Where standard output goes, piece by piece."""

    def write(self, chunk: bytes, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What git said. ``status`` is its exit code, which the caller had declared acceptable."""

    status: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """Standard output as text without the newline at its end; bytes that are not UTF-8 survive a round trip."""
        return self.stdout.decode(errors="surrogateescape").rstrip("\n")


@dataclass(frozen=True, slots=True)
class Git:
    """Git in one repository. ``git_dir`` None lets git look for the repository from ``folder`` upwards."""

    folder: Path
    git_dir: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def run(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        accept: Container[int] = (0,),
        environment: Mapping[str, str] | None = None,
        protocol: str = _NO_PROTOCOL,
        timeout: float = _LOCAL_TIMEOUT,
        into: Sink | None = None,
    ) -> Answer:
        """Run git and wait; standard output goes to ``into`` where that is given.

        ``protocol`` is the only transport that git may use (none by default, not even to fetch a missing object).
        After ``timeout`` seconds git and its children are killed: TemporaryError. Any exit code that is not accepted
        raises what ``error_from`` makes of git's words.
        """
        surroundings = self._environment(protocol, environment)
        with ExitStack() as stack:
            istream = None
            if stdin is not None:
                istream = stack.enter_context(tempfile.TemporaryFile())
                istream.write(stdin)
                istream.seek(0)
            try:
                status, stdout, stderr = self._program().execute(
                    self._command(arguments, surroundings),
                    istream=istream,
                    with_extended_output=True,
                    with_exceptions=False,
                    stdout_as_string=False,
                    output_stream=into,
                    strip_newline_in_stdout=False,
                    kill_after_timeout=timeout,
                    shell=False,
                    env=surroundings,
                    # A signal to tuner's group must not stop git between two writes and leave a lock behind.
                    start_new_session=protocol == _NO_PROTOCOL,
                )
            except (GitCommandNotFound, OSError) as error:
                raise PermanentError(f"git could not be started: {readable(str(error))}") from error
        if status not in accept:
            raise error_from(arguments[0], status, stderr, about=str(self.folder))
        return Answer(status, stdout if isinstance(stdout, bytes) else b"", stderr)

    def listing(self, *arguments: str, limit: int, timeout: float = _LOCAL_TIMEOUT) -> bytes:
        """Standard output of a command whose size the repository's contents decide.

        Above ``limit`` bytes git is stopped: UserError. A few small trees that contain each other can make a listing
        of terabytes.
        """
        surroundings = self._environment(_NO_PROTOCOL, None)
        process = self._program().execute(
            self._command(arguments, surroundings), as_process=True, shell=False, env=surroundings
        )
        child = process.proc
        if child is None or child.stdout is None or child.stderr is None:
            raise PermanentError(f"git {arguments[0]} could not be started")
        watch = Timer(timeout, child.kill)
        watch.start()
        try:
            raw: bytes = child.stdout.read(limit + 1)
            if len(raw) > limit:
                child.kill()
                raise UserError.of(
                    f"{self.folder}: the listing of `git {arguments[0]}` is over {limit:,} bytes",
                    "name a folder with fewer files",
                )
            stderr = child.stderr.read().decode(errors="replace")
            status = child.wait()
        finally:
            watch.cancel()
            child.kill()
            child.wait()
            child.stdout.close()
            child.stderr.close()
        if status != 0:
            raise error_from(arguments[0], status, stderr, about=str(self.folder))
        return raw

    def _program(self) -> GitProgram:
        return GitProgram(str(self.folder))

    def _environment(self, protocol: str, extra: Mapping[str, str] | None) -> dict[str, str]:
        return {**_FIXED, "GIT_ALLOW_PROTOCOL": protocol, **self.environment, **(extra or {})}

    def _command(self, arguments: tuple[str, ...], environment: Mapping[str, str]) -> list[str]:
        if any("\0" in argument for argument in arguments):
            raise UserError.of("a name with a NUL character cannot be given to git")
        # GitPython can only add to the environment, so env(1) takes away; it gets names, never values.
        dropped = [part for name in sorted(os.environ.keys() - _KEPT - environment.keys()) for part in ("-u", name)]
        folder = [f"--git-dir={self.git_dir}"] if self.git_dir else []
        overrides = [part for setting in _OVERRIDES for part in ("-c", setting)]
        return ["env", *dropped, "git", *folder, *overrides, *arguments]
