"""The check with stock tools, as docs/audit.md tells it, run as it stands there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tuner.ledger.chain import continue_chain
from tuner.ledger.head import AuditFiles, sign_head
from tuner.ledger.signature import ServiceKey

pytestmark = pytest.mark.real
PAGE = Path(__file__).parents[2] / "docs" / "audit.md"
CAMPAIGN = "orientation-3f2a91c0"
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
NAMES = ("take", "signature", "digest", "chain")


def run(repository: Path, *arguments: str) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(repository),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.com",
    }
    subprocess.run(["git", *arguments], cwd=repository, env=environment, check=True, capture_output=True, timeout=60)


@pytest.fixture
def commit(tmp_path: Path, key: ServiceKey, chain: bytes) -> Callable[..., Path]:
    """Commits the allowed signers on main and an audit log on another branch, changed in one file."""

    def made(*, signers: str | None = None, **changes: Callable[[bytes], bytes]) -> Path:
        repository = tmp_path / "repository"
        repository.mkdir()
        run(repository, "init", "-q", "-b", "main")
        (repository / "audit").mkdir()
        (repository / "audit" / "allowed_signers").write_text(signers or key.allowed_signer)
        run(repository, "add", "-A")
        run(repository, "commit", "-q", "-m", "signers")
        run(repository, "checkout", "-q", "-b", "tuner/orientation")
        files = AuditFiles("orientation", CAMPAIGN)
        for path, raw in files.content(chain, sign_head(chain, key)).items():
            file = repository / path
            file.parent.mkdir(exist_ok=True)
            name = {files.chain: "chain", files.head: "head", files.signature: "signature"}[path]
            file.write_bytes(changes[name](raw) if name in changes else raw)
        run(repository, "add", "-A")
        run(repository, "commit", "-q", "-m", "log")
        return repository

    return made


def failed(repository: Path) -> set[str]:
    """Which of the page's commands fail, each block in a shell of its own that stops at the first failure."""
    variables = {"protected": "main", "branch": "tuner/orientation", "service": "orientation", "campaign": CAMPAIGN}
    environment = {"PATH": os.environ["PATH"], "HOME": str(repository), **variables}
    assert len(BLOCKS) == len(NAMES)
    shell = shutil.which("sh") or "sh"
    return {
        name
        for name, block in zip(NAMES, BLOCKS, strict=True)
        if subprocess.run(
            [shell, "-eu", "-c", block], cwd=repository, env=environment, capture_output=True, timeout=60
        ).returncode
    }


def test_a_good_log_passes(commit: Callable[..., Path]) -> None:
    assert failed(commit()) == set()


def test_another_signer_is_found(commit: Callable[..., Path], tmp_path: Path) -> None:
    stranger = ServiceKey.load(tmp_path / "stranger")
    assert failed(commit(signers=stranger.allowed_signer)) == {"signature"}


def test_an_expired_signer_is_found(commit: Callable[..., Path], key: ServiceKey) -> None:
    assert failed(commit(signers=f'tuner valid-before="20200101" {key.public}\n')) == {"signature"}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"head": lambda raw: raw.replace(b'"records":4', b'"records":3')}, {"signature", "digest"}),
        ({"signature": lambda raw: raw.replace(b"U1NIU0lH", b"U1NIU0lI")}, {"signature"}),
        ({"chain": lambda raw: raw.replace(b"523.25", b"999.25")}, {"digest", "chain"}),
        ({"chain": lambda raw: raw.replace(b"523.25", b"523.250")}, {"digest", "chain"}),
        ({"chain": lambda raw: b"".join(raw.splitlines(keepends=True)[:-1])}, {"digest", "chain"}),
        ({"chain": lambda raw: b"".join(raw.splitlines(keepends=True)[1:])}, {"digest", "chain"}),
        ({"chain": lambda raw: b"".join(sorted(raw.splitlines(keepends=True)))}, {"digest", "chain"}),
        ({"chain": lambda raw: continue_chain(raw, "forged", {})}, {"digest", "chain"}),
        ({"chain": lambda raw: raw + b"\n"}, {"digest", "chain"}),
    ],
)
def test_a_changed_log_is_found(
    commit: Callable[..., Path], changes: dict[str, Callable[[bytes], bytes]], found: set[str]
) -> None:
    assert failed(commit(**changes)) == found


def test_a_body_that_looks_like_a_hash_does_not_confuse_the_commands(
    tmp_path: Path, key: ServiceKey, commit: Callable[..., Path], chain: bytes
) -> None:
    tricky = continue_chain(chain, 'a","hash":"x","kind":', {"hash": "x", "kind": {"hash": "sha256:0", "kind": "\\"}})
    files = AuditFiles("orientation", CAMPAIGN).content(tricky, sign_head(tricky, key))
    chain_path, head_path, signature_path = files
    repository = commit(
        chain=lambda _: files[chain_path], head=lambda _: files[head_path], signature=lambda _: files[signature_path]
    )
    assert failed(repository) == set()
