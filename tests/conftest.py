"""What every room's tests share. With ``CI=true`` a skipped test is a failure: it has not been shown."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run where something was skipped."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if os.environ.get("CI") == "true" and skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL of this session on a socket of its own, run as another user where the tests run as root."""
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian package postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    if os.getuid() == 0:
        shutil.chown(folder, user)
    data = folder / "data"
    options = f"-c listen_addresses='' -k {folder}"
    _as(user, [programs / "initdb", "-D", data, "-A", "trust", "-U", "tuner", "--no-sync"])
    _as(user, [programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start"])
    try:
        yield f"postgresql://tuner@/postgres?host={folder}"
    finally:
        _as(user, [programs / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop"])
        shutil.rmtree(folder)


def _postgres_programs() -> Path | None:
    found = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    on_path = shutil.which("initdb")
    return max(found, default=Path(on_path).parent if on_path else None)


def _as(user: str, argv: list[str | Path]) -> None:
    if os.getuid() == 0:
        subprocess.run(
            argv, check=True, capture_output=True, cwd="/", timeout=60, user=user, group=user, extra_groups=[]
        )
    else:
        subprocess.run(argv, check=True, capture_output=True, cwd="/", timeout=60)
