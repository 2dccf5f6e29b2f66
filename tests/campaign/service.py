"""A small real service: the simulator behind a Deployment, in a Git repository of its own, tuned by the command."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from tuner.ledger.signature import ServiceKey

SPEC_PATH = "configs/echo/tuning.yaml"
MANIFEST_PATH = "configs/echo/deployment.yaml"
DIGEST = "sha256:" + "4f" * 32

MANIFEST = f"""\
# The echo service
apiVersion: v1
kind: ConfigMap
metadata:
  name: echo-simulator
data:
  config.json: |
    {{
      "base_us": 2000,
      "item_us": 200
    }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: echo
spec:
  replicas: 2   # keep in step with the alert
  selector:
    matchLabels: {{app: echo}}
  template:
    metadata:
      labels: {{app: echo}}
    spec:
      containers:
        - name: simulator
          image: registry.example.com/echo/simulator:1.0@{DIGEST}
          resources:
            requests: {{cpu: "1", memory: 256Mi}}
            limits: {{cpu: "1", memory: 256Mi}}
          volumeMounts:
            - {{name: config, mountPath: /etc/simulator}}
      volumes:
        - name: config
          configMap: {{name: echo-simulator}}
"""

SPEC = """\
apiVersion: tuner/v1alpha1
kind: TuningSpec
metadata: { name: echo, labels: { team: tests } }
service: { engine: simulator, model: model, manifest: deployment.yaml, container: simulator }
parameters:
  instances: PARAMETER
  max_batch_size: { values: [1, 2, 4] }
load:
  payload: { samples: samples, inputs: [{ name: x, datatype: UINT8, shape: [8] }] }
slo: { latency: { p50: 50ms }, errorRate: 5%, confidence: 90% }
prices: { cpu: 0.03 USD, memory: 0.004 USD }
budget: { trials: TRIALS, wallClock: 20m }
search: { sampler: random, seed: 3, precision: 30%, probe: 200ms }
"""


@dataclass
class Service:
    """A repository with one service, and the commands that work on it."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def repository(self) -> Path:
        return self.root / "repository"

    @property
    def state(self) -> Path:
        return self.root / "state"

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.repository, capture_output=True, text=True, check=True, env=git_environment()
        )
        return done.stdout.strip()

    def write(self, files: Mapping[str, str | bytes], message: str = "change") -> str:
        for name, content in files.items():
            path = self.repository / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(Path(sys.executable).with_name("tuner")), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**bare_environment(self.root), "TUNER_STATE": str(self.state), **self.environment},
            start_new_session=True,
        )

    def tuner(self, *arguments: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=500)
        if expect is not None:
            assert process.returncode == expect, f"exit {process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def run(self, expect: int = 0) -> Any:
        """`tuner run` to the end; the summary that it prints."""
        return json.loads(self.tuner("run", str(self.repository / SPEC_PATH), "--json", expect=expect).stdout)

    def pulls(self) -> Any:
        """Every pull request."""
        return json.loads(self.tuner("pr", "list", "--repo", str(self.repository), "--json").stdout)

    def records(self, campaign: str) -> list[Any]:
        """The campaign's published chain."""
        shown = self.tuner("audit", "show", campaign, "--repo", str(self.repository), "--json")
        return list(json.loads(shown.stdout))

    def verify(self, campaign: str, *, ref: str | None = None, expect: int = 0) -> str:
        """`tuner audit verify`; what it prints."""
        at = ("--ref", ref) if ref else ()
        return self.tuner("audit", "verify", campaign, "--repo", str(self.repository), *at, expect=expect).stdout

    def strays(self) -> list[str]:
        """Command lines of processes that still work below this service's folder."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            line = " ".join(process.info["cmdline"] or [])
            if str(self.root) in line:
                found.append(line)
        return found


def bare_environment(home: Path) -> dict[str, str]:
    """A user without any configuration of git, least of all an identity."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "TUNER_", "EMAIL"))}
    return {**own, "HOME": str(home), "XDG_CONFIG_HOME": str(home / "config"), "GIT_CONFIG_NOSYSTEM": "1"}


def git_environment() -> dict[str, str]:
    names = ("AUTHOR", "COMMITTER")
    who = {f"GIT_{name}_NAME": "Owner" for name in names} | {f"GIT_{name}_EMAIL": "owner@example.com" for name in names}
    return {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def sample() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((2, 8), dtype=np.uint8))
    return buffer.getvalue()


def spec_text(*, instances: str = "{ min: 1, max: 4 }", trials: int = 4) -> str:
    return SPEC.replace("PARAMETER", instances).replace("TRIALS", str(trials))


def make_service(root: Path, files: Mapping[str, str | bytes] | None = None, **spec: Any) -> Service:
    """Make a service; ``files`` are further files of its repository, the rest goes into its spec."""
    service = Service(root)
    service.repository.mkdir(parents=True)
    service.git("init", "--quiet", "--initial-branch=main")
    service.write(
        {
            MANIFEST_PATH: MANIFEST,
            "configs/echo/model/README": "the simulator needs no model\n",
            "configs/echo/samples/x.npy": sample(),
            "audit/allowed_signers": ServiceKey.load(service.state / "key").allowed_signer,
            **(files or {}),
        },
        "the service",
    )
    service.write({SPEC_PATH: spec_text(**spec)}, "the spec")
    return service
