"""The serving stack of demo and tests: Triton, ONNX Runtime and the model file, in an environment of its own.

``python -m testbed.serving triton`` prints its folder, installing it first where it is not there yet;
``python -m testbed.serving model [SERVICE]`` prints a service's ONNX file in it. Everything comes from
``requirements/triton.txt``, by hash. The folder lies in the user's cache, outside any checkout; its name holds the
digest of the lock file and the version of Python, so a change of either installs anew.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from testbed.lock import locked
from tuner.engine.triton.installation import Installation, default_home, merge_backends, search_path
from tuner.errors import PermanentError, UserError

__all__ = ["LOCK", "install", "main", "onnx_model"]

LOCK = Path(__file__).resolve().parent.parent / "requirements" / "triton.txt"
_PYTHONS = ((3, 11), (3, 12))  # numpy 1 has wheels for no newer one, and the Python backend needs numpy 1
_MODELS = {
    "text-orientation": "lib/python3.*/site-packages/rapidocr/models/ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "file-type": "lib/python3.*/site-packages/magika/models/standard_v3_3/model.onnx",
}


def install(cache: Path | None = None, lock: Path = LOCK) -> Path:
    """The folder of the serving stack, installed now where it is missing. Safe to call from several processes.

    Needs neither root nor Debian's python3-venv. UserError where this machine has no Python that fits, or lacks
    libpython; PermanentError where the packages cannot be installed.
    """
    link = (cache / "serving" / "triton") if cache else default_home()
    python, version = _interpreter()
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    home = link.with_name(f"triton-{digest}-py{version}")
    with locked(home.with_name(f"{home.name}.lock"), "triton"):
        if not home.is_dir():
            _build(home, python, version, lock)
        _point(link, home)
    return home


def onnx_model(home: Path, service: str = "text-orientation") -> Path:
    """The model of a service in the installation (both Apache-2.0).

    ``text-orientation`` is the orientation classifier of PP-OCR, ``file-type`` the content-type classifier of Magika.
    """
    found = next(iter(sorted(home.glob(_MODELS[service]))), None)
    if found is None:
        raise PermanentError(f"{home} lacks the model file: delete the folder and install again")
    return found


def _interpreter() -> tuple[str, str]:
    """The running interpreter, else another on PATH that the wheels exist for; and its version."""
    if sys.version_info[:2] in _PYTHONS:
        return sys.executable, f"{sys.version_info[0]}.{sys.version_info[1]}"
    for major, minor in _PYTHONS:
        found = shutil.which(f"python{major}.{minor}")
        if found:
            return found, f"{major}.{minor}"
    told = " or ".join(f"{major}.{minor}" for major, minor in _PYTHONS)
    raise UserError.of(f"Triton's Python backend needs Python {told}", "install one of them; it may stand beside yours")


def _build(home: Path, python: str, version: str, lock: Path) -> None:
    """Install beside the final place and rename, so that a killed installation leaves nothing that looks whole."""
    sys.stderr.write("triton: installing the serving stack (about 190 MB to fetch)\n")
    with tempfile.TemporaryDirectory(prefix=".triton-", dir=home.parent) as scratch:
        made = Path(scratch, "home")
        _run((python, "-m", "venv", "--without-pip", str(made)))
        options = ("--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes", "--no-deps")
        pip = (sys.executable, "-m", "pip", "--python", str(made / "bin" / "python"), "install", *options)
        _run((*pip, "--only-binary", ":all:", "-r", str(lock)))
        merge_backends(made)
        _provide_libpython(made, version)
        Installation.at(made)
        made.rename(home)
    sys.stderr.write("triton: installed\n")


def _provide_libpython(home: Path, version: str) -> None:
    """The backend's stub needs libpython, which Debian packs apart: fetch that package, without installing it."""
    library = f"libpython{version}.so.1.0"
    if _loads(home, library):
        return
    with tempfile.TemporaryDirectory(dir=home) as scratch:
        try:
            _run(("apt-get", "download", f"libpython{version}"), folder=Path(scratch))
            for package in Path(scratch).glob("*.deb"):
                _run(("dpkg-deb", "-x", str(package), scratch))
        except (PermanentError, OSError) as error:
            raise UserError.of(
                f"{library} is missing and could not be fetched", f"apt-get install libpython{version}"
            ) from error
        (home / "runtime").mkdir()
        for file in Path(scratch).rglob(f"{library}*"):
            shutil.copy(file, home / "runtime" / file.name, follow_symlinks=False)
    if not _loads(home, library):
        raise UserError.of(f"{library} does not load", f"apt-get install libpython{version}")


def _loads(home: Path, library: str) -> bool:
    """Does the dynamic linker find the library for this installation? Asked of a process of its own."""
    command = (str(home / "bin" / "python"), "-c", f"import ctypes; ctypes.CDLL({library!r})")
    return subprocess.run(command, env=search_path(home), capture_output=True, timeout=60).returncode == 0


def _run(command: Sequence[str], folder: Path | None = None) -> None:
    """Run to the end; the end of the output tells why where it fails."""
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=_passed())
    if done.returncode != 0:
        told = "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:])
        raise PermanentError(f"{' '.join(command[:5])} … failed (exit {done.returncode}):\n{told}")


def _passed() -> Mapping[str, str]:
    """The environment without what would make another Python's packages visible."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


def _point(link: Path, home: Path) -> None:
    """Let ``link`` name ``home``, in one step."""
    if link.is_symlink() and link.resolve() == home.resolve():
        return
    fresh = link.with_name(f".{link.name}-{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(home.name)
    fresh.replace(link)


def main(arguments: Sequence[str]) -> int:
    """Print the folder (``triton``) or a model file (``model``); exit 2 for a mistake, 1 where it cannot be."""
    asked = list(arguments)
    if asked not in (["triton"], ["model"], *(["model", service] for service in _MODELS)):
        sys.stderr.write(f"usage: python -m testbed.serving triton|model [{'|'.join(_MODELS)}]\n")
        return 2
    try:
        home = install()
        sys.stdout.write(f"{home if asked[0] == 'triton' else onnx_model(home, *asked[1:])}\n")
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except PermanentError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
