"""A cluster that is there already, such as kind's or minikube's, used instead of one of the test bed's own."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import yaml

from testbed.cluster.part import run
from testbed.cluster.place import Place
from testbed.toolbox import Toolbox
from tuner.errors import PermanentError, UserError

__all__ = ["Existing"]


@dataclass(frozen=True, slots=True)
class Existing:
    """Its kubeconfig, reduced to one context, stands in the state's folder; nothing on the cluster is changed."""

    place: Place

    def used(self) -> bool:
        """Whether the place's cluster is an existing one."""
        return self._note.is_file()

    def up(self, kubeconfig: Path, context: str | None) -> None:
        """Take it; UserError where the file or its context is none, or the cluster does not answer."""
        if self.place.kubeconfig.exists() and not self.used():
            raise UserError.of("the test bed's own cluster is up", "take it down first")
        words = ["--kubeconfig", str(kubeconfig), *(["--context", context] if context else [])]
        kubectl = Toolbox().path("kubectl")
        try:
            reduced = run(kubectl, *words, "config", "view", "--minify", "--flatten")
            yaml.safe_load(reduced)["current-context"]
            run(kubectl, *words, "--request-timeout=10s", "get", "--raw", "/readyz")
        except (PermanentError, KeyError, TypeError) as error:
            raise UserError.of(f"this cluster cannot be used: {error}", "check the file and its context") from error
        self.place.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._note.touch()
        self.place.kubeconfig.touch(mode=0o600)
        self.place.kubeconfig.write_text(reduced)

    def ready(self) -> bool:
        """It answers."""
        command = ("--kubeconfig", str(self.place.kubeconfig), "--request-timeout=10s", "get", "--raw", "/readyz")
        try:
            run(Toolbox().path("kubectl"), *command)
        except PermanentError:
            return False
        return True

    def down(self) -> None:
        """Forget it; the cluster stays as it is."""
        shutil.rmtree(self.place.state)

    @property
    def _note(self) -> Path:
        return self.place.state / "existing"
