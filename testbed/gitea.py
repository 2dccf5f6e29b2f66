"""A real Gitea on loopback, as an ordinary user, in a folder of its own that goes when it ends."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from testbed.toolbox import Toolbox
from tuner.errors import PermanentError

__all__ = ["Account", "Gitea", "gitea_server"]

_PATIENCE = 120.0
"""Seconds; it is ready in five on an idle machine."""
_SETTINGS = """\
APP_NAME = Gitea
RUN_USER = {user}
RUN_MODE = prod
WORK_PATH = {home}

[server]
PROTOCOL = http
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = http://127.0.0.1:{port}/
STATIC_ROOT_PATH = {home}/static
DISABLE_SSH = true
OFFLINE_MODE = true
LFS_START_SERVER = false

[database]
DB_TYPE = sqlite3
PATH = {home}/gitea.db
SQLITE_JOURNAL_MODE = WAL

[repository]
ROOT = {home}/repositories
DEFAULT_BRANCH = main

[security]
INSTALL_LOCK = true
PASSWORD_HASH_ALGO = pbkdf2$1000$50

[service]
DISABLE_REGISTRATION = true

[indexer]
ISSUE_INDEXER_TYPE = db

[queue]
TYPE = channel

[session]
PROVIDER = memory

[cron]
ENABLED = false

[webhook]
ALLOWED_HOST_LIST = loopback

[log]
MODE = console
LEVEL = Warn
"""


@dataclass(frozen=True, slots=True)
class Account:
    """A user and a token of this user's."""

    name: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Gitea:
    """A running server. ``process`` is there for tests that kill it."""

    url: str
    admin: Account
    process: subprocess.Popen[bytes] = field(repr=False)
    _command: Sequence[str] = field(repr=False)
    _runner: Mapping[str, Any] = field(repr=False)

    def account(self, name: str, scopes: str = "all") -> Account:
        """A new user with a token of these scopes."""
        words = ("admin", "user", "create", "--username", name, "--email", f"{name}@example.com", "--random-password")
        _say(self._command, self._runner, *words, "--must-change-password=false")
        return Account(name, self.token(name, scopes))

    def token(self, name: str, scopes: str) -> str:
        """A further token of a user, for scopes such as ``write:repository,read:user``."""
        words = ("--username", name, "--token-name", f"t{time.monotonic_ns()}", "--scopes", scopes, "--raw")
        return _say(self._command, self._runner, "admin", "user", "generate-access-token", *words).split()[-1]

    def repository(self, owner: Account, name: str, access: Mapping[str, str]) -> str:
        """Address of a new, empty repository; ``access`` maps a user to read, write or admin."""
        self.call(owner, "POST", "/user/repos", {"name": name, "default_branch": "main"})
        for user, permission in access.items():
            where = f"/repos/{owner.name}/{name}/collaborators/{user}"
            self.call(owner, "PUT", where, {"permission": permission})
        return f"{self.url}/{owner.name}/{name}.git"

    def call(self, who: Account, method: str, path: str, body: Any = None) -> Any:
        """One call of the API as a user; PermanentError for a refusal."""
        answer = requests.request(
            method,
            f"{self.url}/api/v1{path}",
            json=body,
            headers={"Authorization": f"token {who.token}"},
            timeout=60,
        )
        if not answer.ok:
            raise PermanentError(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json() if answer.content else None


@contextmanager
def gitea_server(box: Toolbox | None = None) -> Iterator[Gitea]:
    """Start it, with an administrator ``root``. It runs as ``nobody`` where the caller is root, which it refuses to be.

    PermanentError where it cannot be built or does not answer in time.
    """
    box = box or Toolbox()
    binary, module = box.path("gitea"), box.module("gitea")
    with tempfile.TemporaryDirectory(prefix="tuner-gitea-", ignore_cleanup_errors=True) as name:
        home = Path(name)
        home.chmod(0o755)
        command, runner = _prepare(home, binary, module)
        _say(command, runner, "migrate")
        with (home / "log").open("wb") as log:
            process = subprocess.Popen((*command, "web"), stdout=log, stderr=log, start_new_session=True, **runner)
        try:
            url = f"http://127.0.0.1:{_port(home)}"
            _await(url, process, home / "log")
            words = ("--username", "chief", "--email", "chief@example.com", "--random-password", "--admin")
            _say(command, runner, "admin", "user", "create", *words, "--must-change-password=false")
            gitea = Gitea(url, Account("chief", ""), process, command, runner)
            yield Gitea(url, Account("chief", gitea.token("chief", "all")), process, command, runner)
        finally:
            process.kill()
            process.wait()


def _prepare(home: Path, binary: Path, module: Path) -> tuple[Sequence[str], dict[str, Any]]:
    """Everything that it needs in one folder, which may lie where its user can read nothing else."""
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    for folder in ("templates", "options", "public"):
        shutil.copytree(module / folder, home / "static" / folder, copy_function=shutil.copyfile)
    shutil.copyfile(binary, home / "gitea")
    (home / "gitea").chmod(0o755)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (home / "custom" / "conf").mkdir(parents=True)
    (home / "custom" / "conf" / "app.ini").write_text(_SETTINGS.format(user=user.pw_name, home=home, port=port))
    (home / "port").write_text(str(port))
    runner: dict[str, Any] = {
        "env": {"PATH": os.environ["PATH"], "HOME": str(home), "USER": user.pw_name, "GITEA_WORK_DIR": str(home)},
        "cwd": home,
        "stdin": subprocess.DEVNULL,
    }
    if os.geteuid() == 0:
        for path in (home, *home.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)
        runner |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return (str(home / "gitea"), "--work-path", str(home)), runner


def _port(home: Path) -> int:
    return int((home / "port").read_text())


def _say(command: Sequence[str], runner: Mapping[str, Any], *words: str) -> str:
    done = subprocess.run((*command, *words), capture_output=True, text=True, timeout=_PATIENCE, **runner)
    if done.returncode != 0:
        raise PermanentError(f"gitea {words[0]} failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return str(done.stdout).strip()


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if requests.get(f"{url}/api/healthz", timeout=5).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
    raise PermanentError(f"gitea does not answer: {log.read_text(errors='replace')[-800:]}")
