"""The policies of one commit: Rego modules and their data, with the digest that a verdict names as its revision."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files as resources
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import Any, Self

from tuner.errors import Problem, UserError
from tuner.spec.document import read_document
from tuner.value import canonical_json, digest_of

__all__ = ["PolicyBundle"]

_MOST_BYTES = 4 * 1024 * 1024
_DATA = frozenset({"data.json", "data.yaml", "data.yml"})


@dataclass(frozen=True, slots=True)
class PolicyBundle:
    """Modules by path, data as one document, both laid out as in an OPA bundle: data lies under its folder's path."""

    modules: Mapping[str, str]
    data: str
    """Canonical JSON."""
    revision: str

    @classmethod
    def load(cls, files: Mapping[str, bytes]) -> Self:
        """The bundle in a folder's files, by path below it. Tests (``_test.rego``) and all other files are left out.

        UserError, with the place, where there is no module, or a file is no UTF-8, no data, or too large.
        """
        if (size := sum(map(len, files.values()))) > _MOST_BYTES:
            raise UserError.of(f"the policies have {size} bytes, more than the {_MOST_BYTES} that are read")
        modules: dict[str, str] = {}
        data: dict[str, Any] = {}
        for path in sorted(files):
            pure = PurePosixPath(path)
            if pure.is_absolute() or ".." in pure.parts:
                raise UserError.of(f"{path!r} is no path below the policies' folder")
            if pure.suffix == ".rego" and not pure.stem.endswith("_test"):
                modules[str(pure)] = _text(files[path], path)
            elif pure.name in _DATA:
                _merge(data, pure, _parsed(files[path], path))
        if not modules:
            raise UserError.of("there is no policy", "add .rego files, or remove the folder to use the default ones")
        spelled = canonical_json(data)
        return cls(modules, spelled, digest_of(canonical_json({"data": data, "modules": modules})))

    @classmethod
    def default(cls) -> Self:
        """The policies that come with tuner: from the package, or in a checkout from its ``policies`` folder."""
        packaged = resources("tuner.policy").joinpath("policies")
        root = packaged if packaged.is_dir() else Path(__file__).parents[2] / "policies"
        return cls.load(dict(_walk(root, "")))

    def write(self, folder: Path) -> None:
        """Write an OPA bundle into an empty folder, with the revision in its manifest."""
        for path, text in self.modules.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="")
        (folder / "data.json").write_text(self.data, encoding="utf-8")
        manifest = {"revision": self.revision, "roots": [""], "rego_version": 1}
        (folder / ".manifest").write_text(json.dumps(manifest), encoding="utf-8")


def _text(raw: bytes, path: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UserError(Problem("the file is not UTF-8", "save it as UTF-8", path, line)) from error


def _parsed(raw: bytes, path: str) -> dict[str, Any]:
    return _json(raw, path) if path.endswith(".json") else _yaml(raw, path)


def _json(raw: bytes, path: str) -> dict[str, Any]:
    try:
        data = json.loads(_text(raw, path), object_pairs_hook=_unique)
        canonical_json(data)
    except json.JSONDecodeError as error:
        problem = Problem(f"this is not JSON: {error.msg}", "check the syntax", path, error.lineno, error.colno)
        raise UserError(problem) from error
    except (ValueError, RecursionError) as error:
        raise UserError.of(f"the data is not plain JSON: {error}", file=path) from error
    if not isinstance(data, dict):
        raise UserError.of("the data is no mapping", "write keys and values", file=path)
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object, where no key stands in it twice: which one counts is not the same in every reader."""
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} is a duplicate")
    return found


def _yaml(raw: bytes, path: str) -> dict[str, Any]:
    document = read_document(raw, path)
    if document.mistakes:
        raise UserError(document.mistakes)
    if not isinstance(document.data, dict):
        raise UserError(document.problem((), "the data is no mapping", "write keys and values"))
    try:
        canonical_json(document.data)
    except ValueError as error:
        raise UserError(document.problem((), f"the data is not plain JSON: {error}")) from error
    return document.data


def _merge(data: dict[str, Any], path: PurePosixPath, found: dict[str, Any]) -> None:
    """Put a file's data under its folder's path; two files may not say the same key."""
    for part in path.parts[:-1]:
        data = data.setdefault(part, {})
        if not isinstance(data, dict):
            raise UserError.of(f"another data file holds {part!r} as a value", file=str(path))
    _join(data, found, path)


def _join(data: dict[str, Any], found: dict[str, Any], path: PurePosixPath) -> None:
    for key, value in found.items():
        if key not in data:
            data[key] = value
        elif isinstance(data[key], dict) and isinstance(value, dict):
            _join(data[key], value, path)
        else:
            raise UserError.of(f"another data file holds {key!r} already", "keep one", file=str(path))


def _walk(root: Path | Traversable, below: str) -> list[tuple[str, bytes]]:
    found = []
    for entry in sorted(root.iterdir(), key=lambda entry: entry.name):
        path = f"{below}{entry.name}"
        if entry.is_dir():
            found += _walk(entry, f"{path}/")
        elif entry.name in _DATA or entry.name.endswith(".rego"):
            found.append((path, entry.read_bytes()))
    return found
