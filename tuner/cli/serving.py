"""The service as a process: wired from its configuration, ended by a signal, with its two web servers."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tuner.cli.forges import hosting_of
from tuner.cli.queued import follow_repository
from tuner.cli.standby import modules_of
from tuner.cli.wiring import Settings
from tuner.errors import UserError
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
    """Run the service until SIGTERM or SIGINT. UserError for mistakes in the configuration.

    At SIGHUP the configuration is read again: what is right is drained for, as for an end, and gone on with; what is
    wrong is told, and the service goes on with what it has.
    """
    configuration: Configuration | None = load_configuration(config)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # between two services, it is read anyway
    try:
        while configuration is not None:
            configuration = _served(configuration, config, settings, trace)
    finally:
        signal.signal(signal.SIGHUP, before)


def _served(configuration: Configuration, config: Path, settings: Settings, trace: str) -> Configuration | None:
    """Run until a signal; the configuration to go on with, where it was SIGHUP."""
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
        asked = stack.enter_context(_signals(service, config))
        service.run()
    _log.info("drained")
    return asked.next


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


@dataclass(slots=True)
class _Asked:
    """What signals ask of a service. The first SIGTERM or SIGINT drains; a second one ends the process at once."""

    service: Service
    config: Path
    ended: bool = False
    found: Configuration | None = None

    @property
    def next(self) -> Configuration | None:
        """What to go on with after the drain."""
        return None if self.ended else self.found

    def end(self, number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        self.ended = True
        self.service.stop()

    def reload(self, _number: int, _frame: FrameType | None) -> None:
        # In a thread of its own: the main one may be inside of the log, whose lock it cannot take twice.
        threading.Thread(target=self._read, name="reload", daemon=True).start()

    def _read(self) -> None:
        try:
            self.found = load_configuration(self.config)
        except UserError as error:
            _log.error("the configuration is wrong, the service goes on with what it has", reason=str(error))
            return
        _log.info("the configuration was read again")
        self.service.stop()


@contextmanager
def _signals(service: Service, config: Path) -> Iterator[_Asked]:
    asked = _Asked(service, config)
    handlers = {signal.SIGTERM: asked.end, signal.SIGINT: asked.end, signal.SIGHUP: asked.reload}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
