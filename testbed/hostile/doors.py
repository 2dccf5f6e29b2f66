"""Every door by name: what the product does with a file, a body, a name or an address that a stranger wrote."""

from __future__ import annotations

import hashlib
import hmac
import io
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from testbed.hostile import originals
from testbed.hostile.door import Door
from tuner.engine.registry import engine_named
from tuner.engine.triton import model_config
from tuner.errors import UserError
from tuner.experience.exchange import read_experience
from tuner.experience.features import features_of
from tuner.load.trace import read_trace
from tuner.manifest.manifest import Manifest
from tuner.policy.quota import parse_quota
from tuner.policy.stored import read_case
from tuner.policy.waiver import parse_waivers
from tuner.pull_request.command import asked_to_rerun
from tuner.pull_request.marker import Marker
from tuner.pull_request.protocol import Forge, Remark
from tuner.replay.descriptor import read_descriptor
from tuner.replay.table import read_table
from tuner.repository.address import Address
from tuner.repository.path import checked, relative
from tuner.repository.reference import branch_ref
from tuner.space.build import build_space
from tuner.spec.loading import load_model, load_spec
from tuner.watch.bell import Bell
from tuner.watch.configuration import Configuration
from tuner.watch.limit import RateLimit
from tuner.watch.listening import host_and_port
from tuner.watch.metrics import Metrics
from tuner.watch.web import webhooks

__all__ = ["DOORS", "SECRET"]

SECRET = b"a shared secret"
_ANSWERS = ("202 ", "400 ", "401 ", "404 ", "405 ", "413 ", "429 ")


def _spec(raw: bytes) -> None:
    loaded = load_spec(raw, "tuning.yaml")
    build_space(loaded, engine_named(loaded.spec.service.engine).parameters())


def _watch(raw: bytes) -> None:
    load_model(raw, "tuner.yaml", Configuration)


def _manifest(raw: bytes) -> None:
    found = Manifest.load({"deployment.yaml": raw}.__getitem__, "deployment.yaml", "triton")
    workload = found.workload
    more = workload.model_copy(update={"arguments": (*workload.arguments, "--log-verbose=1")})
    edited = found.with_workload(more)
    _expect(edited.workload == more, "another workload was written")
    _expect(bool(found.diff(edited)), "nothing was written")


def _table(raw: bytes) -> None:
    read_table(raw, "table.csv", _DESCRIPTOR)


def _model(raw: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        file.write(raw)
        file.flush()
        seen = features_of(Path(file.name))
    _expect((seen.features is None) != (seen.reason == ""), "neither features nor a reason")
    _expect(seen.reason.isprintable() and len(seen.reason) < 1_000, f"the reason is no line: {seen.reason[:300]!r}")


def _model_config(raw: bytes) -> None:
    model_config.parse(raw.decode("utf-8", "replace"), "config.pbtxt")


def _webhook(raw: bytes) -> None:
    head, _, body = raw.partition(b"\n\n")
    headers = dict(line.partition(": ")[::2] for line in head.decode("latin-1").split("\n"))
    if headers.pop("Signed", "") == "yes":
        headers["X-Hub-Signature-256"] = f"sha256={hmac.new(SECRET, body, hashlib.sha256).hexdigest()}"
    environment = {
        "PATH_INFO": headers.pop("Path", "/webhook"),
        "REQUEST_METHOD": headers.pop("Method", "POST"),
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
    }
    told: list[str] = []
    hook = webhooks(_WATCHED.repositories, SECRET, RateLimit(1e9), Bell(), Metrics())
    answer = b"".join(hook(environment, lambda status, _headers, *_: cast("Any", told.append(status))))
    _expect(bool(told) and told[0].startswith(_ANSWERS), f"answered {told}")
    _expect(answer.isascii() and len(answer) < 100, "the answer repeats what was sent")


class _Thread:
    """A pull request with one comment, as far as a search for commands looks at it."""

    def __init__(self, text: str) -> None:
        self._remark = Remark(id=1, author="mallory", text=text, ours=False)

    def comments(self, number: int) -> list[Remark]:
        return [self._remark] if number else []

    def may_write(self, author: str) -> bool:
        return author == "mallory"


def _comment(raw: bytes) -> None:
    text = raw.decode("utf-8", "replace")
    _expect(len(asked_to_rerun(cast("Forge", _Thread(text)), 1)) <= 1, "one comment asks twice")
    Marker.find(text)


def _text(check: Callable[[str], object], mistakes: tuple[type[Exception], ...] = ()) -> Callable[[bytes], None]:
    """A door for one short text, as JSON or a command line hands it over."""

    def knock(raw: bytes) -> None:
        try:
            check(os.fsdecode(raw))
        except mistakes as error:
            if not isinstance(error, UserError):
                raise UserError.of(str(error)) from error
            raise

    return knock


def _path(text: str) -> None:
    checked(text)
    relative("configs/echo", text)


_DESCRIPTOR = read_descriptor(originals.DESCRIPTOR, "table.yaml")
_WATCHED = load_model(originals.WATCH, "tuner.yaml", Configuration)[0]

DOORS: Mapping[str, Door] = {
    door.name: door
    for door in (
        Door("spec", _spec, "tuning.yaml"),
        Door("watch", _watch, "tuner.yaml"),
        Door("manifest", _manifest, "deployment.yaml"),
        Door("waivers", lambda raw: _read(parse_waivers(raw, "waivers.yaml")), "waivers.yaml"),
        Door("quota", lambda raw: _read(parse_quota(raw, "quota.yaml")), "quota.yaml"),
        Door("case", lambda raw: _read(read_case(raw, "case.yaml")), "case.yaml"),
        Door("descriptor", lambda raw: _read(read_descriptor(raw, "table.yaml")), "table.yaml"),
        Door("table", _table, "table.csv"),
        Door("experience", lambda raw: _read(read_experience(raw, "tried.jsonl")), "tried.jsonl"),
        Door("trace", lambda raw: _read(read_trace(raw, "trace.txt")), "trace.txt"),
        Door("model", _model),
        Door("model-config", _model_config, "config.pbtxt"),
        Door("webhook", _webhook),
        Door("comment", _comment),
        Door("address", _text(Address.parse)),
        Door("branch", _text(branch_ref)),
        Door("path", _text(_path)),
        Door("listen", _text(host_and_port, (ValueError,))),
    )
}


def _read(_value: object) -> None:
    """It was read; what it says is of no interest here."""


def _expect(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - as ``assert``, which -O takes away
    if not holds:
        raise AssertionError(otherwise)
