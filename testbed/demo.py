"""The main job on this machine: a committed spec becomes a tested, policy-checked pull request.

``python -m testbed.demo [FOLDER]`` makes a Git repository in a scratch folder, which is kept so that a second run
resumes or finds the pull request; commits the text-orientation service and its tuning spec; and lets
``tuner watch --once`` do the rest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import platformdirs

from testbed import samples
from testbed.serving import install, onnx_model
from tuner.errors import PermanentError, TunerError
from tuner.ledger.signature import ServiceKey

__all__ = ["main", "make_repository"]

SERVICE = Path(__file__).resolve().parents[1] / "configs" / "text-orientation"
SPEC = "configs/text-orientation/tuning.yaml"
_OWNER = {"GIT_AUTHOR_NAME": "Service Owner", "GIT_AUTHOR_EMAIL": "owner@example.com"}
_ISOLATED = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"}


def make_repository(folder: Path, model: Path, allowed_signer: str) -> None:
    """A bare repository with the service in its first commit and the tuning spec in its second.

    It appears complete or not at all; one that is there is left alone. PermanentError where git fails.
    """
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".demo-", dir=folder.parent) as scratch:
        work, bare = Path(scratch, "work"), Path(scratch, "bare.git")
        service = work / "configs" / "text-orientation"
        shutil.copytree(SERVICE, service, ignore=shutil.ignore_patterns("__pycache__", "tuning.yaml"))
        shutil.copyfile(model, service / "model" / "1" / "model.onnx")
        samples.write(service / "samples")
        (work / "audit").mkdir()
        (work / "audit" / "allowed_signers").write_text(allowed_signer, encoding="utf-8")
        _git(work, "init", "--quiet", "--initial-branch=main")
        _commit(work, "Serve text orientation with Triton")
        shutil.copyfile(SERVICE / "tuning.yaml", service / "tuning.yaml")
        _commit(work, "Ask for the cheapest configuration within p99 ≤ 50 ms")
        _git(work, "clone", "--quiet", "--bare", "--no-hardlinks", str(work), str(bare))
        _git(bare, "remote", "remove", "origin")
        bare.rename(folder)


def _commit(work: Path, message: str) -> None:
    _git(work, "add", "--all")
    _git(work, "commit", "--quiet", "--message", message)


def _git(folder: Path, *arguments: str) -> None:
    committer = {name.replace("AUTHOR", "COMMITTER"): value for name, value in _OWNER.items()}
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), **_ISOLATED, **_OWNER, **committer}
    done = subprocess.run(["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PermanentError(f"git {arguments[0]} failed: {done.stderr.strip()}")


def _watch(repository: Path, state: Path, home: Path) -> int:
    """Run the product itself, as a user would."""
    environment: Mapping[str, str] = {**os.environ, "TUNER_TRITON_HOME": str(home)}
    program = Path(sys.executable).with_name("tuner")
    command = [str(program), "watch", str(repository), "--once", "--state", str(state)]
    print(f"$ tuner watch {repository} --once --state {state}", file=sys.stderr)  # noqa: T201 - a demo shows its command
    with subprocess.Popen(command, env=environment) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue  # the watcher got it too: it stops its servers and says what to do


def main(arguments: Sequence[str]) -> int:
    """Make what is missing, then watch once; the watcher's exit code."""
    folder = Path(arguments[0]) if arguments else platformdirs.user_cache_path("tuner") / "demo"
    folder = folder.absolute()
    state = folder / "state"
    try:
        home = install()
        make_repository(folder / "repository.git", onnx_model(home), ServiceKey.load(state / "key").allowed_signer)
    except TunerError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        return 130
    return _watch(folder / "repository.git", state, home)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
