"""``python -m testbed.cluster up|down|status``: a real single-node Kubernetes on this machine, or one that is there."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from testbed.cluster.cluster import Cluster
from testbed.cluster.existing import Existing
from testbed.cluster.place import Place
from testbed.cluster.slices import parse_stock
from tuner.errors import PermanentError, UserError

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """Exit 2 for a mistake or a machine that cannot, 1 where it fails or (``status``) is not up, 130 at Ctrl-C."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        place = Place.at(options.state, options.subnet)
        existing = Existing(place)
        if options.action == "down":
            existing.down() if existing.used() else Cluster(place).down()
            return 0
        if options.action == "status":
            return _status(place, existing)
        if options.kubeconfig:
            existing.up(options.kubeconfig, options.context)
        else:
            _up(Cluster(place, parse_stock(options.slices)))
        sys.stdout.write(f"{place.kubeconfig}\n")
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except PermanentError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: nothing is left\n" if options.action == "up" else "interrupted\n")
        return 130
    return 0


def _up(cluster: Cluster) -> None:
    begun = time.monotonic()
    cluster.up()
    cluster.say(f"the cluster is up ({time.monotonic() - begun:.1f} s); MIG slices on it are an emulation")


def _status(place: Place, existing: Existing) -> int:
    if existing.used():
        ready = existing.ready()
        sys.stdout.write(f"{'ready' if ready else 'down':6} existing cluster of {place.kubeconfig}\n")
        return 0 if ready else 1
    states = Cluster(place).status()
    for state in states:
        sys.stdout.write(f"{'ready' if state.ready else 'down':6} {state.part:20} {state.log or ''}".rstrip() + "\n")
    return 0 if all(state.ready for state in states) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m testbed.cluster", description=__doc__)
    parser.add_argument("action", choices=("up", "down", "status"))
    parser.add_argument("--state", type=Path, help="folder of the test bed (default: one of this user)")
    parser.add_argument("--subnet", help="addresses of node and pods (default: 10.244.0.0/24)")
    parser.add_argument("--slices", help="emulated MIG slices, such as 1g.10gb=7,3g.40gb=2")
    parser.add_argument("--kubeconfig", type=Path, help="use this existing cluster and change nothing on it")
    parser.add_argument("--context", help="of the kubeconfig (default: its current one)")
    return parser


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
