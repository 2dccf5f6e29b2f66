"""The model repository of one trial: the user's model with the trial's config.pbtxt, below the trial's folder.

Small files are copied, large ones hard-linked (or copied where that cannot be), so that a server can change nothing
of the user's and a large model costs neither time nor disk.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tuner.engine.triton.configuration import Configuration
from tuner.engine.triton.installation import Installation
from tuner.errors import Problem, UserError

__all__ = ["build", "model_name"]

_LARGE = 16 << 20
_FILES = {"python": "model.py", "onnxruntime": "model.onnx", "tensorrt": "model.plan", "pytorch": "model.pt"}
_SKIPPED = frozenset({"config.pbtxt", "__pycache__", ".git"})


def model_name(configuration: Configuration) -> str:
    """The name that clients use: what the configuration says, else the folder's that the container has it in."""
    name = str(configuration.message.name) or Path(configuration.path).parent.name or "model"
    if "/" in name or name in (".", ".."):
        raise UserError(Problem(f"the model's name is a path: {name!r}", "correct the name", configuration.path))
    return name


def build(configuration: Configuration, model: Path, folder: Path, installation: Installation) -> Path:
    """Make ``folder/repository``; UserError where this Triton cannot serve the model. Returns the repository."""
    _check(configuration, _version(model), installation)
    repository = folder / "repository"
    served = repository / model_name(configuration)
    served.mkdir(parents=True)
    _copy(model, served)
    (served / "config.pbtxt").write_text(configuration.text, encoding="utf-8")
    return repository


def _version(model: Path) -> Path:
    """The newest version, which Triton serves where its configuration does not say otherwise."""
    if not model.is_dir():
        raise UserError.of("the model folder does not exist", "correct service.model", file=str(model))
    versions = [path for path in model.iterdir() if path.name.isdecimal() and path.is_dir()]
    if not versions:
        raise UserError.of(
            "the model folder has no version", "put the model's files into a folder named 1", file=str(model)
        )
    return max(versions, key=lambda path: int(path.name))


def _check(configuration: Configuration, version: Path, installation: Installation) -> None:
    message = configuration.message
    backend = str(message.backend) or str(message.platform).partition("_")[0]
    if backend and backend not in installation.serves():
        raise UserError(
            Problem(
                f"this Triton has no backend {backend!r}; it has {', '.join(sorted(installation.serves()))}",
                "use a Triton that has it, or another backend",
                configuration.path,
            )
        )
    wanted = str(message.default_model_filename) or _FILES.get(backend, "")
    if not (version / wanted).exists() or not any(version.iterdir()):
        raise UserError.of(
            f"the model has no {wanted or 'file'}", "add the file, or remove the version", file=str(version)
        )


def _copy(source: Path, target: Path) -> None:
    """Everything below ``source`` but what Triton does not read; a symbolic link is refused."""
    for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
        if entry.name in _SKIPPED:
            continue
        if entry.is_symlink():
            raise UserError.of("the model holds a symbolic link", "put the file itself there", file=entry.path)
        if entry.is_dir():
            (target / entry.name).mkdir()
            _copy(Path(entry.path), target / entry.name)
        elif entry.is_file():
            _file(Path(entry.path), target / entry.name)


def _file(source: Path, target: Path) -> None:
    if source.stat().st_size >= _LARGE:
        try:
            os.link(source, target)
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(source, target)
        return
    shutil.copyfile(source, target)
