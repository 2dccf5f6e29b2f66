"""``python -m tuner.cli.standby [MODULE …]``: a ``tuner`` that has read its libraries and waits for what to do.

The service keeps one; see ``tuner.watch.standby``. The modules are further ones to read, such as a forge's.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys

from tuner.watch.standby import Order, read_order

__all__ = ["modules_of"]

_NEEDED = (
    "tuner.cli.app",
    "tuner.cli.queued",
    "tuner.cli.wiring",
    "tuner.watch.heartbeat",
    "alembic.migration",  # the rest is read when something is first asked for
    "kubernetes.utils.quantity",
    "optuna.storages._rdb.models",
    "scipy.stats",
    "sqlalchemy.orm",
)
_FORGES = {
    "gitea": ("tuner.pull_request.gitea.forge", "tuner.pull_request.gitea.client"),
    "github": ("tuner.pull_request.github.forge", "tuner.pull_request.github.hub"),
    "gitlab": ("tuner.pull_request.gitlab.forge", "tuner.pull_request.gitlab.server"),
}


def modules_of(kinds: set[str]) -> tuple[str, ...]:
    """What campaigns on these kinds of forge read beside what all do."""
    return tuple(module for kind in sorted(kinds) for module in _FORGES.get(kind, ()))


def _main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for module in (*_NEEDED, *sys.argv[1:]):
            importlib.import_module(module)
        order = read_order(sys.stdin.fileno())
    except KeyboardInterrupt:
        order = None
    if order is not None:
        _obey(order)


def _obey(order: Order) -> None:
    for file, handle in ((order.out, 1), (order.log, 2)):
        opened = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        os.dup2(opened, handle)
        os.close(opened)
    os.environ.update(order.environment)
    sys.argv[:] = ["tuner", *order.arguments]
    from tuner.cli.app import main

    main()


if __name__ == "__main__":
    _main()
