"""A description is fetched once, by the digest that is pinned, and nothing else is ever taken for it."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed import openapi
from testbed.openapi import DESCRIPTIONS, Description, description, main
from tuner.errors import PermanentError, UserError

FILE = "package/api.json"


def package(content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo(FILE)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes, bytes], Path]:
    """Pin one package and have ``npm`` bring another; the file that counts npm's calls."""

    def publish(pinned: bytes, brought: bytes) -> Path:
        digest = base64.b64encode(hashlib.sha512(pinned).digest()).decode()
        one = Description("@acme/api", "1.0.0", f"sha512-{digest}", FILE)
        monkeypatch.setattr(openapi, "DESCRIPTIONS", {"acme": one})
        folder = tmp_path / "bin"
        folder.mkdir()
        (tmp_path / "brought.tgz").write_bytes(brought)
        npm = folder / "npm"
        npm.write_text(
            f"#!/bin/sh\necho called >> {tmp_path}/calls\n"
            f'for each; do last=$each; done\ncp {tmp_path}/brought.tgz "$last/x.tgz"\n'
        )
        npm.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        return tmp_path / "calls"

    return publish


def test_it_is_fetched_once(published: Callable[[bytes, bytes], Path], tmp_path: Path) -> None:
    raw = package(b'{"openapi": "3.0.3"}')
    calls = published(raw, raw)
    first, second = (description("acme", tmp_path / "cache") for _ in range(2))
    assert first == second
    assert first.read_bytes() == b'{"openapi": "3.0.3"}'
    assert calls.read_text() == "called\n"


def test_another_content_is_refused_and_leaves_nothing(
    published: Callable[[bytes, bytes], Path], tmp_path: Path
) -> None:
    published(package(b"{}"), package(b'{"changed": 1}'))
    with pytest.raises(PermanentError, match="digest"):
        description("acme", tmp_path / "cache")
    assert [file.name for file in (tmp_path / "cache" / "openapi").iterdir() if file.suffix == ".json"] == []


def test_an_unknown_name_is_told_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="github"):
        description("nowhere")
    assert main(["nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert DESCRIPTIONS
