"""The whole cluster: its parts in the order of their start, brought up, told about and taken down."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from testbed.cluster.certificates import Certificates
from testbed.cluster.cgroups import Cgroups
from testbed.cluster.compute import emulation
from testbed.cluster.control_plane import ControlPlane
from testbed.cluster.images import Images
from testbed.cluster.leftovers import Leftovers
from testbed.cluster.machine import check
from testbed.cluster.network import Bridge, KernelSettings
from testbed.cluster.node import Node
from testbed.cluster.part import Part, marked, stop_all, wait_for
from testbed.cluster.place import Place
from testbed.cluster.recipes import RECIPES, Recipe
from testbed.cluster.slices import Slices, parse_stock
from testbed.lock import locked
from testbed.toolbox import Toolbox
from tuner.errors import PermanentError

__all__ = ["Cluster", "State"]

_PATIENCE = 180.0
"""Seconds for one stage; all of them take ten on an idle machine."""


@dataclass(frozen=True, slots=True)
class State:
    """One part, as ``status`` tells it."""

    part: str
    ready: bool
    log: Path | None


@dataclass(frozen=True)
class Cluster:
    """A single-node cluster in its place. ``say`` gets a line for each stage."""

    place: Place
    stock: Mapping[str, int] = field(default_factory=lambda: parse_stock(None))
    recipes: tuple[Recipe, ...] = tuple(RECIPES)
    say: Callable[[str], None] = lambda line: _say(line)
    box: Toolbox = field(default_factory=Toolbox)

    def stages(self) -> Sequence[Sequence[Part]]:
        """Parts of one stage start together; the next stage begins when all of them are ready."""
        plane, node = ControlPlane(self.place, self.box), Node(self.place, self.box)
        return (
            (KernelSettings(self.place), Bridge(self.place), Certificates(self.place)),
            (plane.etcd(), node.containerd()),
            (plane.api_server(), Images(self.place, self.box, self.recipes)),
            (plane.controller_manager(), plane.scheduler(), node.kubelet(), node.proxy()),
            (Slices(self.place, self.stock), emulation(self.place)),
        )

    def up(self) -> None:
        """Bring up what is not; where nothing was before, an interruption or a failure leaves nothing.

        UserError where the machine cannot hold it; PermanentError where a part does not come up.
        """
        check(self.place)
        self._build()
        with self._alone():
            fresh = not self.place.kubeconfig.exists() or not marked(self.place)
            if fresh and self.place.state.exists():
                self._remove()
            try:
                self._start()
            except BaseException as error:
                if fresh:
                    self._keep_logs(error)
                    with _undisturbed():
                        self._remove()
                raise

    def down(self) -> None:
        """Leave nothing, whatever state it is in; PermanentError where something stays."""
        with self._alone():
            self._remove()

    def status(self) -> list[State]:
        """Each part now."""
        present = self.place.kubeconfig.exists()
        return [State(part.name, present and part.ready(), part.logs()) for stage in self.stages() for part in stage]

    def _build(self) -> None:
        for tool in ("kube-apiserver", "etcd", "pause"):  # the first makes its whole family
            self.box.path(tool)
        Images(self.place, self.box, self.recipes).prepare()

    def _start(self) -> None:
        self.place.prepare()
        begun = time.monotonic()
        for stage in self.stages():
            waiting = [part for part in stage if not part.ready()]
            for part in waiting:
                part.start()
            wait_for(stage, _PATIENCE)
            if waiting:
                names = ", ".join(part.name for part in waiting)
                self.say(f"{time.monotonic() - begun:5.1f} s  {names}")
        images = {recipe.name: recipe.image for recipe in self.recipes}
        (self.place.state / "images.json").write_text(json.dumps(images, indent=1) + "\n")

    def _remove(self) -> None:
        """What runs first, then what it made, then what it stood on."""
        if not self.place.state.exists() and not marked(self.place) and not Cgroups(self.place).present():
            return
        for stage in reversed(self.stages()):
            for part in reversed(stage):
                if part.name == "containerd":
                    Cgroups(self.place).kill()
                part.stop()
        stop_all(lambda: marked(self.place))
        Leftovers(self.place).remove()
        Cgroups(self.place).stop()
        shutil.rmtree(self.place.state)

    def _keep_logs(self, error: BaseException) -> None:
        """A failure's logs stay in the cache; an interruption's do not matter."""
        if isinstance(error, PermanentError) and self.place.log.is_dir():
            kept = self.place.cache / "logs" / self.place.name
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(self.place.log, kept, symlinks=True, dirs_exist_ok=True)
            self.say(f"the logs are in {kept}")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One at a time for a place."""
        with locked(self.place.cache / "testbed" / f"{self.place.name}.lock", self.place.name):
            yield


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C does not stop the tidying."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
