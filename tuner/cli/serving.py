"""The service as a process: wired from its configuration, ended by a signal, with its two web servers."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from tuner.cli.forges import hosting_of
from tuner.cli.queued import follow_repository
from tuner.cli.standby import modules_of
from tuner.cli.wiring import Settings
from tuner.experience.database import sqlite_url
from tuner.repository.mirror import Mirror
from tuner.telemetry.logs import logger
from tuner.watch.configuration import Configuration, Watched, load_configuration
from tuner.watch.database import Database
from tuner.watch.database_lease import DatabaseLease
from tuner.watch.lease import LeaseStore
from tuner.watch.limit import RateLimit
from tuner.watch.process import ProcessRunner, common_environment
from tuner.watch.server import WebServer
from tuner.watch.service import Service, Wiring
from tuner.watch.standby import Standby
from tuner.watch.web import monitoring, webhooks

__all__ = ["serve"]

_PATIENCE = 0.6
"""Of the lease's time, how long a campaign goes on without a beat: with the time that it then gets to stop, it has
ended before another replica may lead."""
_log = logger("watch")


def serve(config: Path, settings: Settings, trace: str = "none") -> None:
    """Run the service until SIGTERM or SIGINT. UserError for mistakes in the configuration."""
    configuration = load_configuration(config)
    state = settings.state
    address = configuration.database.address() if configuration.database else sqlite_url(state / "watch" / "state.db")
    database = Database.open(address)
    with ExitStack() as stack:
        stack.callback(database.close)
        standby = _standby(configuration, state)
        if standby is not None:
            stack.callback(standby.close)
            standby.prepare()
        service = Service(
            Wiring(
                configuration=configuration,
                database=database,
                leases=_leases(configuration, database),
                runner=ProcessRunner(
                    config.absolute(),
                    configuration,
                    state,
                    configuration.leader.lease * _PATIENCE,
                    program=(str(Path(sys.executable).with_name("tuner")),),
                    options=_options(settings, trace),
                    extra={"TUNER_STORAGE": settings.storage_url} if settings.storage_url else {},
                    standby=standby,
                ),
                open_mirror=lambda watched: _mirror(configuration, watched, state),
                state=state,
                replica=f"{socket.gethostname()}-{os.getpid()}-{os.urandom(4).hex()}",
                follow=lambda watched, since: follow_repository(watched, since, configuration, settings),
            )
        )
        _listen(configuration, service, stack)
        stack.enter_context(_ended_by_signals(service))
        service.run()
    _log.info("drained")


def _options(settings: Settings, trace: str) -> tuple[str, ...]:
    """What the service was started with, for its campaigns; addresses that may hold a password are no arguments."""
    opa = ("--opa", str(settings.opa)) if settings.opa else ()
    return ("--policy-engine", settings.policy_engine, *opa, "--trace", trace)


def _standby(configuration: Configuration, state: Path) -> Standby | None:
    if not configuration.standby:
        return None
    kinds = {choice.kind for choice in configuration.forges.values()}
    program = (sys.executable, "-m", "tuner.cli.standby", *modules_of(kinds))
    return Standby(program, common_environment(), state / "watch" / "logs" / "standby.log")


def _leases(configuration: Configuration, database: Database) -> LeaseStore:
    leader = configuration.leader
    if leader.kind == "database":
        return DatabaseLease(database, leader.name)
    from tuner.watch.kubernetes_lease import KubernetesLease, cluster

    return KubernetesLease(cluster(), leader.namespace, leader.name)


def _mirror(configuration: Configuration, watched: Watched, state: Path) -> Mirror:
    folder = state / "watch" / "mirrors" / f"{watched.name}.git"
    return Mirror.open(
        watched.url, folder, branch=watched.branch, local=True, access=hosting_of(configuration, watched).access
    )


def _listen(configuration: Configuration, service: Service, stack: ExitStack) -> None:
    pages = monitoring(service.metrics, service.wrong, service.ready)
    metrics = stack.enter_context(WebServer(pages, configuration.metrics, name="metrics"))
    _log.info("metrics", address=configuration.metrics, port=metrics.port)
    hook = configuration.webhook
    if hook is not None:
        secret = hook.secret.read().encode()
        application = webhooks(configuration.repositories, secret, RateLimit(hook.rate), service.bell, service.metrics)
        server = stack.enter_context(WebServer(application, hook.listen, name="webhooks"))
        _log.info("webhooks", address=hook.listen, port=server.port)


@contextmanager
def _ended_by_signals(service: Service) -> Iterator[None]:
    """The first signal drains; a second one of the same kind ends the process as it always would."""

    def drain(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        service.stop()

    before = {number: signal.signal(number, drain) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
