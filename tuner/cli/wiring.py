"""The one place where implementations meet their Protocols."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from tuner.campaign.observer import Observer
from tuner.campaign.parts import Parts
from tuner.cli.chosen_forge import ForgeOption, chosen_forge
from tuner.engine.registry import engine_named
from tuner.errors import UserError
from tuner.ledger.signature import ServiceKey
from tuner.load.generator import LocustGenerator
from tuner.policy.bundle import PolicyBundle
from tuner.policy.embedded import EmbeddedEngine
from tuner.policy.model import PolicyEngine
from tuner.pull_request.embedded import EmbeddedForge
from tuner.repository.repository import Repository
from tuner.telemetry.logs import configure_logs
from tuner.telemetry.tracing import configure_tracing
from tuner.trial.process import ProcessBackend

__all__ = ["Settings", "make_parts", "observability"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line chose. ``opa`` is the OPA program, or a server's address, for ``policy_engine`` ``opa``."""

    state: Path
    policy_engine: Literal["embedded", "opa"] = "embedded"
    opa: str | None = None
    storage_url: str | None = None
    forge: ForgeOption = field(default_factory=ForgeOption)


def observability(trace: str, log_level: str, style: Literal["text", "json"] = "text") -> None:
    """Logs to standard error; spans to ``none``, ``console`` or an OTLP address."""
    if log_level not in {"debug", "info", "warning", "error"}:
        raise UserError.of(f"there is no log level {log_level!r}", "use debug, info, warning or error")
    configure_logs(level=log_level, style=style)  # type: ignore[arg-type]
    if trace in {"none", "console", "otlp"}:
        configure_tracing(trace)  # type: ignore[arg-type]
    else:
        configure_tracing("otlp", endpoint=trace)


def make_parts(repository: Repository, settings: Settings, observer: Observer) -> Parts:
    """A campaign's parts on this machine: process backend, Locust, the forge that was chosen."""
    state = settings.state
    remote = settings.opa if settings.policy_engine == "opa" and _is_address(settings.opa) else None
    opa = _opa(settings) if settings.policy_engine == "opa" and remote is None else None

    def policies(bundle: PolicyBundle) -> AbstractContextManager[PolicyEngine]:
        if remote is not None:
            return _remote(remote, bundle)
        if opa is not None:
            from tuner.policy.server import OpaServer

            return OpaServer(opa, bundle, decisions=state / "decisions.jsonl")
        return _embedded(bundle)

    hosted = chosen_forge(settings.forge, repository.address)
    key = ServiceKey.load(state / "key")
    return Parts(
        repository=replace(repository, signer=key.sign_commit),
        forge=EmbeddedForge(repository) if hosted is None else hosted.forge,
        engine=engine_named,
        backend=lambda trials: ProcessBackend(trials, state=state / "processes"),
        generator=lambda cpus: LocustGenerator(cpus),
        policies=policies,
        key=key,
        state=state,
        observer=observer,
        storage_url=settings.storage_url,
    )


@contextmanager
def _embedded(bundle: PolicyBundle) -> Iterator[PolicyEngine]:
    yield EmbeddedEngine(bundle)


def _is_address(opa: str | None) -> bool:
    return opa is not None and opa.startswith(("http://", "https://"))


@contextmanager
def _remote(address: str, bundle: PolicyBundle) -> Iterator[PolicyEngine]:
    """A server that has loaded the same policies itself; its token and its CA are named by the environment."""
    from tuner.policy.opa import OpaEngine

    token, authority = os.environ.get("TUNER_OPA_TOKEN"), os.environ.get("TUNER_OPA_CA")
    engine = OpaEngine(address, bundle.revision, token=token or None, authority=authority or None)
    try:
        yield engine
    finally:
        engine.close()


def _opa(settings: Settings) -> Path:
    found = settings.opa or shutil.which("opa")
    if found is None:
        raise UserError.of("there is no opa program on the PATH", "install OPA, or name it with --opa PATH")
    return Path(found)
