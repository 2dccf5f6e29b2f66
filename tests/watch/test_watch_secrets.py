"""Secrets of the service are in nothing that it writes: a whole campaign, and every byte that is left of it."""

from __future__ import annotations

import base64
import gzip
import json
import secrets
import socket
import subprocess
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
import requests
from sqlalchemy import make_url

from bench.crash import settled
from bench.crash_check import violations
from bench.crash_place import Place, make_place
from bench.crash_service import Watcher
from testbed.gitea import gitea_server
from tests.campaign.service import SPEC_PATH
from tests.pull_request.gitea_host import Town

_TRIALS = ("tuner.load.worker", "tuner.trial.", "simulator")
"""Words of the command lines of processes that run trials."""


class Planted:
    """Secrets by where they are."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def new(self, where: str) -> str:
        self.values[where] = f"planted-{secrets.token_urlsafe(18)}/+="
        return self.values[where]

    def found_in(self, raw: bytes) -> set[str]:
        """Where the secrets are from that these bytes have, in any of the ways that programs write a text."""
        return {where for where, value in self.values.items() if any(form in raw for form in _forms(value))}


def _forms(value: str) -> Iterator[bytes]:
    yield value.encode()
    yield quote(value, safe="").encode()
    yield json.dumps(value)[1:-1].replace("/", "\\/").encode()
    yield value.encode().hex().encode()
    for before in range(3):  # as part of a longer text, whatever stands before it
        encoded = base64.b64encode(b"x" * before + value.encode())
        yield encoded[4 if before else 0 : -4]


def test_what_looks_for_secrets_finds_them_in_every_form() -> None:
    planted = Planted()
    value = planted.new("somewhere")
    told = f"bot:{value}"
    for raw in (value, quote(value, safe=""), f"%3A{quote(value, safe='')}", value.encode().hex()):
        assert planted.found_in(f"before {raw} after".encode()) == {"somewhere"}
    for text in (value, told, f"ab{value}cd", f"abc{value}"):
        assert planted.found_in(b"Basic " + base64.b64encode(text.encode())) == {"somewhere"}
    assert planted.found_in(json.dumps({"a": value}).encode()) == {"somewhere"}
    assert planted.found_in(b"planted-nothing") == set()


@pytest.mark.real
@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_no_secret_is_in_anything_that_a_campaign_leaves(tmp_path: Path, fresh_postgres: str) -> None:
    with gitea_server() as gitea:
        town, planted = Town.on(gitea), Planted()
        place = make_place(town, tmp_path / "place")
        port = _free_port()
        environment = plant(place, planted, fresh_postgres, port)
        watcher = Watcher(place, environment, options=("--log-level", "debug", "--trace", "console"))
        lines, trials, metrics = watched(watcher, port)
        assert violations(watcher) == []
        spoken = {
            "command lines": "\n".join(lines).encode(),
            "environment of a trial": "\n".join(trials).encode(),
            "metrics": metrics,
            "forge": forge_of(place),
        }
        written = {**spoken, **dict(files_of(place)), **dict(objects_of(place))}
    leaks = {name: found for name, raw in written.items() if (found := planted.found_in(raw))}
    assert leaks == {}
    assert len(trials) >= 2, "a server and its load were seen"
    assert "tuner_leader" in metrics.decode()
    for name, word in (
        ("state/watch/logs/1.log", "trace_id"),
        ("forge", "Requests"),
        ("state/watch/state.db", SPEC_PATH),
    ):
        assert word.lower().encode() in written[name].lower(), f"{name} was looked at"


def plant(place: Place, planted: Planted, storage: str, port: int) -> Mapping[str, str]:
    """Put secrets wherever a service may have them; variables of the service."""
    planted.values["token"] = place.town.bot.token
    hook = place.root / "hook"
    hook.write_text(planted.new("webhook"))
    hook.chmod(0o600)
    netrc = place.root / ".netrc"
    netrc.write_text(f"machine 127.0.0.1 login bot password {planted.new('netrc')}\n")
    netrc.chmod(0o600)
    text = place.config.read_text().replace("metrics: 127.0.0.1:0", f"metrics: 127.0.0.1:{port}")
    place.config.write_text(f"{text}webhook: {{ listen: 127.0.0.1:0, secret: {{ file: {hook} }} }}\n")
    proxy = quote(planted.new("proxy"), safe="")
    url = make_url(storage).set(password=planted.new("storage"))
    return {
        "TUNER_STORAGE": url.render_as_string(hide_password=False),
        "DATABASE_PASSWORD": planted.new("environment"),
        "AWS_SECRET_ACCESS_KEY": planted.new("cloud"),
        "GITEA_TOKEN": planted.new("another token"),
        "HTTPS_PROXY": f"http://bot:{proxy}@127.0.0.1:9",
        "NO_PROXY": "127.0.0.1,localhost",
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={planted.new('collector')}",
    }


def watched(watcher: Watcher, port: int) -> tuple[set[str], set[str], bytes]:
    """Let the campaign go to its end: every command line, every environment of a trial's process, the metrics."""
    lines: set[str] = set()
    trials: set[str] = set()
    metrics = b""
    began = time.monotonic()
    with watcher.attended():
        watcher.begin()
        while watcher.watch(0.05):
            for process in watcher.descendants():
                try:
                    line = " ".join(process.cmdline())
                    lines.add(line)
                    if any(word in line for word in _TRIALS):
                        trials.add(json.dumps([line, process.environ()]))
                except psutil.Error:
                    continue
        assert watcher.ended()
        metrics = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).content
        assert settled(watcher, began) == []
    return lines, trials, metrics


def forge_of(place: Place) -> bytes:
    """Everything that the forge shows of the repository's pull request and commit."""
    (pull,) = place.get("/pulls?state=all")
    commit = place.git("-C", str(place.service.repository), "log", "-1", "--format=%H", "main").strip()
    parts = [pull, place.get(f"/issues/{pull['number']}/comments"), place.get(f"/commits/{commit}/statuses")]
    return json.dumps(parts).encode()


def files_of(place: Place) -> Iterator[tuple[str, bytes]]:
    """Every file below the place but those that secrets were put in."""
    for file in sorted(place.root.rglob("*")):
        name = str(file.relative_to(place.root))
        if name in ("token", "hook", ".netrc") or file.is_symlink() or not file.is_file():
            continue
        raw = file.read_bytes()
        yield name, raw
        if raw[:2] == b"\x1f\x8b":
            yield f"{name} (unpacked)", gzip.decompress(raw)
        elif "/objects/" in name and "/pack/" not in name and "/info/" not in name:
            yield f"{name} (unpacked)", zlib.decompress(raw)


def objects_of(place: Place) -> Iterator[tuple[str, bytes]]:
    """All objects of the repository on the forge, and its references."""
    clone = str(place.root / "seen.git")
    command = ["git", "-C", clone, "cat-file", "--batch-all-objects", "--batch"]
    yield "objects", subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    yield "references", place.git("-C", clone, "for-each-ref").encode()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
